"""The one public function of serving: what to show in a place of the shop, to whoever is looking."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from customers.events.recent.interactions import Recently
from recommendations.engine import Contribution
from recommendations.engine.online.ensemble_scorer import OutOfTimeError
from recommendations.engine.placements import CART, CATEGORIES, FOR_YOU, NEW, POPULAR, RECENTLY_VIEWED
from recommendations.merchandising.rules.ranking import Placed, apply_to_ranking
from recommendations.merchandising.rules.rule_book import RuleBook
from recommendations.serving.pipeline.candidates import ANY, COLD_START, GATHER, Asked, Found, Workspaces, anything
from recommendations.serving.pipeline.explain import (
    Reason,
    by_arrival,
    chosen_by_the_shop,
    in_the_shop,
    new_in_the_shop,
    often_bought_category,
    popular,
    reason_of,
    seen_lately,
)
from recommendations.serving.pipeline.explore import every_nth, merged, new_products
from recommendations.serving.pipeline.rerank import POOL, diversified, likeness_of, rotated, seed_of
from recommendations.serving.pipeline.visitor import NOTHING, person_of, read_recently
from recommendations.serving.request import (
    Request,
    WrongRequestError,
    make_recommendation_id,
    read_cursor,
    require_request,
    write_cursor,
)
from recommendations.serving.state.loader import Loaded, Loader, loader
from recommendations.serving.state.product_index import Card, Filters

# why a fallback took over
NO_MODEL, LATE, OFF, NOTHING_KNOWN, NO_PRODUCT = "no_model", "late", "off", "nothing_known", "filters"
RESERVED_SECONDS = 0.015  # of the time that an answer has, for what comes after the scores
TOPPED_UP = (FOR_YOU, CART)
CATEGORY_LEVELS, CATEGORY_POOL, CATEGORY_PRODUCTS = 2, 300, 3


class Item(NamedTuple):
    product_id: str
    rank: int
    score: float
    card: Card | None
    reason: Reason | None
    row: int = -1


@dataclass(frozen=True)
class CategoryItem:
    """A category to choose from next, and its best products."""

    category: str
    rank: int
    score: float
    reason: Reason | None
    product_ids: list[str]


@dataclass(frozen=True)
class Answer:
    """fallback: the place that took over, with fallback_reason; stale: the database has been away for a while, this is from memory.

    left_out: of a list to rank, the products that may not be shown, and why. personal: whether whoever asked may be recognised.
    """

    recommendation_id: str
    scenario: str
    strategy: str
    fallback: str | None
    model_version: str
    took_ms: float
    items: list[Item] = field(default_factory=list)
    next_cursor: str | None = None
    fallback_reason: str | None = None
    stale: bool = False
    categories: list[CategoryItem] | None = None
    left_out: list[tuple[str, str]] | None = None
    loaded: Loaded | None = field(default=None, repr=False, compare=False)
    personal: bool = True


def recommend(
    *,
    request: Request,
    now: datetime,
    source: Loader = loader,
    recently: Recently | None = None,
    rules: RuleBook | None = None,
) -> Answer:
    """Products for a place of the shop, best first, each with the reason for it.

    Where a place has nothing to show, is switched off or would be late, its fallback takes over and the answer says so; ``strict``
    rather has nothing. Of for-you every tenth place tries a new product, or as many as are set. Asks the database nothing.

    recently: what Valkey knows of the person, where the caller has asked already. rules: instead of the shop's own; an empty book is
    without rules.

    Errors: WrongRequestError for a request that contradicts itself; DatabaseError where nothing was loaded yet and the database is away.
    """
    started = time.perf_counter()
    require_request(request)
    offset, minute = read_cursor(request.cursor, now=now)
    loaded = source.current(now=now)
    due = time.perf_counter() + settings.RECOMMEND_DEADLINE_MS / 1000 - RESERVED_SECONDS
    require_category(loaded, request)
    told = read_recently(request) if recently is None else recently
    with Workspaces(loaded) as works:
        person = person_of(loaded=loaded, request=request, recently=told, now=now.timestamp())
        applied = loaded.ruling.applied(scenario=request.scenario, names=person.names, now=now, rules=rules)
        asked = Asked(
            request=request,
            loaded=loaded,
            person=person,
            works=works,
            now=now,
            depth=depth_of(loaded, request, offset) + (len(applied.pins) if applied is not None else 0),
            allowed=loaded.ruling.allowed(loaded.catalogue.mask(filters_of(request)), applied),
            factors=loaded.ruling.factors(request.scenario, applied),
            applied=applied,
            excluded=loaded.catalogue.rows_of(request.exclude) if request.exclude else NOTHING,
            due=due,
            minute=minute,
        )
        found, fallback, why = find(asked)
        found = topped_up(asked, in_order(asked, found))
        items: list[Item] = []
        categories, more = None, False
        if request.scenario == CATEGORIES:
            categories = categories_of(asked, found)
        else:
            items, more = page_of(asked, found, offset)
    return Answer(
        recommendation_id=make_recommendation_id(now),
        scenario=request.scenario,
        strategy=found.strategy,
        fallback=fallback,
        fallback_reason=why if fallback is not None else None,
        model_version=loaded.version,
        took_ms=round((time.perf_counter() - started) * 1000, 2),
        items=items,
        next_cursor=write_cursor(offset + request.n, minute) if more else None,
        stale=source.stale_since is not None,
        categories=categories,
        loaded=loaded,
        personal=not person.refused,
    )


def filters_of(request: Request) -> Filters:
    return Filters(request.in_stock, request.category, request.brand, request.price_min, request.price_max)


def depth_of(loaded: Loaded, request: Request, offset: int) -> int:
    """How many candidates are needed; always the same where they change places, so that pages are cut out of one order."""
    if request.scenario == CATEGORIES:
        return CATEGORY_POOL
    wanted = offset + request.n + 1
    place = loaded.places[request.scenario]
    return max(wanted, POOL) if diversity_of(request, loaded) or place.rotation else wanted


def diversity_of(request: Request, loaded: Loaded) -> float:
    return loaded.places[request.scenario].diversity if request.diversity is None else request.diversity


def require_category(loaded: Loaded, request: Request) -> None:
    """Errors: WrongRequestError for a landing category that no product is in or below."""
    path = request.landing_category
    if path and not loaded.catalogue.has_category(path):
        raise WrongRequestError(
            "landing_category",
            _(
                "There is no category %(path)s with products; give the path of one as the catalogue has it, such as %(example)s, or "
                "leave landing_category out."
            )
            % {"path": repr(path), "example": repr(next(iter(loaded.catalogue.categories), ""))},
        )


def find(asked: Asked) -> tuple[Found, str | None, str | None]:
    """Candidates of the place or of what takes over, the name of that, and why it did."""
    request, loaded = asked.request, asked.loaded
    why: str | None = None
    if not asked.allowed.any() and not request.strict and filters_of(request) != Filters(request.in_stock):
        asked.allowed = loaded.ruling.allowed(loaded.catalogue.mask(Filters(request.in_stock)), asked.applied)
        why = NO_PRODUCT
    name: str | None = request.scenario
    tried: set[str] = set()
    while name is not None and name not in tried:
        tried.add(name)
        found, problem = found_in(asked, name)
        if found is not None and len(found.rows):
            changed = name != request.scenario or why == NO_PRODUCT
            return found, name if changed else None, why
        why = why or problem
        if request.strict:
            return Found(name, NOTHING, NOTHING.astype(np.float32), scenario=name), None, why
        name = POPULAR if problem == LATE and name != POPULAR else loaded.places[name].falls_back_to()
    found = anything(asked)
    found.scenario = request.scenario
    return found, ANY, why


def found_in(asked: Asked, name: str) -> tuple[Found | None, str]:
    """What one place has to show; else why it has nothing."""
    loaded = asked.loaded
    needs_model = name not in (NEW, RECENTLY_VIEWED)
    if loaded.model is None and needs_model:
        return None, NO_MODEL
    if loaded.prepared is not None and name in loaded.prepared.off:
        return None, OFF
    try:
        found = GATHER[name](asked)
    except OutOfTimeError:
        asked.due = None
        return None, LATE
    if found is not None:
        found.scenario = name
    return found, NOTHING_KNOWN


def topped_up(asked: Asked, found: Found) -> Found:
    """A row that is shorter than asked for goes on with what is popular, score 0, where a place is about the person and not a product."""
    if found.scenario not in TOPPED_UP or asked.request.strict or len(found.rows) >= asked.depth:
        return found
    more, _problem = found_in(asked, POPULAR)
    if more is None:
        return found
    known = asked.person.history.item if asked.person.history is not None else NOTHING  # nothing new to whoever asks
    barred = np.concatenate([found.rows, known, asked.barred(found.scenario, asked.named_rows())])
    rows = more.rows[~np.isin(more.rows, barred)][: asked.depth - len(found.rows)]
    found.fillers = frozenset(rows.tolist())
    found.rows = np.concatenate([found.rows, rows])
    found.values = np.concatenate([found.values, np.zeros(len(rows), np.float32)])
    return found


def in_order(asked: Asked, found: Found) -> Found:
    """The candidates in the order in which they are shown: rotated and made diverse, where the place or the request wants that."""
    request, place = asked.request, asked.place(asked.request.scenario)
    if len(found.rows) < 2 or request.scenario in (RECENTLY_VIEWED, CATEGORIES):
        return found
    if place.rotation:
        period = asked.minute // (60 * place.rotation_hours)
        order = rotated(
            found.values[:POOL], rotation=place.rotation, seed=seed_of(*asked.person.names, request.scenario, period)
        )
        found.rows = np.concatenate([found.rows[:POOL][order], found.rows[POOL:]])
        found.values = np.concatenate([found.values[:POOL][order], found.values[POOL:]])
    diversity = diversity_of(request, asked.loaded)
    if diversity:
        pool = found.rows[:POOL]
        model = asked.loaded.model
        likeness = likeness_of(pool, catalogue=asked.loaded.catalogue, blend=model.blend if model is not None else None)
        worth = np.sort(found.values[:POOL])[::-1] if place.rotation else found.values[:POOL]
        order = diversified(pool, worth, diversity=diversity, likeness=likeness)
        found.values = np.concatenate([found.values[:POOL][order], found.values[POOL:]])
        found.rows = np.concatenate([pool[order], found.rows[POOL:]])
    return found


def page_of(asked: Asked, found: Found, offset: int) -> tuple[list[Item], bool]:
    """The items of this page, and whether another one follows."""
    request, catalogue = asked.request, asked.loaded.catalogue
    places = list(zip(found.rows.tolist(), found.values.tolist(), strict=True))
    new: set[int] = set()
    if request.scenario == FOR_YOU and len(places):
        places, new = with_new_products(asked, found, places, end=offset + request.n + 1)
    placed = pinned_page(asked, places, offset)
    told = [row for row in placed.rows if row not in new and row not in placed.pinned]
    reasons = reasons_of(asked, found, told) if request.explain else {}
    if request.explain:
        reasons |= dict.fromkeys(new, new_in_the_shop()) | dict.fromkeys(placed.pinned, chosen_by_the_shop())
    items = [
        Item(catalogue.product_ids[row], offset + place, score, card, reasons.get(row), row)
        for place, (row, score) in enumerate(zip(placed.rows, placed.scores, strict=True), start=1)
        if (card := catalogue.cards[row]) is not None
    ]
    return items, placed.more


def pinned_page(asked: Asked, places: list[tuple[int, float]], offset: int) -> Placed:
    """The page with what rules have pinned to it, but for what this person or request must not be shown."""
    pins = asked.applied.pins if asked.applied is not None else ()
    return apply_to_ranking(
        rows=[row for row, _score in places],
        scores=[score for _row, score in places],
        pins=pins,
        allowed=asked.allowed if pins else None,
        barred=frozenset(asked.barred(asked.request.scenario, asked.named_rows()).tolist() if pins else ()),
        n=asked.request.n,
        offset=offset,
    )


def with_new_products(
    asked: Asked, found: Found, ranked: list[tuple[int, float]], *, end: int
) -> tuple[list[tuple[int, float]], set[int]]:
    """The ranked rows with new products in their places, and which these are.

    Pages are cut out of one list that begins at the first place, so that no product stands on two of them.
    """
    every = every_nth(asked.place(FOR_YOU).exploration)
    if every is None or end <= every:
        return ranked, set()
    fresh = new_products(
        loaded=asked.loaded,
        history=asked.person.history,
        allowed=asked.allowed,
        barred=asked.barred(FOR_YOU),
        seed=seed_of(*asked.person.names, asked.minute),
        now=asked.now,
    )
    if not fresh:
        return ranked, set()
    places = list(islice(merged(ranked, fresh, every=every), end))
    new = {row for row, score in places if score is None}
    return [(row, 0.0 if score is None else score) for row, score in places], new


def reasons_of(asked: Asked, found: Found, rows: Sequence[int]) -> dict[int, Reason]:
    """The true reason of each row, by the strategy that chose it."""
    catalogue = asked.loaded.catalogue
    if found.fillers and not found.fillers.isdisjoint(rows):
        own = [row for row in rows if row not in found.fillers]
        others = [row for row in rows if row in found.fillers]
        return reasons_of(asked, found, own) | dict.fromkeys(others, popular())
    if found.scored is not None:
        causes = found.scored.causes(np.array(rows, np.int32)) if rows else []
        history = found.scored.history
        worded: dict[tuple[int, str, int], Reason] = {}
        reasons = {}
        for row, cause in zip(rows, causes, strict=True):
            key = (cause.item, cause.source, row if cause.item == row else -1)
            if key not in worded:
                worded[key] = reason_of(
                    row=row, cause=cause, history=history, catalogue=catalogue, scenario=found.scenario
                )
            reasons[row] = worded[key]
        return reasons
    if found.strategy == COLD_START and found.arrival is not None:
        parts = arrival_parts(asked.loaded, found, rows)
        named = asked.request.landing_category.rpartition(" > ")[2]
        return {row: by_arrival(part, category=named) for row, part in zip(rows, parts, strict=True)}
    if found.strategy == NEW:
        return dict.fromkeys(rows, new_in_the_shop())
    if found.strategy == RECENTLY_VIEWED:
        return {row: seen_lately(catalogue.product_ids[row]) for row in rows}
    return dict.fromkeys(rows, in_the_shop() if found.strategy == ANY else popular())


def arrival_parts(loaded: Loaded, found: Found, rows: Sequence[int]) -> list[list[Contribution]]:
    assert loaded.model is not None
    assert loaded.model.newcomers is not None
    assert found.arrival is not None
    return loaded.model.newcomers.model.explain_many(found.arrival, rows)


def categories_of(asked: Asked, found: Found) -> list[CategoryItem]:
    """Categories by what their products among the best candidates would give: Σ score, of the first CATEGORY_LEVELS steps of the path."""
    catalogue = asked.loaded.catalogue
    names = {code: first_steps(path) for path, code in catalogue.categories.items()}
    sums: dict[str, float] = {}
    products: dict[str, list[int]] = {}
    values = found.values - (found.values.min() if found.strategy == COLD_START and len(found.values) else 0.0)
    for row, value in zip(found.rows.tolist(), values.tolist(), strict=True):
        name = names.get(int(catalogue.category[row]))
        if name:
            sums[name] = sums.get(name, 0.0) + value
            products.setdefault(name, []).append(row)
    best = sorted(sums, key=lambda name: (-sums[name], name))[: asked.request.n]
    personal = found.scored is not None and found.scored.known
    return [
        CategoryItem(
            name,
            place,
            sums[name],
            (often_bought_category(name.rpartition(" > ")[2]) if personal else popular())
            if asked.request.explain
            else None,
            [catalogue.product_ids[row] for row in products[name][:CATEGORY_PRODUCTS]],
        )
        for place, name in enumerate(best, start=1)
    ]


def first_steps(path: str) -> str:
    return " > ".join(path.split(" > ")[:CATEGORY_LEVELS])


__all__ = ["Answer", "CategoryItem", "Item", "Request", "WrongRequestError", "recommend"]
