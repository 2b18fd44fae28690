"""How long ago the alarm rules were last checked."""

from datetime import datetime

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min

from config.monitoring.models import MonitoringState

# The worker checks the rules every minute; prometheus/alerts.yml has the same limit.
MAX_CHECK_AGE_SECONDS = 600


def measure_check_age(*, at: datetime) -> float:
    """Return the seconds since the last check; without any, since the installation, so that a worker that never started is noticed.

    A check in the future was made while the clock was ahead: its distance counts as its age, so that it is noticed as well.
    """
    checked_at = MonitoringState.objects.values_list("checked_at", flat=True).first()
    if checked_at is None:
        checked_at = MigrationRecorder(connection).migration_qs.aggregate(at=Min("applied"))["at"]
    return abs(float((at - checked_at).total_seconds()))
