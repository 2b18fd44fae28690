"""Processing keeps counts of what it did; only error texts may name someone."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

register_stores(
    MatchingTexts(
        "processing.runs", _("errors of processing"), "processing.ProcessingRun", "error", action=TextAction.MASK
    ),
)
register_impersonal(
    table("processing.ProcessingRun"), table("processing.ProcessingTotal"), reason="Counts and durations of batches."
)
