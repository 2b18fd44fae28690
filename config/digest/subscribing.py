"""Subscribes users to the digest, and ends subscriptions, also by the link of an email without logging in."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from config.digest.models import DigestSubscription
from config.foundation.audit_log import record_action

SALT = "digest.unsubscribe"
PERMISSION = "anomalies.view_anomaly"


class InvalidUnsubscribeLinkError(ValueError):
    """The link was not made by this shop."""


def make_unsubscribe_url(user_id: int) -> str:
    """Return the public link that ends the subscription of a user."""
    return f"{settings.PUBLIC_URL}{reverse('digest-unsubscribe', args=[signing.dumps(user_id, salt=SALT)])}"


def read_token(token: str) -> int:
    """Return the user of a link. Raises InvalidUnsubscribeLinkError."""
    try:
        return int(signing.loads(token, salt=SALT))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidUnsubscribeLinkError("The link is not valid.") from error


def subscribe(*, user: Any, language: str, now: datetime) -> DigestSubscription:
    """Subscribe a user, or change the language."""
    subscription = DigestSubscription.objects.filter(user=user).first() or DigestSubscription(user=user)
    if not subscription.is_active or subscription.pk is None:
        subscription.since = now
    subscription.language, subscription.is_active = language, True
    subscription.save()
    record_action("digest.subscribed", instance=user)
    return subscription


def unsubscribe(*, user_id: int) -> bool:
    """End a subscription; return whether there was one."""
    rows = DigestSubscription.objects.filter(user_id=user_id, is_active=True).select_related("user")
    subscription = rows.first()
    if subscription is None:
        return False
    subscription.is_active = False
    subscription.save(update_fields=["is_active"])
    record_action("digest.unsubscribed", instance=subscription.user)
    return True
