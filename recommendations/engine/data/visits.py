"""The current visit: what one person looked at since their last pause, weighted by kind, position and age."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from config.foundation.array_types import AnyFloats
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import KIND_CODES
from recommendations.engine.linear_algebra.jit import compiled_with_gil

VISIT_GAP_S = 1800.0  # a longer pause ends a visit
VISIT_HALF_LIFE_S = 1800.0
KIND_WEIGHTS = {KIND_CODES["view"]: 1.0, KIND_CODES["click"]: 1.0, KIND_CODES["wishlist"]: 2.0, KIND_CODES["cart"]: 3.0}
PURCHASE = KIND_CODES["purchase"]
DEFAULT_DECAY = 0.85
MAX_POSITIONS = 10
MIN_GAP = 1e-3  # smallest score difference to overcome, for equal scores and for lists with fewer than ten products
MARGIN = 1.001  # a tie would be decided by the number of the product


class VisitEvent(NamedTuple):
    """One interaction: item row (-1: unknown to the model), kind code, and seconds since 1970."""

    item: int
    kind: int
    at: float


class VisitedItem(NamedTuple):
    """One product of the current visit: its newest kind and moment, and its weight."""

    item: int
    kind: int
    at: float
    weight: float


def weigh_visit(newest_first: Iterable[VisitEvent], *, now: float, decay: float = DEFAULT_DECAY) -> list[VisitedItem]:
    """Return the products of the visit that is still going on at `now` (seconds since 1970), oldest first; empty without one.

    The visit goes back until a pause of more than VISIT_GAP_S. The weight is w(kind) · decay^(products back) · 2^(−age / half-life),
    of several interactions with one product the largest. Of a product that was bought in the visit, only interactions after the
    purchase count.
    """
    visited: dict[int, VisitedItem] = {}
    bought: set[int] = set()
    position: dict[int, int] = {}
    previous = now
    for item, kind, at in newest_first:
        if previous - at > VISIT_GAP_S:
            break
        previous = at
        if kind == PURCHASE:
            bought.add(item)
        kind_weight = KIND_WEIGHTS.get(kind, 0.0)
        if item < 0 or not kind_weight or item in bought:
            continue
        back = position.setdefault(item, len(position))
        weight = kind_weight * decay**back * 2.0 ** (-max(now - at, 0.0) / VISIT_HALF_LIFE_S)
        newest = visited.get(item)
        visited[item] = (
            VisitedItem(item, kind, at, weight)
            if newest is None
            else newest._replace(weight=max(newest.weight, weight))
        )
    return list(visited.values())[::-1]


def build_visit(visited: list[VisitedItem], *, n_items: int, now: float) -> Histories:
    """Return the products of one visit as a single history."""
    return build_visits([visited], n_items=n_items, as_of=now)


def build_visits(visits: list[list[VisitedItem]], *, n_items: int, as_of: float) -> Histories:
    """Return one history per visit, of users whom the model does not know."""
    lines = [line for visit in visits for line in visit]
    return Histories(
        indptr=np.concatenate([[0], np.cumsum([len(visit) for visit in visits], dtype=np.int64)]).astype(np.int64),
        item=np.array([line.item for line in lines], np.int32),
        order=np.array([line.at for line in lines], np.float64),
        weight=np.array([line.weight for line in lines], np.float32),
        kind=np.array([line.kind for line in lines], np.int8),
        user=np.full(len(visits), -1, np.int32),
        n_items=n_items,
        as_of=as_of,
    )


def cut_visits(histories: Histories, *, decay: float = DEFAULT_DECAY) -> Histories:
    """Return the visit at the newest moment of each history, for evaluation: a person is in a visit at the moment of an interaction."""
    items, kinds, orders = histories.item.tolist(), histories.kind.tolist(), histories.order.tolist()
    visits = []
    for start, stop in zip(histories.indptr[:-1].tolist(), histories.indptr[1:].tolist(), strict=True):
        newest_first = (VisitEvent(items[line], kinds[line], orders[line]) for line in range(stop - 1, start - 1, -1))
        visits.append(weigh_visit(newest_first, now=orders[stop - 1] if stop > start else 0.0, decay=decay))
    return replace(build_visits(visits, n_items=histories.n_items, as_of=histories.as_of), user=histories.user)


@compiled_with_gil
def find_visit_factor(
    shown_base: AnyFloats, shown_visit: AnyFloats, brought_base: AnyFloats, brought_visit: AnyFloats, n_ranked: int
) -> float:
    """Return the smallest factor of the visit's scores with which all k products brought in are among the first `n_ranked` positions.

    shown_*: (m,) scores by everything else and by the visit of the best products without the visit, m ≤ 10; brought_*: (k,) the same of
    the products that the visit should bring in. Each of these must pass so many of those shown that k positions become free.
    Products that are closer to the visit than one brought in need not be passed by it: they are an answer to the visit themselves.
    (b' + f · v' > b + f · v ⇔ f > (b − b') / (v' − v).)
    """
    n_shown, n_brought = shown_base.shape[0], brought_base.shape[0]
    to_pass = n_shown + n_brought - n_ranked
    needed = 0.0
    factors = np.empty(n_shown, np.float64)
    for brought in range(n_brought):
        count = 0
        for shown in range(n_shown):
            distance = brought_visit[brought] - shown_visit[shown]
            if distance > 0:
                factors[count] = max(shown_base[shown] - brought_base[brought], MIN_GAP) / distance
                count += 1
        passed = min(to_pass, count)
        if passed > 0:
            needed = max(needed, np.sort(factors[:count])[passed - 1])
        elif to_pass <= 0:  # the list is shorter than ten: any score is enough
            needed = max(needed, MIN_GAP / brought_visit[brought])
    return needed * MARGIN
