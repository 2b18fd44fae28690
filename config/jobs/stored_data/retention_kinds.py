"""How long records of job runs are kept."""

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

RUNS = AgedRows("jobs.ScheduledRun", "started_at")

register_retention(
    RetentionKind(
        key="job_runs",
        label=gettext_lazy("Records of job runs"),
        note=gettext_lazy("Then deleted."),
        default_days=90,
        min_days=7,
        preview=RUNS.preview,
        purge=RUNS.purge,
        order=70,
    ),
)
