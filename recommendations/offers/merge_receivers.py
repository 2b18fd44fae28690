"""Keep exposures and queued offers with their customer when customers are merged, split again, erased or deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from customers.identity.models import Identifier
from recommendations.offers.models import OfferExposure, QueuedOffer


def move_offer_rows(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    drop_duplicates(pairs)
    return move_rows(models=(OfferExposure, QueuedOffer), pairs=pairs)


def drop_duplicates(pairs: Sequence[tuple[int, int]]) -> None:
    """Delete queued offers of merged customers that the kept one has from the same origin."""
    people = {customer_id for pair in pairs for customer_id in pair}
    kept_of = {merged: kept for kept, merged in pairs}
    queued = QueuedOffer.objects.filter(customer_id__in=people).order_by("pk")
    first: dict[tuple[int, str, int], int] = {}
    doubled = []
    for row in sorted(queued, key=lambda row: row.customer_id in kept_of):
        owner = kept_of.get(row.customer_id, row.customer_id)
        if first.setdefault((owner, row.origin_kind, row.origin_id), row.pk) != row.pk:
            doubled.append(row.pk)
    QueuedOffer.objects.filter(pk__in=doubled).delete()


def restore_offer_rows(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=(OfferExposure, QueuedOffer), merges=merges)


def anonymize_exposures(*, customer_id: int, replacement_id: int | None = None, **_kwargs: Any) -> None:
    """Give the exposures of an erased customer, and those of their devices, to the anonymous number; the counts stay."""
    devices = Identifier.objects.filter(customer_id=customer_id, kind=Identifier.Kind.ANONYMOUS_ID).values("value")
    of_devices = OfferExposure.objects.filter(customer=None, anonymous_id__in=devices).exclude(anonymous_id="")
    for exposures in (OfferExposure.objects.filter(customer_id=customer_id), of_devices):
        exposures.update(customer_id=replacement_id, anonymous_id="")
    QueuedOffer.objects.filter(customer_id=customer_id).delete()


def forget_deleted_customers(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    OfferExposure.objects.filter(customer_id__in=customer_ids).update(customer_id=None, anonymous_id="")
