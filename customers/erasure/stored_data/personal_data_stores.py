"""What the erasure itself stores."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("erasure.ErasureRun"),
    table("erasure.ErasureStep"),
    table("erasure.ModelFlag"),
    reason="When someone was erased and by whose request, without the person.",
)
register_impersonal(
    table("erasure.ErasedPerson"),
    reason="Whom a run erases, encrypted; kept until the proof, which needs to know what to search for, then deleted.",
)
