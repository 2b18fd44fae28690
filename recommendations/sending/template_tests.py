"""Sends test messages of templates immediately: they have no delivery, so nothing about them is counted."""

from anymail.exceptions import AnymailError
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.shop.mail import build_sender
from config.foundation.shop.profile import get_shop
from recommendations.messaging.template_tests import TemplateTest, TemplateTestResult
from recommendations.sending.channels.channel_tests import send_channel_test
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.models import OutboxMessage


def send_template_test(test: TemplateTest) -> TemplateTestResult:
    """Send a test message, or store it in the outbox if other messages go there too."""
    channel = CHANNELS.get(test.channel)
    if channel is None or channel.uses_outbox():
        message = store_template_test(test)
        return TemplateTestResult(outbox_url=reverse("outbox:message", args=[message.pk]))
    if test.channel == "email":
        return TemplateTestResult(send_test_email(test))
    rendered = test.rendered
    return TemplateTestResult(
        send_channel_test(test.channel, recipient=test.address, subject=rendered.subject, text=rendered.text)
    )


def send_test_email(test: TemplateTest) -> str:
    """Send an email; return the problem, or ""."""
    rendered, shop = test.rendered, get_shop()
    email = EmailMultiAlternatives(
        subject=rendered.subject,
        body=rendered.text,
        from_email=build_sender(shop),
        to=[test.address],
        reply_to=[shop.reply_to] if shop.reply_to else None,
    )
    email.attach_alternative(rendered.html, "text/html")
    try:
        email.send()
    except (OSError, AnymailError) as error:  # the mail server is not reachable, or rejects the message
        return _("The mail server did not accept the message: %(error)s. Check the mail settings.") % {"error": error}
    return ""


def store_template_test(test: TemplateTest) -> OutboxMessage:
    return OutboxMessage.objects.create(
        customer_id=test.customer_id,
        channel=test.channel,
        recipient=test.address,
        subject=test.rendered.subject,
        html=test.rendered.html,
        text=test.rendered.text,
        created_at=timezone.now(),
    )
