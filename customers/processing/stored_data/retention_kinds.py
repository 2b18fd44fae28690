"""How long the records of event processing are kept."""

from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention
from config.foundation.retention.periods import get_retention_days
from customers.processing.stored_data.runs_retention import delete_old_runs

RUNS = AgedRows("processing.ProcessingRun", "started_at")


def purge(before: datetime) -> int:
    """Delete old runs, and small successful ones after a day."""
    small_before = before + timedelta(days=get_retention_days("processing_runs") - 1)
    return delete_old_runs(before=before, small_before=small_before)


register_retention(
    RetentionKind(
        key="processing_runs",
        label=gettext_lazy("Records of event processing"),
        note=gettext_lazy("Then deleted."),
        default_days=30,
        min_days=2,
        preview=RUNS.preview,
        purge=purge,
        order=71,
    ),
)
