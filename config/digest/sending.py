"""Sends the digest of the last week, once to each subscriber, however often the job runs or is killed."""

import logging
from datetime import datetime
from smtplib import SMTPException
from typing import Any

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend

from config.access.passwords.mail import is_mail_configured
from config.digest.models import DigestDelivery, DigestStatus, DigestSubscription
from config.digest.rendering import render_digest
from config.digest.subscribing import PERMISSION, make_unsubscribe_url
from config.digest.weeks import DigestWeek, find_last_week
from config.foundation.shop.mail import send_shop_mail

logger = logging.getLogger(__name__)


def send_due_digests(*, now: datetime) -> int:
    """Send the digests of the last week that were not sent yet; return their number.

    The connection is opened first and kept: a mail server that is down changes nothing, and the next run tries again.
    """
    week = find_last_week(as_of=now)
    subscriptions = list_due(week)
    if not subscriptions or not is_mail_configured():
        return 0
    with get_connection() as connection:
        return sum(send_digest(subscription, week, connection, now=now) for subscription in subscriptions)


def list_due(week: DigestWeek) -> list[DigestSubscription]:
    """Return the subscriptions that began before the week ended, of users who may still see the figures and have not been sent this digest."""
    done = DigestDelivery.objects.filter(week=week.days.first).exclude(status=DigestStatus.PENDING)
    rows = DigestSubscription.objects.filter(is_active=True, since__lt=week.days.end, user__is_active=True)
    rows = rows.filter(user__is_staff=True).exclude(user__email="").exclude(user__in=done.values("user"))
    return [row for row in rows.select_related("user").order_by("user_id") if row.user.has_perm(PERMISSION)]


def send_digest(
    subscription: DigestSubscription, week: DigestWeek, connection: BaseEmailBackend, *, now: datetime
) -> bool:
    """Send one digest; return whether the mail server accepted it.

    It is marked immediately before the mail server gets it. If the process is killed before, it is sent by the next run; if it is
    killed after, the mark stays and it is not sent again.
    """
    user: Any = subscription.user
    url = make_unsubscribe_url(user.pk)
    delivery, _created = DigestDelivery.objects.get_or_create(user=user, week=week.days.first)
    digest = render_digest(user, week, language=subscription.language, unsubscribe_url=url)
    claimed = DigestDelivery.objects.filter(pk=delivery.pk, status=DigestStatus.PENDING)
    if not claimed.update(status=DigestStatus.SENDING):
        return False
    try:
        send_shop_mail(
            subject=digest.subject,
            text=digest.text,
            html=digest.html,
            recipient=user.email,
            headers={
                "List-Unsubscribe": f"<{url}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
                "Content-Language": subscription.language,
            },
            connection=connection,
        )
    except (OSError, SMTPException) as error:
        logger.warning("The digest of user %s was not accepted: %s", user.pk, error)
        DigestDelivery.objects.filter(pk=delivery.pk).update(status=DigestStatus.PENDING, error=str(error)[:500])
        return False
    DigestDelivery.objects.filter(pk=delivery.pk).update(status=DigestStatus.SENT, sent_at=now, error="")
    return True
