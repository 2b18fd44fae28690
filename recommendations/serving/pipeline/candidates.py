"""How each place of the shop finds its candidates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine import Histories
from recommendations.engine.cold_start import Arrivals
from recommendations.engine.online.ensemble_scorer import Scored, SingleBlend, Workspace
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    FOR_YOU,
    NEW,
    POPULAR,
    RECENTLY_VIEWED,
    SIMILAR,
    TRENDING,
)
from recommendations.engine.topn import top_n
from recommendations.merchandising.rules.ranking import weighted
from recommendations.merchandising.rules.rule_book import Applied
from recommendations.serving.pipeline.visitor import NOTHING, Person, arrival_of
from recommendations.serving.request import MOST_NAMED, Request
from recommendations.serving.state.loader import Loaded
from recommendations.serving.state.settings import Bought, Place

COLD_START, ANY = "cold-start", "catalogue"  # strategies
NUDGED = 4  # times as many candidates as are shown are put into the order of whoever is looking


type Values = npt.NDArray[np.float32]

_free: dict[tuple[int, int], list[Workspace]] = {}


class Workspaces:
    """The arrays for what is scored in one request; clean again at its end.

    Whoever comes next takes those that were given back last, whatever thread it is: they are still in the processor's cache.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.size = (loaded.catalogue.n, loaded.prepared.width if loaded.prepared is not None else 0)
        free = _free.get(self.size)
        if free is None:
            _free.clear()  # another catalogue: nobody comes back to the arrays of the one before
            free = _free.setdefault(self.size, [])
        self._free = free
        self._taken: list[Workspace] = []

    def take(self) -> Workspace:
        try:
            work = self._free.pop()
        except IndexError:
            work = Workspace(*self.size)
        self._taken.append(work)
        return work

    def __enter__(self) -> "Workspaces":
        return self

    def __exit__(self, *error: object) -> None:
        for work in self._taken:
            work.clear()
        self._free.extend(self._taken)
        self._taken = []


@dataclass
class Asked:
    """A request with all that answering it needs.

    allowed: which rows may be shown, not to be written to; excluded: rows that may not; factors: of rules, margin and stock, by row;
    applied: what the rules do; due: when to give up.
    """

    request: Request
    loaded: Loaded
    person: Person
    works: Workspaces
    now: datetime
    depth: int
    allowed: npt.NDArray[np.bool_]
    excluded: Rows = field(default_factory=lambda: NOTHING)
    factors: Values | None = None
    applied: Applied | None = None
    due: float | None = None
    minute: int = 0
    _barred: dict[str, Rows] = field(default_factory=dict)

    def place(self, name: str) -> Place:
        return self.loaded.places[name]

    def blend(self, name: str) -> SingleBlend | None:
        return self.loaded.prepared.blends.get(name) if self.loaded.prepared is not None else None

    def barred(self, name: str, more: Rows = NOTHING) -> Rows:
        """Rows that may not be shown in a place: excluded, dismissed, bought where that is not to be shown again, and those named here."""
        found = self._barred.get(name)
        if found is None:
            groups = [self.excluded, self.person.dismissed]
            model, bought = self.loaded.model, self.place(name).bought
            if model is not None and bought == Bought.AUTO and model.exclude_seen:
                groups.append(self.person.bought(model.seen_kinds))
            elif bought == Bought.HIDE:
                groups.append(self.person.purchases())
            some = [group for group in groups if len(group)]
            found = self._barred[name] = np.concatenate(some) if some else NOTHING
        return np.concatenate([found, more]) if len(more) else found

    def named_rows(self) -> Rows:
        """Rows of the products that the request names, each once."""
        if not self.request.product_ids:
            return NOTHING
        rows = self.loaded.catalogue.rows_of(self.request.product_ids[:MOST_NAMED])
        return np.unique(rows[rows >= 0]).astype(np.int32)

    def nobody(self) -> Histories:
        assert self.loaded.model is not None
        return self.loaded.model.history_of(NOTHING)


@dataclass
class Found:
    """Candidates of a place, best first. scored, arrival: what the reasons are told from; fillers: rows that are there to fill the row."""

    strategy: str
    rows: Rows
    values: Values
    scored: Scored | None = None
    arrival: Arrivals | None = None
    scenario: str = ""
    fillers: frozenset[int] = frozenset()


type Gather = Callable[[Asked], Found | None]


def for_you(asked: Asked) -> Found | None:
    """The blend of the model over what the person did, or what is known of them where that is nothing."""
    scored = score_person(asked)
    if scored is None:
        return cold_start(asked)
    rows, values = scored.best(asked.depth, allowed=asked.allowed, barred=asked.barred(FOR_YOU), factors=asked.factors)
    assert asked.loaded.model is not None
    return Found(asked.loaded.model.algorithm, rows, values, scored)


def score_person(asked: Asked) -> Scored | None:
    """Scores for the person; None without a history. A visit that the chosen parts have nothing to say of is served by what is alike."""
    blend, history = asked.blend(FOR_YOU), asked.person.history
    if blend is None or history is None or not len(history.item):
        return None
    work = asked.works.take()
    scored = blend.score(history, work, due=asked.due)
    prepared = asked.loaded.prepared
    assert prepared is not None
    if not scored.known and prepared.visit is not None and not len(asked.person.purchases()):
        work.clear()
        scored = prepared.visit.score(history, work, due=asked.due)
    return scored


def cold_start(asked: Asked) -> Found | None:
    """By what is known of somebody without a history; logarithms of chances."""
    loaded = asked.loaded
    arrival = arrival_of(loaded=loaded, request=asked.request, names=asked.person.names)
    if arrival is None or loaded.model is None or loaded.model.newcomers is None:
        return None
    n = len(loaded.model.items)
    allowed = asked.allowed[:n].copy()
    barred = asked.barred(FOR_YOU)
    allowed[barred[(barred >= 0) & (barred < n)]] = False
    scores = np.asarray(loaded.model.newcomers.model.score(arrival), np.float32)
    scores = weighted(scores=scores, factors=None if asked.factors is None else asked.factors[:n])
    ranking = top_n(scores, asked.depth, allowed=allowed)
    kept = ranking.items[0] >= 0
    return Found(COLD_START, ranking.items[0][kept], ranking.scores[0][kept], arrival=arrival)


def beside(name: str) -> Gather:
    """Places that start from products: what stands beside them, nudged towards what whoever is looking would choose."""

    def gather(asked: Asked) -> Found | None:
        blend, model = asked.blend(name), asked.loaded.model
        named = asked.named_rows()
        if blend is None or model is None:
            return None
        known = named[named < len(model.items)]
        if not len(known):
            return None
        scored = blend.score(model.history_of(known), asked.works.take(), due=asked.due)
        rows, values = scored.best(
            NUDGED * asked.depth, allowed=asked.allowed, barred=asked.barred(name, named), factors=asked.factors
        )
        return nudged(asked, Found(name, rows, values, scored), share=asked.place(name).personal)

    return gather


def nudged(asked: Asked, found: Found, *, share: float) -> Found:
    """(1 − share) · value / largest + share · what the person would give it / the largest of that."""
    if not share or len(found.rows) < 2 or not asked.person.has_history:
        return found
    scored = score_person(asked)
    if scored is None:
        return found
    personal = scored.of(found.rows)
    most = float(personal.max())
    if most <= 0:
        return found
    values = (1.0 - share) * found.values / found.values.max() + share * personal / most
    order = np.argsort(-values, kind="stable")
    found.rows, found.values = found.rows[order], values[order].astype(np.float32)
    return found


def buy_again(asked: Asked) -> Found | None:
    """What the person has bought before, by when it is due again."""
    blend, history = asked.blend(BUY_AGAIN), asked.person.history
    own = np.unique(asked.person.purchases())
    if blend is None or history is None or not len(own):
        return None
    scored = blend.score(history, asked.works.take(), due=asked.due)
    barred = np.concatenate([asked.excluded, asked.person.dismissed])
    own = own[asked.allowed[own] & ~np.isin(own, barred)]
    values = scored.of(own)
    if asked.factors is not None:
        values = values * asked.factors[own]
    order = np.argsort(-values, kind="stable")[: asked.depth]
    order = order[values[order] > 0]
    return Found(BUY_AGAIN, own[order].astype(np.int32), values[order], scored)


def static(name: str) -> Gather:
    """Places that are the same for everybody, but for what somebody has dismissed or bought."""

    def gather(asked: Asked) -> Found | None:
        blend = asked.blend(name)
        if blend is None:
            return None
        scored = blend.score(asked.nobody(), asked.works.take())
        rows, values = scored.best(asked.depth, allowed=asked.allowed, barred=asked.barred(name), factors=asked.factors)
        return Found(name, rows, values, scored)

    return gather


def new(asked: Asked) -> Found | None:
    """The newest first, by their day of publication."""
    rows = asked.loaded.catalogue.newest()
    barred = asked.barred(NEW)
    rows = rows[asked.allowed[rows]]
    rows = (rows[~np.isin(rows, barred)] if len(barred) else rows)[: asked.depth]
    return Found(NEW, rows, by_rank(len(rows)))


def recently_viewed(asked: Asked) -> Found | None:
    """What the person looked at, the newest first; also what the model does not know yet."""
    catalogue, history = asked.loaded.catalogue, asked.person.history
    wanted = ("view", "cart", "wishlist")
    rows = [catalogue.row_of(one.product_id) for one in asked.person.recent if one.kind in wanted]
    if history is not None:
        rows += history.item[np.isin(history.kind, [0, 1, 2, 3])][::-1].tolist()
    barred = set(np.concatenate([asked.excluded, asked.person.dismissed]).tolist())
    shown = [row for row in dict.fromkeys(rows) if row >= 0 and asked.allowed[row] and row not in barred]
    kept = np.array(shown[: asked.depth], np.int32)
    return Found(RECENTLY_VIEWED, kept, by_rank(len(kept)))


def anything(asked: Asked) -> Found:
    """Of a shop without a model, or where nothing else is left: the newest, then in the order of the catalogue."""
    newest = asked.loaded.catalogue.newest()
    rows = np.concatenate([newest, np.flatnonzero(asked.allowed).astype(np.int32)])
    rows = rows[asked.allowed[rows] & ~np.isin(rows, np.concatenate([asked.excluded, asked.person.dismissed]))]
    _different, first = np.unique(rows, return_index=True)
    rows = rows[np.sort(first)][: asked.depth]
    return Found(ANY, rows, by_rank(len(rows)))


def by_rank(n: int) -> Values:
    """Scores of what has an order and no number: 1, 1/2, 1/3 …"""
    return (1.0 / np.arange(1.0, n + 1.0)).astype(np.float32)


GATHER: dict[str, Gather] = {
    FOR_YOU: for_you,
    SIMILAR: beside(SIMILAR),
    BOUGHT_TOGETHER: beside(BOUGHT_TOGETHER),
    CART: beside(CART),
    BUY_AGAIN: buy_again,
    TRENDING: static(TRENDING),
    POPULAR: static(POPULAR),
    NEW: new,
    RECENTLY_VIEWED: recently_viewed,
    CATEGORIES: for_you,
}
