"""On-site offers in the search of the back office."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from recommendations.offers.models import Offer


def find_offers(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return offers by name, in alphabetical order."""
    return [
        SearchMatch(title=offer.name, url=reverse("onsite_offers:offer", args=[offer.pk]))
        for offer in Offer.objects.filter(name__icontains=text).order_by("name")[:limit]
    ]


register_search_source(
    SearchSource(key="offers", label=_("On-site offers"), permission="offers.view_offer", order=47, find=find_offers)
)
