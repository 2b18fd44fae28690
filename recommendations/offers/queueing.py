"""Queues offers for single customers: the action of a flow."""

from collections.abc import Iterable
from datetime import datetime

from recommendations.offers.models import Offer, QueuedOffer


def show_offer(
    *, customer_id: int, offer: Offer, expires_at: datetime, origin_kind: str, origin_id: int, now: datetime
) -> bool:
    """Show an offer to a customer until it expires; return whether it is new.

    A second call with the same origin changes nothing, so a step that is repeated after a crash queues the offer once. The offer must
    be running to be seen, and its holdout share and its limit of shows apply.
    """
    count = queue_offers(
        customer_ids=[customer_id],
        offer=offer,
        expires_at=expires_at,
        origin_kind=origin_kind,
        origin_id=origin_id,
        now=now,
    )
    return count > 0


def queue_offers(
    *,
    customer_ids: Iterable[int],
    offer: Offer,
    expires_at: datetime,
    origin_kind: str,
    origin_id: int,
    now: datetime,
) -> int:
    """Show an offer to many customers as `show_offer` does; return for how many it is new."""
    before = QueuedOffer.objects.filter(origin_kind=origin_kind, origin_id=origin_id)
    known = before.count()
    QueuedOffer.objects.bulk_create(
        (
            QueuedOffer(
                offer=offer,
                customer_id=customer_id,
                origin_kind=origin_kind,
                origin_id=origin_id,
                queued_at=now,
                expires_at=expires_at,
            )
            for customer_id in customer_ids
        ),
        ignore_conflicts=True,
        batch_size=5000,
    )
    return before.count() - known
