"""Flows in the search of the back office."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from recommendations.flows.models import Flow


def find_flows(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return flows by name, in alphabetical order."""
    return [
        SearchMatch(title=flow.name, url=reverse("flows:flow", args=[flow.pk]))
        for flow in Flow.objects.filter(name__icontains=text).order_by("name")[:limit]
    ]


register_search_source(
    SearchSource(key="flows", label=_("Flows"), permission="flows.view_flow", order=45, find=find_flows)
)
