"""How long it is known who was in an exported audience."""

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

EXPORTS = AgedRows("campaigns.AudienceExport", "exported_at", cleared={"held_out_ids": []})

register_retention(
    RetentionKind(
        key="audience_exports",
        label=gettext_lazy("Audience exports"),
        note=gettext_lazy(
            "The list of customers in the holdout group is deleted; only their number is kept. The comparison can no longer be recomputed."
        ),
        default_days=730,
        min_days=90,
        preview=EXPORTS.preview,
        purge=EXPORTS.purge,
        order=43,
    ),
)
