"""The texts of alarms: on pages, in emails and in webhook calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from config.foundation.number_formats import format_moment
from config.foundation.shop.palette import build_palette
from config.foundation.shop.profile import get_shop
from config.monitoring.alarms.registry import AlarmMessage, list_rules
from config.monitoring.models import Alarm, AlarmNotification, NotificationKind

TEST_RULE = "test"  # of the alarm with which operators check that notifications arrive


@dataclass(frozen=True)
class RenderedAlarmMail:
    subject: str
    html: str
    text: str


def describe_alarm(alarm: Alarm) -> AlarmMessage:
    """Return the message of an alarm in the reader's language; that of a rule that no longer exists names the rule."""
    if alarm.rule == TEST_RULE:
        return AlarmMessage(_("This is a test"), _("Alarm notifications arrive here. You do not need to do anything."))
    rule = list_rules().get(alarm.rule)
    if rule is None:
        return AlarmMessage(
            str(alarm), _("The rule of this alarm was removed. The alarm is resolved at the next check.")
        )
    return rule.describe(alarm.subject, alarm.details)


def build_alarm_url(alarm: Alarm) -> str:
    """Return the address of an alarm's page, for links from outside."""
    return f"{settings.PUBLIC_URL}{reverse('monitoring:alarm', args=[alarm.pk])}"


def render_mail(notifications: Sequence[AlarmNotification], *, language: str) -> RenderedAlarmMail:
    """Return one email about several alarms."""
    shop = get_shop()
    with override(language):
        rows = [format_notification(row) for row in notifications]
        context = {
            "shop": shop,
            "language": language,
            "rows": rows,
            "palette": build_palette(shop.color),
            "settings_url": f"{settings.PUBLIC_URL}{reverse('monitoring:alarms')}",
        }
        return RenderedAlarmMail(
            build_subject(rows, shop_name=shop.name),
            render_to_string("monitoring/alarm_mail.html", context),
            render_to_string("monitoring/alarm_mail.txt", context),
        )


def build_subject(rows: Sequence[dict[str, Any]], *, shop_name: str) -> str:
    text, more = str(rows[0]["headline"]), len(rows) - 1
    if more:
        text = ngettext("%(title)s and %(more)s more", "%(title)s and %(more)s more", more) % {
            "title": text,
            "more": more,
        }
    return f"[{shop_name}] {text}"


def format_notification(notification: AlarmNotification) -> dict[str, Any]:
    """Return a notification as a row of the email."""
    alarm = notification.alarm
    message = describe_alarm(alarm)
    labels = {
        NotificationKind.OPENED: _("Alarm"),
        NotificationKind.REMINDER: _("Still open"),
        NotificationKind.RESOLVED: _("Resolved"),
    }
    is_resolved = notification.kind == NotificationKind.RESOLVED
    label = labels[NotificationKind(notification.kind)]
    return {
        "label": label,
        "headline": _("%(label)s: %(title)s") % {"label": label, "title": message.title},
        "title": message.title,
        "advice": "" if is_resolved else message.advice,
        "is_resolved": is_resolved,
        "since": format_moment(alarm.opened_at),
        "until": format_moment(alarm.resolved_at) if is_resolved and alarm.resolved_at else "",
        "url": build_alarm_url(alarm),
    }


def build_webhook_body(notification: AlarmNotification, identifier: str) -> dict[str, Any]:
    """Return the JSON of a webhook call; its texts are in the language of the shop."""
    alarm = notification.alarm
    with override(get_shop().language):
        message = describe_alarm(alarm)
    return {
        "id": identifier,
        "type": f"alarm.{notification.kind}",
        "created_at": notification.created_at.isoformat(),
        "data": {
            "alarm_id": alarm.pk,
            "rule": alarm.rule,
            "subject": alarm.subject,
            "severity": alarm.severity,
            "state": alarm.state,
            "title": message.title,
            "advice": message.advice,
            "opened_at": alarm.opened_at.isoformat(),
            "resolved_at": alarm.resolved_at.isoformat() if alarm.resolved_at else None,
            "url": build_alarm_url(alarm),
        },
    }
