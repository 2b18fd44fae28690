"""The answer of a search as JSON, for the REST view and for whoever answers without one."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import msgspec
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommendations.serving.catalogue import Card
from recommendations.serving.recommend import make_recommendation_id
from recommendations.serving.search.facets import Facets, Value
from recommendations.serving.search.parsing import SearchRequest, parse
from recommendations.serving.search.refreshing import Searcher, searcher
from recommendations.serving.search.search import Found, search
from recommendations.serving.search.surroundings import Surroundings, surroundings

SCENARIO = "search"


class ShownProduct(msgspec.Struct):
    title: str
    price: str | None
    currency: str
    image_url: str
    url: str
    brand: str
    category: str


class ShownReason(msgspec.Struct):
    code: str
    text: str
    product_ids: list[str]


class ShownItem(msgspec.Struct):
    product_id: str
    rank: int
    score: float
    reason: ShownReason | None
    product: ShownProduct


class ShownValue(msgspec.Struct):
    value: str
    count: int


class ShownRange(msgspec.Struct):
    low: str | None = msgspec.field(name="from")
    high: str | None = msgspec.field(name="to")
    count: int


class ShownFacets(msgspec.Struct):
    category: list[ShownValue]
    brand: list[ShownValue]
    price: list[ShownRange]
    attributes: dict[str, list[ShownValue]]


class ShownSuggestion(msgspec.Struct):
    kind: str
    text: str
    value: str


class ShownAnswer(msgspec.Struct):
    recommendation_id: str
    scenario: str
    query: str
    corrected: str | None
    fallback: str | None
    total: int
    items: list[ShownItem]
    facets: ShownFacets | None
    suggestions: list[ShownSuggestion]
    model_version: str
    took_ms: float
    next_cursor: str | None


def answer_bytes(
    params: Mapping[str, str], now: datetime, *, source: Searcher = searcher, around: Surroundings = surroundings
) -> bytes:
    """The JSON answer to the parameters of an address, in the thread's language.

    Raises:
        WrongSearchError: names every wrong parameter.
        NotReadyError: this process has not read the products yet.
    """
    return encode(found_for(parse(params), now=now, source=source, around=around), now=now, around=around)


def found_for(
    request: SearchRequest, *, now: datetime, source: Searcher = searcher, around: Surroundings = surroundings
) -> Found:
    """The search of the request with everything that is known about whoever asks."""
    snapshot = source.current(now=now)
    shelf = snapshot.shelf
    return search(
        request,
        snapshot=snapshot,
        now=now,
        person_scores=around.person_scores(request, now, shelf) if request.personalised else None,
        popularity=around.popularity(shelf),
        rules=around.rules(request, now, shelf),
    )


def encode(found: Found, *, now: datetime, around: Surroundings = surroundings) -> bytes:
    return msgspec.json.encode(
        shown(found, recommendation_id=make_recommendation_id(now), version=around.model_version())
    )


def shown(found: Found, *, recommendation_id: str, version: str) -> ShownAnswer:
    request, cards = found.request, found.snapshot.shelf.cards
    items = [
        ShownItem(
            card.product_id,
            hit.rank,
            round(hit.score, 6),
            reason_for(hit.how, get_language() or "") if request.explain else None,
            shown_product(card),
        )
        for hit in found.hits
        if (card := cards[hit.row]) is not None
    ]
    return ShownAnswer(
        recommendation_id=recommendation_id,
        scenario=SCENARIO,
        query=request.q,
        corrected=found.corrected,
        fallback=found.fallback,
        total=found.total,
        items=items,
        facets=shown_facets(found.facets) if request.facets else None,
        suggestions=[ShownSuggestion(one.kind, one.text, one.value) for one in found.suggestions],
        model_version=version,
        took_ms=found.took_ms,
        next_cursor=found.next_cursor,
    )


def shown_product(card: Card) -> ShownProduct:
    price = None if card.price is None else str(card.price)
    return ShownProduct(card.title, price, card.currency, card.image_url, card.url, card.brand, card.category)


def shown_facets(facets: Facets) -> ShownFacets:
    def values(own: "list[Value] | tuple[Value, ...]") -> list[ShownValue]:
        return [ShownValue(one.value, one.count) for one in own]

    return ShownFacets(
        values(list(facets.category)),
        values(list(facets.brand)),
        [ShownRange(money(one.low), money(one.high), one.count) for one in facets.price],
        {name: values(list(own)) for name, own in facets.attributes.items()},
    )


def money(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


@lru_cache(maxsize=64)
def reason_for(how: str, language: str) -> ShownReason:
    """Why a product is on the page; language: the active one, so that what is kept is not mixed up."""
    texts = {
        "exact": _("Its product number is what you typed"),
        "all_words": _("Matches all that you typed"),
        "some_words": _("Matches some of what you typed"),
        "everything": _("In the shop now"),
        "popular": _("Popular in the shop now"),
    }
    return ShownReason(f"search_{how}", texts[how], [])
