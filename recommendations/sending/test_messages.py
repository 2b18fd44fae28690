"""Sends test messages of templates at once: they have no delivery, so nothing about them is counted."""

from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.shop.mail import build_sender
from config.foundation.shop.profile import get_shop
from recommendations.messaging.test_sends import TestMessage
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.models import OutboxMessage


def send_test_message(message: TestMessage) -> str:
    """Send a test message, or store it in the outbox where others go there too; return the problem, or ""."""
    channel = CHANNELS.get(message.channel)
    if channel is None or channel.uses_outbox():
        store_test_message(message)
        return ""
    if message.channel != "email":
        return _("Test messages of this channel cannot be sent. Send a test of an email instead.")
    rendered, shop = message.rendered, get_shop()
    email = EmailMultiAlternatives(
        subject=rendered.subject,
        body=rendered.text,
        from_email=build_sender(shop),
        to=[message.address],
        reply_to=[shop.reply_to] if shop.reply_to else None,
    )
    email.attach_alternative(rendered.html, "text/html")
    try:
        email.send()
    except OSError as error:  # the mail server is not reachable or rejects the message
        return _("The mail server did not take the message: %(error)s. Check the mail settings.") % {"error": error}
    return ""


def store_test_message(message: TestMessage) -> None:
    OutboxMessage.objects.create(
        customer_id=message.customer_id,
        channel=message.channel,
        recipient=message.address,
        subject=message.rendered.subject,
        html=message.rendered.html,
        text=message.rendered.text,
        created_at=timezone.now(),
    )
