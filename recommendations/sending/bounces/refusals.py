"""Treats emails whose recipient the mail server refused while it was sent to as hard bounces: there is no bounce mail about them."""

from collections.abc import Mapping
from datetime import datetime

from customers.identity.models import Customer
from recommendations.sending.models import Delivery, DeliveryEvent, Suppression
from recommendations.sending.suppressions.suppression_list import parse_address, suppress
from recommendations.sending.tracking.storing import FeedbackEvent, store_events

Kind = DeliveryEvent.Kind
SOURCE = "mail server"


def record_refused_recipients(refused: Mapping[int, str], *, now: datetime) -> None:
    """Record a hard bounce of each email and suppress its address. refused: the server's answer by delivery; other channels are left out."""
    if not refused:
        return
    emails = dict(Delivery.objects.filter(pk__in=refused, channel="email").values_list("pk", "customer_id"))
    store_events(
        [FeedbackEvent(f"{Kind.HARD_BOUNCE}:{pk}:smtp", pk, Kind.HARD_BOUNCE, now, detail=refused[pk]) for pk in emails]
    )
    texts = Customer.objects.filter(pk__in=emails.values()).values_list("email", flat=True)
    addresses = [address for text in texts if text and (address := parse_address(text)) is not None]
    suppress(addresses, reason=Suppression.Reason.HARD_BOUNCE, source=SOURCE, at=now)
