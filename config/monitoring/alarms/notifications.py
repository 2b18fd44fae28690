"""Plans and sends the notifications of alarms: one email and one webhook call per opening, reminder and resolution.

Each is claimed directly before it is sent. If the process is killed before, the next run sends it; if it is killed after, the claim stays and
it is not sent again, because it may have arrived.
"""

import http.client
import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q

from config.access.passwords.mail import is_mail_configured
from config.foundation.http.call_limit import limit_call
from config.foundation.http.public_connection import ForbiddenAddressError, connect
from config.foundation.shop.mail import send_shop_mail
from config.monitoring.alarms.messages import build_webhook_body, render_mail
from config.monitoring.models import (
    Alarm,
    AlarmNotification,
    AlarmState,
    AlarmSubscription,
    AlarmWebhook,
    NotificationKind,
    NotificationStatus,
    Severity,
)
from recommendations.sending.channels.webhook import sign_webhook

logger = logging.getLogger(__name__)

PERMISSION = "monitoring.view_alarm"
PAUSES = (
    60,
    300,
    900,
    3600,
    4 * 3600,
)  # seconds after each failed attempt; after the last pause, one more failure ends the attempts
TIMEOUT_SECONDS = 5.0  # of each wait
TOTAL_SECONDS = 10.0  # of one call, however slowly the endpoint answers
MAX_REMINDERS = 30


def plan_notifications(alarm: Alarm, *, kind: NotificationKind, number: int = 0, now: datetime) -> int:
    """Create the notifications of an alarm for everyone who gets it, in the caller's transaction; return how many."""
    subscriptions = list_recipients()
    if alarm.severity != Severity.CRITICAL:
        subscriptions = [row for row in subscriptions if not row.only_critical]
    common: dict[str, Any] = {
        "alarm": alarm,
        "kind": kind,
        "number": number,
        "created_at": now,
        "next_attempt_at": now,
    }
    rows = [AlarmNotification(**common, user_id=row.user_id) for row in subscriptions]
    rows += [AlarmNotification(**common, webhook=webhook) for webhook in AlarmWebhook.objects.all()]
    return len(AlarmNotification.objects.bulk_create(rows, ignore_conflicts=True))


def list_recipients() -> list[AlarmSubscription]:
    """Return the subscriptions of users who may still see alarms and have an address."""
    rows = AlarmSubscription.objects.filter(user__is_active=True, user__is_staff=True).exclude(user__email="")
    return [row for row in rows.select_related("user").order_by("user_id") if row.user.has_perm(PERMISSION)]


def plan_reminders(*, hours: int, now: datetime) -> int:
    """Remind of open alarms whose last notification is older than ``hours``; return how many alarms."""
    if not hours:
        return 0
    due = (
        Alarm.objects.filter(state=AlarmState.OPEN)
        .annotate(
            notified_at=Max("notifications__created_at"),
            reminders=Count("notifications__number", filter=Q(notifications__kind="reminder"), distinct=True),
        )
        .filter(notified_at__lte=now - timedelta(hours=hours), reminders__lt=MAX_REMINDERS)
    )
    alarms = list(due)
    with transaction.atomic():
        for alarm in alarms:
            plan_notifications(alarm, kind=NotificationKind.REMINDER, number=alarm.reminders + 1, now=now)
    return len(alarms)


def send_due_notifications(*, now: datetime) -> int:
    """Send what is due: one email per recipient with all of it, and one call per alarm to each webhook; return how many were accepted."""
    due = AlarmNotification.objects.filter(status=NotificationStatus.PENDING, next_attempt_at__lte=now)
    rows = due.select_related("alarm", "user", "webhook").order_by("user_id", "webhook_id", "id")
    sent = 0
    for (user_id, _webhook_id), group in groupby(rows, key=lambda row: (row.user_id, row.webhook_id)):
        notifications = list(group)
        if user_id is not None:
            sent += mail_notifications(notifications, now=now) if is_mail_configured() else 0
        else:
            sent += post_notifications(notifications, now=now)
    return sent


def claim(notifications: Sequence[AlarmNotification]) -> list[AlarmNotification]:
    """Claim notifications for this process; return those that no other process has claimed."""
    with transaction.atomic():
        ids = [row.pk for row in notifications]
        pending = AlarmNotification.objects.select_for_update(skip_locked=True).filter(
            pk__in=ids, status=NotificationStatus.PENDING
        )
        claimed = set(pending.values_list("pk", flat=True))
        AlarmNotification.objects.filter(pk__in=claimed).update(status=NotificationStatus.SENDING)
    return [row for row in notifications if row.pk in claimed]


def mail_notifications(notifications: Sequence[AlarmNotification], *, now: datetime) -> int:
    """Send one email with several notifications of one user; return how many were accepted."""
    user: Any = notifications[0].user
    subscription = AlarmSubscription.objects.filter(user=user).first()
    language = subscription.language if subscription else settings.LANGUAGE_CODE
    claimed = claim(notifications)
    if not claimed:
        return 0
    try:
        mail = render_mail(claimed, language=language)
        headers = {"Auto-Submitted": "auto-generated", "Content-Language": language}
        send_shop_mail(subject=mail.subject, text=mail.text, html=mail.html, recipient=user.email, headers=headers)
    except (OSError, SMTPException) as error:
        logger.warning("An email about alarms to user %s was not accepted: %s", user.pk, error)
        return record_attempt(claimed, error=str(error), now=now)
    return record_attempt(claimed, error="", now=now)


def post_notifications(notifications: Sequence[AlarmNotification], *, now: datetime) -> int:
    """Post notifications to one webhook until one is not accepted; return how many were."""
    accepted = 0
    for notification in notifications:
        if not claim([notification]):
            continue
        error = post(notification, now=now)
        accepted += record_attempt([notification], error=error, now=now)
        if error:
            break  # the endpoint does not answer: the others wait for the next run
    return accepted


def post(notification: AlarmNotification, *, now: datetime) -> str:
    """Send one notification; return the error, or "" if the endpoint accepted it."""
    webhook = notification.webhook
    assert webhook is not None
    identifier, timestamp = f"alarm_{notification.pk}", str(int(now.timestamp()))
    body = json.dumps(build_webhook_body(notification, identifier), ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Perennial",
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign_webhook(webhook.secret, identifier, timestamp, body),
    }
    parts = urlsplit(webhook.url)
    try:
        link = connect(parts, private_hosts=frozenset(settings.WEBHOOK_PRIVATE_HOSTS), timeout=TIMEOUT_SECONDS)
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            with limit_call(partial(getattr, link, "sock", None), seconds=TOTAL_SECONDS):
                link.request("POST", target, body=body, headers=headers)
                status = link.getresponse().status
        finally:
            link.close()
    except (ForbiddenAddressError, OSError, http.client.HTTPException, ValueError) as error:
        return str(error)[:300] or type(error).__name__
    return "" if status in range(200, 300) else f"HTTP {status}"


def record_attempt(notifications: Sequence[AlarmNotification], *, error: str, now: datetime) -> int:
    """Record the result of an attempt; return how many were accepted."""
    for row in notifications:
        row.attempts, row.error = row.attempts + 1, error[:300]
        if not error:
            row.status, row.sent_at = NotificationStatus.SENT, now
        elif row.attempts > len(PAUSES):
            row.status = NotificationStatus.FAILED
        else:
            row.status = NotificationStatus.PENDING
            row.next_attempt_at = now + timedelta(seconds=PAUSES[row.attempts - 1])
    AlarmNotification.objects.bulk_update(notifications, ["attempts", "error", "status", "sent_at", "next_attempt_at"])
    return 0 if error else len(notifications)
