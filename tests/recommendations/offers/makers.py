"""Stored offers for tests."""

from itertools import count
from typing import Any

from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.models import Offer, OfferContent

numbers = count(1)


def make_offer(key: str = "", *, titles: dict[str, str] | None = None, **fields: Any) -> Offer:
    """Create a running offer without a holdout group, with a title in each language."""
    key = key or f"offer-{next(numbers)}"
    offer = Offer.objects.create(key=key, **{"name": key, "status": Offer.Status.RUNNING, "holdout_share": 0, **fields})
    for language, title in (titles or {"en": key}).items():
        OfferContent.objects.create(offer=offer, language=language, title=title, url="/sale", button="See the sale")
    clear_offer_cache()
    return offer
