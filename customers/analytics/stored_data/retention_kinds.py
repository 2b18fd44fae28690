"""How long results of analytics questions are kept."""

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention
from customers.analytics.results import KEPT

RESULTS = AgedRows("analytics.AnalyticsResult", "started_at")

register_retention(
    RetentionKind(
        key="analytics_results",
        label=gettext_lazy("Computed results of analytics"),
        note=gettext_lazy("They are computed again when someone opens the report."),
        default_days=KEPT.days,
        max_days=365,
        preview=RESULTS.preview,
        purge=RESULTS.purge,
        order=72,
    ),
)
