"""What one click on the link of a message does: it withdraws the consent by which the message was sent."""

from datetime import datetime

from customers.identity.consent.ledger import record_changed_consents
from customers.identity.consent.proofs import ConsentProof
from customers.identity.models import Consent, Customer
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.models import Delivery
from recommendations.sending.tracking.storing import FeedbackEvent, store_events

Purpose = Consent.Purpose


def unsubscribe(delivery: Delivery, *, at: datetime, source: str) -> None:
    """Withdraw the consent by which the message was sent; a repeated call changes nothing."""
    channel = CHANNELS.get(delivery.channel)
    purpose = channel.purpose if channel and channel.purpose else Purpose.EMAIL.value
    if Customer.objects.filter(pk=delivery.customer_id, erased_at__isnull=True).exists():
        entry = (delivery.customer_id, purpose, Consent.Status.WITHDRAWN.value)
        proof = ConsentProof("message", reference=f"delivery {delivery.pk}")
        record_changed_consents(entries=[entry], recorded_at=at, source=source, proof=proof)
    store_events([FeedbackEvent(f"unsubscribe:{delivery.pk}", delivery.pk, "unsubscribe", at)])
