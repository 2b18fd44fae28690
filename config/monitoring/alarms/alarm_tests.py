"""A test alarm, with which operators check that notifications arrive."""

from datetime import datetime

from django.db import transaction

from config.monitoring.alarms.messages import TEST_RULE
from config.monitoring.alarms.notifications import plan_notifications
from config.monitoring.models import Alarm, AlarmState, NotificationKind, Severity


def open_test_alarm(*, now: datetime) -> Alarm:
    """Create a resolved alarm and the notifications of its opening."""
    with transaction.atomic():
        alarm = Alarm.objects.create(
            rule=TEST_RULE,
            severity=Severity.CRITICAL,
            state=AlarmState.RESOLVED,
            opened_at=now,
            seen_at=now,
            resolved_at=now,
        )
        plan_notifications(alarm, kind=NotificationKind.OPENED, now=now)
    return alarm
