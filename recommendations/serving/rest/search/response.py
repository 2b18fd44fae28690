"""Encode search responses as JSON."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec
import numpy as np
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommendations.serving.pipeline.fallback import END_OF_LIST, FILTERS, EmptyListReason
from recommendations.serving.rest.response import (
    NO_ITEMS,
    NO_REASON,
    EmptyReasonJSON,
    ReasonJSON,
    encode_boost,
    encode_empty_reason,
    encode_numbers,
    encode_ranks,
    insert_fields,
    join_items,
    write_list,
)
from recommendations.serving.search.facets import Facets, FacetValue
from recommendations.serving.search.ranking import NEWEST_PRODUCTS, POPULAR
from recommendations.serving.search.search import SearchPage
from recommendations.serving.search.visitor_search import SCENARIO
from recommendations.serving.visitor_claims import UNVERIFIED

NOTHING_FOUND = "nothing_found"  # code of empty_reason


class PriceRangeJSON(msgspec.Struct):
    low: str | None = msgspec.field(name="from")
    high: str | None = msgspec.field(name="to")
    count: int


class FacetsJSON(msgspec.Struct):
    category: Sequence[FacetValue]
    brand: Sequence[FacetValue]
    price: list[PriceRangeJSON]
    attributes: Mapping[str, Sequence[FacetValue]]


class SuggestionJSON(msgspec.Struct):
    kind: str
    text: str
    value: str


class QueryFiltersJSON(msgspec.Struct):
    """The prices that a query names."""

    price_min: str | None
    price_max: str | None


class TypedQueryJSON(msgspec.Struct):
    """The parameters that search the typed words instead of the corrected ones."""

    q: str
    autocorrect: bool = False


class SearchResponseJSON(msgspec.Struct):
    recommendation_id: str
    scenario: str
    query: str
    corrected: str | None
    search_instead: TypedQueryJSON | None
    query_filters: QueryFiltersJSON | None
    fallback: str | None
    empty_reason: EmptyReasonJSON | None
    total: int
    items: msgspec.Raw
    facets: FacetsJSON | None
    suggestions: list[SuggestionJSON]
    model_version: str
    took_ms: float
    next_cursor: str | None
    identity: str | msgspec.UnsetType = msgspec.UNSET


_encoder = msgspec.json.Encoder()


def encode_response(response: msgspec.Struct) -> bytes:
    """Return the JSON of a response."""
    return _encoder.encode(response)


def build_response(page: SearchPage, *, recommendation_id: str) -> SearchResponseJSON:
    """Return the response of a page."""
    request = page.request
    return SearchResponseJSON(
        recommendation_id=recommendation_id,
        scenario=SCENARIO,
        query=request.q,
        corrected=page.corrected,
        search_instead=TypedQueryJSON(request.q) if page.corrected else None,
        query_filters=build_query_filters(page),
        fallback=page.fallback,
        empty_reason=None if page.hits else encode_empty_reason(describe_empty_page(page)),
        total=page.total,
        items=encode_hits(page),
        facets=build_facets(page.facets) if request.facets else None,
        suggestions=[SuggestionJSON(entry.kind, entry.text, entry.value) for entry in page.suggestions],
        model_version=page.snapshot.state.version,
        took_ms=page.took_ms,
        next_cursor=page.next_cursor,
        identity=UNVERIFIED if request.is_unverified else msgspec.UNSET,
    )


def encode_hits(page: SearchPage) -> msgspec.Raw:
    """Return the JSON of the products of a page.

    With the title in pieces, each with whether it matches the query, if the request asks for it.
    """
    if not page.hits:
        return NO_ITEMS
    request, catalog = page.request, page.snapshot.catalog
    language = get_language() or ""
    rows = [hit.row for hit in page.hits]
    match_types = [hit.match_type for hit in page.hits]
    if page.fallback == POPULAR:
        support = page.snapshot.state.reason_support
        match_types = [POPULAR if support.is_popular(row) else NEWEST_PRODUCTS for row in rows]
    reasons = [get_reason_field(name, language) if request.explain else NO_REASON for name in match_types]
    has_boosts = bool(request.boost) and request.explain
    if not has_boosts and not request.highlight:
        scores = np.array([hit.score for hit in page.hits], np.float64)
        if list_json := write_list(catalog, rows, np.array(rows, np.int32), page.hits[0].rank, scores, reasons):
            return msgspec.Raw(b"".join((b"[", list_json, b"]")))
    parts = catalog.list_json(rows)
    tails = [item.tail for item in parts]
    if has_boosts:
        tails = [insert_fields(tail, encode_boost(hit.boost)) for tail, hit in zip(tails, page.hits, strict=True)]
    if request.highlight:
        titles = [b',"highlight":%b' % _encoder.encode(highlight_title(page, hit.row)) for hit in page.hits]
        tails = list(map(insert_fields, tails, titles))
    text = join_items(
        [item.head for item in parts],
        encode_ranks([hit.rank for hit in page.hits]),
        encode_numbers([hit.score for hit in page.hits], decimals=6),
        reasons,
        tails,
    )
    return msgspec.Raw(b"[%b]" % text)


def highlight_title(page: SearchPage, row: int) -> list[tuple[str, bool]]:
    """Return the title of a catalog row in pieces, each with whether it matches the query."""
    card = page.snapshot.catalog.cards[row]
    if card is None:
        return []
    return page.matches.highlight(card.title) if page.matches is not None else [(card.title, False)]


def build_query_filters(page: SearchPage) -> QueryFiltersJSON | None:
    """Return the prices that the query names; None if it names none."""
    understood = page.understood
    if understood is None or understood is page.request:
        return None
    return QueryFiltersJSON(format_price(understood.price_min), format_price(understood.price_max))


def describe_empty_page(page: SearchPage) -> EmptyListReason:
    """Return why a page has no products, in the active language."""
    filters = (page.understood or page.request).filter_names
    if page.total:
        return EmptyListReason(END_OF_LIST, _("There are no more products after this page."))
    if filters:
        text = _("No product matches the filters.")
        if page.request.q:
            text = _("No product matches the search words and the filters.")
        return EmptyListReason(FILTERS, text, filters)
    return EmptyListReason(NOTHING_FOUND, _("No product matches the search words."))


def build_facets(facets: Facets) -> FacetsJSON:
    """Return the facets as JSON."""
    return FacetsJSON(
        facets.category,
        facets.brand,
        [PriceRangeJSON(format_price(entry.low), format_price(entry.high), entry.count) for entry in facets.price],
        facets.attributes,
    )


def format_price(value: float | Decimal | None) -> str | None:
    return None if value is None else f"{value:.2f}"


@lru_cache(maxsize=64)
def get_reason_field(match_type: str, language: str) -> bytes:
    """Return the JSON field with the reason why a product is on the page, after a comma; language: the active one, as part of the cache key."""
    texts = {
        "exact": _("Matches the product ID"),
        "all_words": _("Matches all search words"),
        "some_words": _("Matches some search words"),
        "everything": _("Available now"),
        POPULAR: _("Popular right now"),
        NEWEST_PRODUCTS: _("From our catalog"),
    }
    return b',"reason":' + _encoder.encode(ReasonJSON(f"search_{match_type}", texts[match_type], []))
