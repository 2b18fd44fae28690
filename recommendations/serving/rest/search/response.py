"""The answer of a search as JSON, for the REST view and for whoever answers without one."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

import msgspec
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from customers.events.recent.interactions import Recently, read_person
from recommendations.serving.impressions.served_entry import Shown
from recommendations.serving.impressions.writer import note_shown
from recommendations.serving.request import make_recommendation_id
from recommendations.serving.rest.response import ItemJSON, ReasonJSON
from recommendations.serving.rest.search.request import SearchRequest, Sort, parse
from recommendations.serving.rest.serve import FALLBACKS, SECONDS
from recommendations.serving.search.facets import Facets, Value
from recommendations.serving.search.personalization import person_scores, popularity
from recommendations.serving.search.search import Found, search
from recommendations.serving.search.search_rules import Rules
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.state.loader import Loaded

type RulesFor = Callable[[SearchRequest, Loaded, datetime], Rules | None]

SCENARIO = "search"


def rules_of_the_shop(request: SearchRequest, loaded: Loaded, now: datetime) -> Rules | None:
    """What the merchandiser says of the search, for whoever asks; nobody who is withheld is looked for in a segment."""
    names = [f"{kind}:{value}" for kind, value in request.identifiers]
    known = [] if loaded.withheld.holds(names) else names
    return loaded.ruling.applied(scenario=SCENARIO, names=known, now=now)


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
    items: list[ItemJSON]
    facets: ShownFacets | None
    suggestions: list[ShownSuggestion]
    model_version: str
    took_ms: float
    next_cursor: str | None


_encoder = msgspec.json.Encoder()


def answer_bytes(
    params: Mapping[str, str],
    now: datetime,
    *,
    source: Searcher = searcher,
    recently: Recently | None = None,
    rules: RulesFor = rules_of_the_shop,
) -> bytes:
    """The JSON answer to the parameters of an address, in the thread's language.

    recently: what Valkey knows of the person, where the caller has asked already; rules: what the merchandiser says.

    Errors: WrongSearchError names every wrong parameter; NotReadyError while this process reads the products.
    """
    return answered(parse(params), now, source=source, recently=recently, rules=rules)


def answered(
    request: SearchRequest,
    now: datetime,
    *,
    source: Searcher = searcher,
    recently: Recently | None = None,
    rules: RulesFor = rules_of_the_shop,
) -> bytes:
    """The same of a request that was read already. Errors: NotReadyError."""
    told = read_person(identifiers=request.identifiers) if recently is None and request.identifiers else recently
    found = found_for(request, now=now, source=source, recently=told, rules=rules)
    SECONDS.labels(SCENARIO).observe(found.took_ms / 1000)
    if found.fallback is not None:
        FALLBACKS.labels(SCENARIO, "nothing_found").inc()
    answer = shown(found, recommendation_id=make_recommendation_id(now))
    note(found, answer, refused=told is not None and told.refused, now=now)
    return _encoder.encode(answer)


def note(found: Found, answer: ShownAnswer, *, refused: bool, now: datetime) -> None:
    """What the page shows, as an impression; of whoever refuses to be recognised without saying to whom."""
    if not answer.items:
        return
    request = found.request
    names = [f"{kind}:{value}" for kind, value in request.identifiers]
    known = not refused and not found.snapshot.loaded.withheld.holds(names)
    note_shown(
        Shown(
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


def found_for(
    request: SearchRequest,
    *,
    now: datetime,
    source: Searcher = searcher,
    recently: Recently | None = None,
    rules: RulesFor = rules_of_the_shop,
) -> Found:
    """The search of the request with everything that is known of whoever asks. Errors: as `answer_bytes`."""
    snapshot = source.current(now=now)
    started = time.perf_counter()
    asking = request if request.sort == Sort.RELEVANCE else replace(request, personalised=False)
    with person_scores(request=asking, loaded=snapshot.loaded, now=now, recently=recently) as scores:
        found = search(
            request,
            snapshot=snapshot,
            person_scores=scores,
            popularity=popularity(snapshot.loaded),
            rules=rules(request, snapshot.loaded, now),
        )
    return replace(found, took_ms=round((time.perf_counter() - started) * 1000, 2))


def shown(found: Found, *, recommendation_id: str) -> ShownAnswer:
    request, shelf = found.request, found.snapshot.shelf
    items = [
        ItemJSON(
            shelf.product_ids[hit.row],
            hit.rank,
            round(hit.score, 6),
            reason_for(hit.how, get_language() or "") if request.explain else None,
            shelf.blob(hit.row),
        )
        for hit in found.hits
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
        model_version=found.snapshot.loaded.version,
        took_ms=found.took_ms,
        next_cursor=found.next_cursor,
    )


def shown_facets(facets: Facets) -> ShownFacets:
    def values(own: Sequence[Value]) -> list[ShownValue]:
        return [ShownValue(one.value, one.count) for one in own]

    return ShownFacets(
        values(facets.category),
        values(facets.brand),
        [ShownRange(money(one.low), money(one.high), one.count) for one in facets.price],
        {name: values(own) for name, own in facets.attributes.items()},
    )


def money(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


@lru_cache(maxsize=64)
def reason_for(how: str, language: str) -> ReasonJSON:
    """Why a product is on the page; language: the active one, so that what is kept is not mixed up."""
    texts = {
        "exact": _("Its product number is what you typed"),
        "all_words": _("Matches all that you typed"),
        "some_words": _("Matches some of what you typed"),
        "everything": _("In the shop now"),
        "popular": _("Popular in the shop now"),
    }
    return ReasonJSON(f"search_{how}", texts[how], [])
