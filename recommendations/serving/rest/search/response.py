"""The JSON response of a search, for the REST view and for callers without one."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

import msgspec
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from customers.events.recent.interactions import RecentActivity, read_recent_activity
from recommendations.serving.impressions.served_entry import ServedEntry
from recommendations.serving.impressions.writer import record_impression
from recommendations.serving.request import make_recommendation_id
from recommendations.serving.rest.response import ItemJSON, ReasonJSON
from recommendations.serving.rest.search.request import SearchRequest, SearchSort, parse_search_request
from recommendations.serving.rest.serve import FALLBACKS, RESPONSE_SECONDS
from recommendations.serving.search.facets import Facets, FacetValue
from recommendations.serving.search.personalization import get_personal_scores, get_popularity_scores
from recommendations.serving.search.search import SearchPage, search
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.state.loader import ServingState

type RulesFor = Callable[[SearchRequest, ServingState, datetime], SearchRules | None]

SCENARIO = "search"


def apply_shop_rules(request: SearchRequest, loaded: ServingState, now: datetime) -> SearchRules | None:
    """Return the merchandising rules of this search; suppressed customers are not looked up in segments."""
    names = [f"{kind}:{value}" for kind, value in request.identifiers]
    known = [] if loaded.suppressions.contains_any(names) else names
    return loaded.rules.apply(scenario=SCENARIO, names=known, now=now)


class FacetValueJSON(msgspec.Struct):
    value: str
    count: int


class PriceRangeJSON(msgspec.Struct):
    low: str | None = msgspec.field(name="from")
    high: str | None = msgspec.field(name="to")
    count: int


class FacetsJSON(msgspec.Struct):
    category: list[FacetValueJSON]
    brand: list[FacetValueJSON]
    price: list[PriceRangeJSON]
    attributes: dict[str, list[FacetValueJSON]]


class SuggestionJSON(msgspec.Struct):
    kind: str
    text: str
    value: str


class SearchResponseJSON(msgspec.Struct):
    recommendation_id: str
    scenario: str
    query: str
    corrected: str | None
    fallback: str | None
    total: int
    items: list[ItemJSON]
    facets: FacetsJSON | None
    suggestions: list[SuggestionJSON]
    model_version: str
    took_ms: float
    next_cursor: str | None


_encoder = msgspec.json.Encoder()


def respond_to_parameters(
    params: Mapping[str, str],
    now: datetime,
    *,
    source: Searcher = searcher,
    recently: RecentActivity | None = None,
    rules: RulesFor = apply_shop_rules,
) -> bytes:
    """Return the JSON response to query parameters, in the active language.

    recently: recent activity, if the caller has already read it; rules: the merchandising rules.

    Raises InvalidSearchError for invalid parameters, SearchNotReadyError while this process reads the products.
    """
    return respond(parse_search_request(params), now, source=source, recently=recently, rules=rules)


def respond(
    request: SearchRequest,
    now: datetime,
    *,
    source: Searcher = searcher,
    recently: RecentActivity | None = None,
    rules: RulesFor = apply_shop_rules,
) -> bytes:
    """Return the JSON response to a parsed request. Raises SearchNotReadyError."""
    recent_activity = (
        read_recent_activity(identifiers=request.identifiers) if recently is None and request.identifiers else recently
    )
    page = run_search(request, now=now, source=source, recently=recent_activity, rules=rules)
    RESPONSE_SECONDS.labels(SCENARIO).observe(page.took_ms / 1000)
    if page.fallback is not None:
        FALLBACKS.labels(SCENARIO, "nothing_found").inc()
    answer = build_response(page, recommendation_id=make_recommendation_id(now))
    record_search_impression(page, answer, refused=recent_activity is not None and recent_activity.is_denied, now=now)
    return _encoder.encode(answer)


def record_search_impression(found: SearchPage, answer: SearchResponseJSON, *, refused: bool, now: datetime) -> None:
    """Record the page as an impression, without identifiers if the visitor refused recognition."""
    if not answer.items:
        return
    request = found.request
    names = [f"{kind}:{value}" for kind, value in request.identifiers]
    known = not refused and not found.snapshot.loaded.suppressions.contains_any(names)
    record_impression(
        ServedEntry(
            recommendation_id=answer.recommendation_id,
            scenario=SCENARIO,
            user_id=request.user_id if known else "",
            anonymous_id=request.anonymous_id if known else "",
            model_version=answer.model_version,
            strategy=SCENARIO,
            arm=None,
            fallback=found.fallback,
            served_at=now,
            first_rank=answer.items[0].rank,
            product_ids=[item.product_id for item in answer.items],
        )
    )


def run_search(
    request: SearchRequest,
    *,
    now: datetime,
    source: Searcher = searcher,
    recently: RecentActivity | None = None,
    rules: RulesFor = apply_shop_rules,
) -> SearchPage:
    """Run the search with everything known about the visitor. Raises as `respond_to_parameters`."""
    snapshot = source.current(now=now)
    started = time.perf_counter()
    personal_request = request if request.sort == SearchSort.RELEVANCE else replace(request, personalised=False)
    with get_personal_scores(request=personal_request, loaded=snapshot.loaded, now=now, recently=recently) as scores:
        page = search(
            request,
            snapshot=snapshot,
            person_scores=scores,
            popularity=get_popularity_scores(snapshot.loaded),
            rules=rules(request, snapshot.loaded, now),
        )
    return replace(page, took_ms=round((time.perf_counter() - started) * 1000, 2))


def build_response(found: SearchPage, *, recommendation_id: str) -> SearchResponseJSON:
    """Return the response of a page."""
    request, shelf = found.request, found.snapshot.catalog
    items = [
        ItemJSON(
            shelf.product_ids[hit.row],
            hit.rank,
            round(hit.score, 6),
            get_reason(hit.match_type, get_language() or "") if request.explain else None,
            shelf.get_json(hit.row),
        )
        for hit in found.hits
    ]
    return SearchResponseJSON(
        recommendation_id=recommendation_id,
        scenario=SCENARIO,
        query=request.q,
        corrected=found.corrected,
        fallback=found.fallback,
        total=found.total,
        items=items,
        facets=build_facets(found.facets) if request.facets else None,
        suggestions=[SuggestionJSON(entry.kind, entry.text, entry.value) for entry in found.suggestions],
        model_version=found.snapshot.loaded.version,
        took_ms=found.took_ms,
        next_cursor=found.next_cursor,
    )


def build_facets(facets: Facets) -> FacetsJSON:
    def values(own: Sequence[FacetValue]) -> list[FacetValueJSON]:
        return [FacetValueJSON(entry.value, entry.count) for entry in own]

    return FacetsJSON(
        values(facets.category),
        values(facets.brand),
        [PriceRangeJSON(format_price(entry.low), format_price(entry.high), entry.count) for entry in facets.price],
        {name: values(own) for name, own in facets.attributes.items()},
    )


def format_price(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


@lru_cache(maxsize=64)
def get_reason(how: str, language: str) -> ReasonJSON:
    """Return why a product is on the page; language: the active one, as part of the cache key."""
    texts = {
        "exact": _("Matches the product number"),
        "all_words": _("Matches all search words"),
        "some_words": _("Matches some search words"),
        "everything": _("Available now"),
        "popular": _("Popular right now"),
    }
    return ReasonJSON(f"search_{how}", texts[how], [])
