"""What the links of a message to unsubscribe do: they withdraw the consent by which the message was sent."""

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
    if Customer.objects.filter(pk=delivery.customer_id, erased_at__isnull=True).exists():
        entry = (delivery.customer_id, get_purpose(delivery), Consent.Status.WITHDRAWN.value)
        proof = ConsentProof("message", reference=f"delivery {delivery.pk}")
        record_changed_consents(entries=[entry], recorded_at=at, source=source, proof=proof)
    store_unsubscription(delivery, at=at)


def get_purpose(delivery: Delivery) -> str:
    """Return the consent by which a message was sent."""
    channel = CHANNELS.get(delivery.channel)
    return channel.purpose if channel and channel.purpose else Purpose.EMAIL.value


def count_withdrawal(delivery: Delivery, *, since: datetime) -> None:
    """Count an unsubscription with the message if the customer has withdrawn its consent since a moment, on its preference page."""
    consents = Consent.objects.filter(customer_id=delivery.customer_id, purpose=get_purpose(delivery))
    withdrawn = consents.filter(status=Consent.Status.WITHDRAWN, recorded_at__gte=since)
    if at := withdrawn.order_by("recorded_at").values_list("recorded_at", flat=True).first():
        store_unsubscription(delivery, at=at)


def store_unsubscription(delivery: Delivery, *, at: datetime) -> None:
    store_events([FeedbackEvent(f"unsubscribe:{delivery.pk}", delivery.pk, "unsubscribe", at)])
