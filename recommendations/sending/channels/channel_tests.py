"""Sends one message through a provider immediately, to see whether its account works; nothing about it is counted."""

import json
import time

from django.conf import settings
from django.utils.translation import gettext as _

from config.foundation.shop.profile import get_shop
from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import normalize_phone
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.error_fixes import find_fix
from recommendations.sending.channels.registry import PROVIDER_CHANNELS, understand
from recommendations.sending.models import PushSubscription
from recommendations.sending.push_subscriptions import forget_gone_browsers
from recommendations.sending.transport.http import HttpSender

TIMEOUT_SECONDS = 10.0


def send_channel_test(channel_key: str, *, recipient: str, subject: str = "", text: str = "") -> str:
    """Send a message; return the problem in words, or ""."""
    channel = next(channel for channel in PROVIDER_CHANNELS if channel.key == channel_key)
    try:
        address = find_address(channel.address, recipient)
        job = channel.build_job(build_message(channel_key, address, subject, text))
    except LookupError as error:
        return str(error.args[0]) if error.args else _("The account is not complete.")
    except (OSError, ValueError) as error:
        return _("The message could not be built: %(error)s. Check the account.") % {"error": error}
    sender = HttpSender({"private_hosts": settings.WEBHOOK_PRIVATE_HOSTS, "timeout": TIMEOUT_SECONDS})
    try:
        result = sender.send({**job.header, "id": 0, "attempt": 1}, job.body, lambda: None)
    finally:
        sender.close()
    result = understand(result, channel)
    if result.outcome == "sent":
        return ""
    if result.is_gone:
        forget_gone_browsers([address])
        return _(
            "This browser is no longer subscribed, and was removed. Open the shop in a browser and subscribe again."
        )
    details = f"{result.code or ''} {result.text}".strip()[:300]
    if result.outcome == "permanent":
        return _("The provider refused the message: %(details)s. Check the account.") % {"details": details}
    if fix := find_fix(details):
        return f"{details} – {fix}"
    return _("The provider did not accept the message: %(details)s. Try again later.") % {"details": details}


def find_address(field: str, recipient: str) -> str:
    """Return the address of a channel for what a user entered. Raises LookupError."""
    if field == "phone":
        return normalize_phone(recipient)
    if field != "push":
        return recipient
    customers = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value=recipient).values("customer")
    browser = PushSubscription.objects.filter(customer_id__in=customers).order_by("-pk").first()
    if browser is None:
        raise LookupError(_("No browser of the customer “%(user)s” is subscribed.") % {"user": recipient[:100]})
    return json.dumps([browser.endpoint, browser.public_key, browser.auth_secret])


def build_message(channel: str, recipient: str, subject: str, text: str) -> OutgoingMessage:
    shop = get_shop()
    return OutgoingMessage(
        delivery_id=-time.time_ns() // 1_000_000,  # a unique ID, so that receivers treat it as a new message
        attempt=1,
        customer_id=0,
        origin_kind="test",
        origin_id=0,
        channel=channel,
        recipient=recipient,
        language=shop.language,
        subject=subject or _("Test message from %(shop)s") % {"shop": shop.name},
        html="",
        text=text or _("This is a test message of %(shop)s.") % {"shop": shop.name},
        is_transactional=True,
    )
