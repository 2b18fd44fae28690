"""Sends test messages of templates immediately: they have no delivery, so nothing about them is counted."""

from anymail.exceptions import AnymailError
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.shop.mail import build_sender
from config.foundation.shop.profile import get_shop
from recommendations.messaging.proofs import Proof
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.channels.trials import send_trial
from recommendations.sending.models import OutboxMessage


def send_proof(proof: Proof) -> str:
    """Send a test message, or store it in the outbox if other messages go there too; return the problem, or ""."""
    channel = CHANNELS.get(proof.channel)
    if channel is None or channel.uses_outbox():
        store_proof(proof)
        return ""
    rendered, shop = proof.rendered, get_shop()
    if proof.channel != "email":
        return send_trial(proof.channel, recipient=proof.address, subject=rendered.subject, text=rendered.text)
    email = EmailMultiAlternatives(
        subject=rendered.subject,
        body=rendered.text,
        from_email=build_sender(shop),
        to=[proof.address],
        reply_to=[shop.reply_to] if shop.reply_to else None,
    )
    email.attach_alternative(rendered.html, "text/html")
    try:
        email.send()
    except (OSError, AnymailError) as error:  # the mail server is not reachable, or rejects the message
        return _("The mail server did not accept the message: %(error)s. Check the mail settings.") % {"error": error}
    return ""


def store_proof(proof: Proof) -> None:
    OutboxMessage.objects.create(
        customer_id=proof.customer_id,
        channel=proof.channel,
        recipient=proof.address,
        subject=proof.rendered.subject,
        html=proof.rendered.html,
        text=proof.rendered.text,
        created_at=timezone.now(),
    )
