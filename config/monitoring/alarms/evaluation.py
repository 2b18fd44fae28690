"""Checks all rules: opens alarms, updates them and resolves those whose problem is gone."""

import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, transaction
from django.db.models import Q

from config.foundation.audit_log import record_action
from config.monitoring.alarms.notifications import plan_notifications, plan_reminders
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmRule, list_rules
from config.monitoring.models import (
    Alarm,
    AlarmNotification,
    AlarmRuleSetting,
    AlarmState,
    MonitoringState,
    NotificationKind,
)

logger = logging.getLogger(__name__)

PAUSE = timedelta(minutes=5)  # after a longer time without a check, `checked_since` starts again
REOPENING = timedelta(
    minutes=30
)  # a problem that comes back within this time continues the alarm, without another notification
LOCAL_ALARM_AGE = timedelta(hours=1)  # the machine may not exist any more
RETENTION = timedelta(days=90)  # of resolved alarms


@dataclass
class AlarmCheckResult:
    """How many alarms a check opened and resolved."""

    opened: int = 0
    resolved: int = 0


def check_rules(*, now: datetime) -> AlarmCheckResult:
    """Check all rules that are due; a rule that fails leaves its alarms as they are."""
    previous = MonitoringState.load().checked_at
    state = note_check(now=now)
    settings = {row.rule: row for row in AlarmRuleSetting.objects.all()}
    result = AlarmCheckResult()
    for rule in list_rules().values():
        setting = settings.get(rule.key)
        if setting is not None and not setting.is_active:
            result.resolved += resolve_missing(rule, {}, now=now)
            continue
        if not is_due(rule, previous=previous, now=now):
            continue
        threshold = setting.threshold if setting is not None and setting.threshold is not None else rule.threshold
        context = AlarmContext(now, threshold or 0.0, state.checked_since or now)
        findings = find_problems(rule, context)
        if findings is None:
            continue
        with transaction.atomic():
            result.opened += open_alarms(rule, findings, now=now)
            result.resolved += resolve_missing(rule, findings, now=now)
    plan_reminders(hours=state.reminder_hours, now=now)
    return result


def note_check(*, now: datetime) -> MonitoringState:
    """Record the time of this check, and since when checks have run without a break."""
    state = MonitoringState.load()
    if state.checked_at is None or now - state.checked_at > PAUSE or state.checked_since is None:
        state.checked_since = now
    state.checked_at = now
    state.save(update_fields=["checked_at", "checked_since"])
    return state


def is_due(rule: AlarmRule, *, previous: datetime | None, now: datetime) -> bool:
    """Return whether a rule is checked now: one with an interval at the first check of each interval."""
    seconds = rule.every.total_seconds()
    if not seconds or previous is None:
        return True
    return now.timestamp() // seconds != previous.timestamp() // seconds


def find_problems(rule: AlarmRule, context: AlarmContext) -> dict[str, AlarmFinding] | None:
    """Return the problems of a rule by subject; None if it could not be checked."""
    try:
        with transaction.atomic():
            return {finding.subject[:200]: finding for finding in rule.find(context)}
    except (Error, OSError, ValueError) as error:
        logger.warning("The alarm rule %s could not be checked: %s", rule.key, error)
        return None


def open_alarms(rule: AlarmRule, findings: Mapping[str, AlarmFinding], *, now: datetime) -> int:
    """Open or update the alarms of a rule; return how many are new."""
    current = {alarm.subject: alarm for alarm in Alarm.objects.filter(rule=rule.key).exclude(state="resolved")}
    recent = {
        alarm.subject: alarm
        for alarm in Alarm.objects.filter(rule=rule.key, resolved_at__gte=now - REOPENING).order_by("resolved_at")
    }
    opened = 0
    for subject, finding in findings.items():
        alarm = current.get(subject) or recent.get(subject)
        if alarm is None:
            severity = finding.severity or rule.severity
            alarm = Alarm.objects.create(
                rule=rule.key, subject=subject, severity=severity, details=finding.details, opened_at=now, seen_at=now
            )
            plan_notifications(alarm, kind=NotificationKind.OPENED, now=now)
            opened += 1
            continue
        if alarm.is_resolved:
            alarm.state, alarm.resolved_at, alarm.reopened = AlarmState.OPEN, None, alarm.reopened + 1
        alarm.details, alarm.seen_at = finding.details, now
        alarm.save(update_fields=["state", "resolved_at", "reopened", "details", "seen_at"])
    return opened


def resolve_missing(rule: AlarmRule, findings: Mapping[str, AlarmFinding], *, now: datetime) -> int:
    """Resolve the alarms of a rule whose problem is gone; return how many."""
    gone = Alarm.objects.filter(rule=rule.key).exclude(state=AlarmState.RESOLVED).exclude(subject__in=list(findings))
    if rule.is_local:
        gone = gone.filter(Q(subject__startswith=f"{platform.node()}:") | Q(seen_at__lt=now - LOCAL_ALARM_AGE))
    alarms = list(gone)
    for alarm in alarms:
        alarm.state, alarm.resolved_at = AlarmState.RESOLVED, now
        alarm.save(update_fields=["state", "resolved_at"])
        if AlarmNotification.objects.filter(alarm=alarm, kind=NotificationKind.OPENED).exists():
            plan_notifications(alarm, kind=NotificationKind.RESOLVED, now=now)
    return len(alarms)


def acknowledge(alarm: Alarm, *, by: str, now: datetime) -> bool:
    """Note that someone is working on an alarm, which ends its reminders; return whether it was open."""
    changed = Alarm.objects.filter(pk=alarm.pk, state=AlarmState.OPEN).update(
        state=AlarmState.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=by[:150]
    )
    if changed:
        record_action("alarm.acknowledged", instance=alarm, label=str(alarm))
    return bool(changed)


def purge_alarms(*, now: datetime) -> int:
    """Delete alarms that were resolved long ago; return their number."""
    _rows, by_model = Alarm.objects.filter(resolved_at__lt=now - RETENTION).delete()
    return by_model.get(Alarm._meta.label, 0)
