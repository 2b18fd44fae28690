"""The search over the whole back office: each app registers what it can find in `backoffice/search_source.py`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise

from config.foundation.backoffice.navigation import get_navigation

MAX_RESULTS = 5  # per source
MAX_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class SearchMatch:
    """Something that was found: its name, its page, and what tells it apart from others of the same name."""

    title: str | Promise
    url: str
    detail: str | Promise = ""


@dataclass(frozen=True, kw_only=True)
class SearchSource:
    """What an app can find.

    permission: users without it get nothing from this source. find: returns at most ``limit`` results for a text that is not empty; it
    follows the masking policy and records reads of personal data.
    """

    key: str
    label: str | Promise
    permission: str | None
    order: int
    find: Callable[[HttpRequest, str, int], Sequence[SearchMatch]]


_sources: dict[str, SearchSource] = {}


def register_search_source(source: SearchSource) -> None:
    """Add a source; one with the same key replaces the earlier one."""
    _sources[source.key] = source


def search_everything(request: HttpRequest, text: str) -> list[tuple[SearchSource, list[SearchMatch]]]:
    """Return the results by source, in the order of the sources; sources without results are left out."""
    text = " ".join(text.replace("\0", "").split())[:MAX_CHARACTERS]
    if not text:
        return []
    allowed = [
        source for source in _sources.values() if source.permission is None or request.user.has_perm(source.permission)
    ]
    groups = [
        (source, list(source.find(request, text, MAX_RESULTS))[:MAX_RESULTS])
        for source in sorted(allowed, key=lambda source: source.order)
    ]
    return [(source, results) for source, results in groups if results]


def find_pages(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return the pages of the menu whose name, tab or area contains every word; the name counts most."""
    words = text.casefold().split()
    matches: list[tuple[bool, SearchMatch]] = []
    for area in get_navigation(request):
        for tab in area.tabs:
            for page in tab.pages:
                place = [str(area.label), str(tab.label), str(page.label)]
                if all(word in " ".join(place).casefold() for word in words):
                    is_by_name = all(word in place[-1].casefold() for word in words)
                    detail = " › ".join(dict.fromkeys(place[:-1]))
                    matches.append((not is_by_name, SearchMatch(title=page.label, url=page.url, detail=detail)))
    return [result for _rank, result in sorted(matches, key=lambda match: match[0])][:limit]
