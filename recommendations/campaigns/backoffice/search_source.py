"""Campaigns in the search of the back office."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from recommendations.campaigns.models import Campaign


def find_campaigns(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return campaigns by name, in alphabetical order."""
    return [
        SearchMatch(title=campaign.name, url=reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
        for campaign in Campaign.objects.filter(name__icontains=text).order_by("name")[:limit]
    ]


register_search_source(
    SearchSource(
        key="campaigns", label=_("Campaigns"), permission="campaigns.view_campaign", order=40, find=find_campaigns
    )
)
