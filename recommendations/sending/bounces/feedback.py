"""What bounces and complaints lead to: events of the delivery, and the suppression of the address."""

from dataclasses import dataclass
from datetime import datetime

from customers.identity.models import Customer
from recommendations.sending.models import Delivery, DeliveryEvent, Suppression
from recommendations.sending.settings_model import load_sending_settings
from recommendations.sending.suppressions.suppression_list import suppress_email
from recommendations.sending.tracking.storing import FeedbackEvent, store_events
from recommendations.sending.tracking.subscriptions import unsubscribe
from recommendations.sending.tracking.tokens import MESSAGE, InvalidTokenError, read_token

Kind = DeliveryEvent.Kind


@dataclass(frozen=True)
class Feedback:
    """One report of a provider or mailbox. token: that of the Message-ID; recipient: the address, if the report names it."""

    kind: str
    token: str
    recipient: str
    at: datetime
    detail: str = ""
    key: str = ""


def find_delivery(token: str) -> Delivery | None:
    """Return the delivery of a Message-ID; None for one that is not ours."""
    try:
        delivery_id, _content = read_token(MESSAGE, token)
    except InvalidTokenError:
        return None
    return Delivery.objects.filter(pk=delivery_id).first()


def record_feedback(feedback: Feedback, *, source: str) -> bool:
    """Record a report; return whether it concerns one of our messages. Reports without a valid token change nothing: anyone can write them.

    A hard bounce or a complaint suppresses the address immediately, soft bounces after the number in the settings.
    """
    delivery = find_delivery(feedback.token)
    if delivery is None:
        return False
    if feedback.kind == Kind.UNSUBSCRIBE:
        unsubscribe(delivery, at=feedback.at, source=source)
        return True
    key = f"{feedback.kind}:{delivery.pk}:{feedback.key}"
    store_events([FeedbackEvent(key, delivery.pk, feedback.kind, feedback.at, detail=feedback.detail)])
    reason = choose_reason(feedback.kind, delivery)
    if reason:
        suppress_email(read_email(delivery), reason=reason, source=source, at=feedback.at)
    if feedback.kind == Kind.COMPLAINT:
        unsubscribe(delivery, at=feedback.at, source=source)
    return True


def choose_reason(kind: str, delivery: Delivery) -> str:
    """Return the reason to suppress the address; empty if it stays reachable."""
    if kind == Kind.HARD_BOUNCE:
        return Suppression.Reason.HARD_BOUNCE
    if kind == Kind.COMPLAINT:
        return Suppression.Reason.COMPLAINT
    if (
        kind == Kind.SOFT_BOUNCE
        and count_soft_bounces(delivery.customer_id) >= load_sending_settings().soft_bounce_limit
    ):
        return Suppression.Reason.SOFT_BOUNCES
    return ""


def count_soft_bounces(customer_id: int) -> int:
    """Return how many emails to the customer bounced softly since the last one that was delivered or opened."""
    deliveries = Delivery.objects.filter(customer_id=customer_id, channel="email")
    reached = deliveries.exclude(delivered_at=None, opened_at=None).order_by("-pk").values_list("pk", flat=True).first()
    later = deliveries.filter(pk__gt=reached or 0).values("pk")
    bounces = DeliveryEvent.objects.filter(kind=Kind.SOFT_BOUNCE, delivery_id__in=later)
    return bounces.values("delivery_id").distinct().count()


def read_email(delivery: Delivery) -> str:
    """Return the address of the customer; what a report claims to be the recipient could be anyone's."""
    return Customer.objects.filter(pk=delivery.customer_id).values_list("email", flat=True).first() or ""
