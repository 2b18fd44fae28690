"""What analytics stores about people: results and reports that name identifiers."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

register_stores(
    MatchingTexts(
        "analytics.results",
        _("analytics results that identify people"),
        "analytics.AnalyticsResult",
        "content",
        "parameters",
        "error",
        action=TextAction.DELETE,
        kept=_("All other results; a deleted one is computed again when someone opens it."),
    ),
    MatchingTexts(
        "analytics.reports",
        _("saved reports that identify people"),
        "analytics.SavedReport",
        "parameters",
        action=TextAction.MASK,
    ),
    MatchingTexts("analytics.annotations", _("annotations"), "analytics.Annotation", "text", action=TextAction.MASK),
)
register_impersonal(
    table("analytics.AnalyticsResult"),
    table("analytics.SavedReport"),
    table("analytics.Dashboard"),
    reason="Questions and names given by staff, and hashes of them.",
)
