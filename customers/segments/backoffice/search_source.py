"""Segments in the search of the back office."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from customers.segments.models import Segment


def find_segments(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return segments by name, in alphabetical order."""
    return [
        SearchMatch(
            title=segment.name,
            url=reverse("admin:segments_segment_change", args=[segment.pk]),
            detail=segment.get_kind_display(),
        )
        for segment in Segment.objects.filter(name__icontains=text).order_by("name")[:limit]
    ]


register_search_source(
    SearchSource(key="segments", label=_("Segments"), permission="segments.view_segment", order=30, find=find_segments)
)
