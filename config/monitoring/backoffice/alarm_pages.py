"""The Alarms page, and the page of one alarm with what to do about it."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from config.access.passwords.mail import is_mail_configured
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_age, format_count, format_duration, format_moment
from config.monitoring.alarms.evaluation import acknowledge
from config.monitoring.alarms.messages import describe_alarm
from config.monitoring.alarms.notifications import PERMISSION as VIEW
from config.monitoring.alarms.registry import list_rules
from config.monitoring.models import (
    Alarm,
    AlarmNotification,
    AlarmRuleSetting,
    AlarmState,
    AlarmSubscription,
    AlarmWebhook,
    MonitoringState,
    NotificationStatus,
    Severity,
)

CHANGE = "monitoring.change_alarm"
CHECK_IS_LATE = timedelta(minutes=5)
BADGES = {Severity.WARNING: "warns", Severity.CRITICAL: "bad"}
COLUMNS = (
    Column(key="alarm", label=gettext_lazy("alarm"), align="text"),
    Column(key="opened", label=pgettext_lazy("alarm", "opened at"), sort="opened_at", align="text"),
    Column(key="duration", label=gettext_lazy("duration")),
    Column(key="by", label=gettext_lazy("acknowledged by"), align="text"),
)


@require_safe
def show_alarms(request: HttpRequest) -> HttpResponse:
    """Show the unresolved alarms, who is notified, the rules, and the resolved alarms."""
    check_permissions(request, VIEW)
    now = timezone.now()
    user: Any = request.user
    alarms = list(Alarm.objects.exclude(state=AlarmState.RESOLVED).order_by("severity", "opened_at"))
    state = MonitoringState.objects.filter(pk=1).first()
    return render_page(
        request,
        "admin/monitoring/alarms.html",
        title=_("Alarms"),
        verdict=describe_alarms(alarms, state, now=now),
        as_of=now,
        rows=[format_alarm(alarm, now=now) for alarm in alarms],
        may_change=user.has_perm(CHANGE),
        subscription=AlarmSubscription.objects.filter(user=user).first(),
        subscribers=AlarmSubscription.objects.filter(user__is_active=True).count(),
        language=get_language(),
        languages=settings.LANGUAGES,
        address=user.email,
        is_mail_configured=is_mail_configured(),
        webhooks=AlarmWebhook.objects.all(),
        rules=list_rule_rows(),
        reminder_hours=state.reminder_hours if state else MonitoringState._meta.get_field("reminder_hours").default,
        history=build_table(
            request,
            Alarm.objects.filter(state=AlarmState.RESOLVED),
            id="resolved",
            label=_("Resolved alarms"),
            columns=COLUMNS,
            format_row=format_resolved,
            default_sort="-opened",
            page_size=10,
        ),
    )


def describe_alarms(alarms: list[Alarm], state: MonitoringState | None, *, now: datetime) -> str:
    """Return one sentence on how many alarms are open, or on the rules not being checked."""
    if state is None or state.checked_at is None:
        return _(
            "The rules have not been checked yet. The worker checks them every minute; start it with “manage.py up”."
        )
    if state.checked_at - now > CHECK_IS_LATE:
        return _(
            "The last check of the rules is dated in the future: the clock was ahead and has been set back. Check that the worker and the "
            "scheduler are running."
        )
    if now - state.checked_at > CHECK_IS_LATE:
        return _("The rules were last checked %(ago)s. Check that the worker and the scheduler are running.") % {
            "ago": format_age(state.checked_at, as_of=now)
        }
    if not alarms:
        return _("No alarms. The rules were last checked %(ago)s.") % {"ago": format_age(state.checked_at, as_of=now)}
    return ngettext("%(count)s alarm is not resolved.", "%(count)s alarms are not resolved.", len(alarms)) % {
        "count": format_count(len(alarms))
    }


def format_alarm(alarm: Alarm, *, now: datetime) -> dict[str, Any]:
    """Return an alarm as a row of the page."""
    message = describe_alarm(alarm)
    return {
        "id": alarm.pk,
        "url": reverse("monitoring:alarm", args=[alarm.pk]),
        "title": message.title,
        "advice": message.advice,
        "fix_url": message.url,
        "severity": alarm.get_severity_display(),
        "badge": BADGES[Severity(alarm.severity)],
        "state": alarm.get_state_display(),
        "is_open": alarm.state == AlarmState.OPEN,
        "since": format_age(alarm.opened_at, as_of=now),
        "opened_at": format_moment(alarm.opened_at),
        "acknowledged_by": alarm.acknowledged_by,
    }


def format_resolved(alarm: Alarm) -> dict[str, Any]:
    end = alarm.resolved_at or alarm.seen_at
    return {
        "alarm": Cell(describe_alarm(alarm).title, url=reverse("monitoring:alarm", args=[alarm.pk])),
        "opened": format_moment(alarm.opened_at),
        "duration": format_duration((end - alarm.opened_at).total_seconds()),
        "by": alarm.acknowledged_by,
    }


def list_rule_rows() -> list[dict[str, Any]]:
    """Return the rules with the changes that operators made to them."""
    changed = {row.rule: row for row in AlarmRuleSetting.objects.all()}
    rows = []
    for rule in list_rules().values():
        setting = changed.get(rule.key)
        threshold = setting.threshold if setting and setting.threshold is not None else rule.threshold
        rows.append(
            {
                "key": rule.key,
                "label": rule.label,
                "unit": rule.unit,
                "severity": Severity(rule.severity).label,
                "badge": BADGES[rule.severity],
                "is_active": setting.is_active if setting else True,
                "threshold": f"{threshold:g}" if threshold is not None else "",
                "default": f"{rule.threshold:g}" if rule.threshold is not None else "",
            }
        )
    return rows


@require_safe
def show_alarm(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Show what is wrong, what to do, and what has happened since."""
    check_permissions(request, VIEW)
    now = timezone.now()
    alarm = get_object_or_404(Alarm, pk=alarm_id)
    message = describe_alarm(alarm)
    return render_page(
        request,
        "admin/monitoring/alarm.html",
        title=message.title,
        verdict=describe_state(alarm, now=now),
        as_of=now,
        row=format_alarm(alarm, now=now),
        is_resolved=alarm.is_resolved,
        fix_label=_("Open the job") if alarm.rule.startswith("job_") else _("Open the page"),
        may_change=request.user.has_perm(CHANGE),
        steps=list_steps(alarm),
    )


def describe_state(alarm: Alarm, *, now: datetime) -> str:
    """Return the state of an alarm in one sentence."""
    if alarm.is_resolved and alarm.resolved_at is not None:
        return _("Resolved %(ago)s, after %(duration)s.") % {
            "ago": format_age(alarm.resolved_at, as_of=now),
            "duration": format_duration((alarm.resolved_at - alarm.opened_at).total_seconds()),
        }
    if alarm.state == AlarmState.ACKNOWLEDGED:
        return _("%(user)s is working on it. It is resolved automatically when the rule no longer applies.") % {
            "user": alarm.acknowledged_by
        }
    return _("Open for %(duration)s. It is resolved automatically when the rule no longer applies.") % {
        "duration": format_duration((now - alarm.opened_at).total_seconds())
    }


def list_steps(alarm: Alarm) -> list[dict[str, str]]:
    """Return what happened to an alarm, oldest first."""
    steps = [(alarm.opened_at, pgettext("alarm", "Opened"))]
    notifications = AlarmNotification.objects.filter(alarm=alarm).select_related("user", "webhook")
    steps += [(row.sent_at or row.created_at, describe_notification(row)) for row in notifications]
    if alarm.acknowledged_at:
        steps.append((alarm.acknowledged_at, _("Acknowledged by %(user)s") % {"user": alarm.acknowledged_by}))
    if alarm.reopened:
        text = ngettext(
            "Came back %(count)s time within half an hour",
            "Came back %(count)s times within half an hour",
            alarm.reopened,
        )
        steps.append((alarm.seen_at, text % {"count": format_count(alarm.reopened)}))
    if alarm.resolved_at:
        steps.append((alarm.resolved_at, _("Resolved")))
    return [{"at": format_moment(at), "text": text} for at, text in sorted(steps, key=lambda step: step[0])]


def describe_notification(row: AlarmNotification) -> str:
    """Return which notification went to whom, and whether it was accepted."""
    kind = row.get_kind_display()
    if row.webhook is not None:
        recipient = str(row.webhook.url)
    else:
        recipient = row.user.get_username() if row.user is not None else ""
    values = {"kind": kind, "recipient": recipient, "error": row.error}
    if row.status == NotificationStatus.SENT:
        return _("Notification “%(kind)s” sent to %(recipient)s") % values
    if row.status == NotificationStatus.FAILED:
        return _("Notification “%(kind)s” to %(recipient)s given up: %(error)s") % values
    if row.error:
        return _("Notification “%(kind)s” to %(recipient)s not accepted yet: %(error)s") % values
    return _("Notification “%(kind)s” to %(recipient)s is waiting to be sent") % values


@require_POST
def acknowledge_alarm(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Note that the user is working on an alarm, which ends its reminders."""
    check_permissions(request, CHANGE)
    alarm = get_object_or_404(Alarm, pk=alarm_id)
    if acknowledge(alarm, by=request.user.get_username(), now=timezone.now()):
        messages.success(request, _("Acknowledged. No more reminders are sent for this alarm."))
    return HttpResponseRedirect(reverse("monitoring:alarm", args=[alarm_id]))
