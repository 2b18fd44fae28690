"""Choose new products for a visitor: Thompson sampling over products that were shown to few people."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Self

import numpy as np
import numpy.typing as npt
from django.conf import settings

from config.foundation.array_types import Flags, Ints, Rows
from recommendations.engine.exploration import MIN_AFFINITY, ExplorationTrials, draw_allowed, rank_for_exploration
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.content_scorer import rank_new_products
from recommendations.engine.online.context import HistoryContext
from recommendations.serving.pipeline.ordering import make_seed
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.product_index import ProductIndex

DAY = 86_400.0
MAX_NEW_PRODUCTS = 200


def get_exploration_interval(share: float | None = None) -> int | None:
    """Return n if one of n positions shows a new product; None for a share of 0.

    A share of 0.1 gives 10. Without a share, RECOMMEND_EXPLORATION_SHARE applies.
    """
    share = settings.RECOMMEND_EXPLORATION_SHARE if share is None else share
    return round(1 / share) if share > 0 else None


def list_exploration_slots(*, interval: int, seed: int, end: int) -> list[int]:
    """Return the positions from 1 to ``end`` that show a new product: one at random of every ``interval`` positions.

    So every position shows one as often, and the usual share holds for rows of any length: one of ten positions would never be in a row of
    four if it was always the tenth. The first position keeps the best product, whose slot moves to the second.
    """
    starts = range(0, end, interval)
    slots = [start + 1 + make_seed(seed, "slot", start // interval) % interval for start in starts]
    if interval > 1 and slots:
        slots[0] = max(slots[0], 2)
    return [slot for slot in slots if slot <= end]


@dataclass(frozen=True, eq=False)
class ChosenProducts:
    """New products for a visitor, most promising first, with what their order was drawn from.

    rows: of the catalog. trial_rows: of `quantiles`. factors: of each draw. threshold: the largest draw of a product that was left out
    because there are more than MAX_NEW_PRODUCTS; negative without one.
    """

    rows: Rows
    trial_rows: Rows
    factors: npt.NDArray[np.float32]
    quantiles: npt.NDArray[np.float32]
    threshold: float


def choose_new_products(
    *,
    state: ServingState,
    history: HistoryContext | None,
    allowed: Flags,
    excluded: Rows,
    seed: int,
    now: datetime,
) -> ChosenProducts | None:
    """Return new products to show, most promising first, at most MAX_NEW_PRODUCTS; None without any.

    A product is new if it was published in the last RECOMMEND_NEW_DAYS days, few people have interacted with it, and it was
    not shown to many yet. Products that the visitor knows, that are not allowed or that are excluded are left out. The same
    seed gives the same products.
    """
    candidates = _get_candidates(state, now)
    if candidates is None or not len(candidates.rows):
        return None
    positions, thetas = candidates.draw(allowed, seed)
    threshold = -1.0
    if len(positions) > MAX_NEW_PRODUCTS:
        order = np.argpartition(-thetas, MAX_NEW_PRODUCTS)
        threshold = float(thetas[order[MAX_NEW_PRODUCTS]])
        positions, thetas = positions[order[:MAX_NEW_PRODUCTS]], thetas[order[:MAX_NEW_PRODUCTS]]
    rows = candidates.rows[positions]
    content = state.blends.content if state.blends is not None else None
    if content is not None and history is not None and len(history.history.item):
        ranked, factors = rank_new_products(
            content, history, rows, thetas, excluded=excluded, min_affinity=MIN_AFFINITY
        )
    else:
        known = excluded if history is None else np.concatenate([history.history.item, excluded])
        unknown = np.flatnonzero(~are_members(rows, known))
        ranked = unknown[rank_for_exploration(thetas[unknown], np.zeros(len(unknown)))]
        factors = np.full(len(ranked), MIN_AFFINITY, np.float32)
    if not len(ranked):
        return None
    trial_rows = candidates.trial_rows[positions[ranked]]
    return ChosenProducts(rows[ranked], trial_rows, factors, candidates.trials.quantiles, threshold)


def merge_new_products(
    ranked: Sequence[tuple[int, float]],
    new: Sequence[int],
    *,
    slots: Container[int],
    keys: Rows | None = None,
    limit: int | None = None,
) -> list[tuple[int, float | None]]:
    """Return the ranked rows with a new one at each slot, each row once, at most ``limit``. slots: positions from 1.

    The score of a new product is None. keys: by row, equal for products of which one is shown.
    """
    ranked_rows = [row for row, _score in ranked]
    remaining = iter(zip(_list_keys(ranked_rows, keys), ranked, strict=True))
    new_rows = iter(zip(_list_keys(new, keys), new, strict=True))
    shown: set[int] = set()
    merged: list[tuple[int, float | None]] = []
    for position in count(1) if limit is None else range(1, limit + 1):
        chosen: tuple[int, float | None] | None = None
        if position in slots:
            for key, row in new_rows:
                if key not in shown:
                    chosen = row, None
                    break
        if chosen is None:
            for key, pair in remaining:
                if key not in shown:
                    chosen = pair
                    break
        if chosen is None:
            break
        shown.add(key)
        merged.append(chosen)
    return merged


def _list_keys(rows: Sequence[int], keys: Rows | None) -> Sequence[int]:
    return rows if keys is None else keys[np.array(rows, np.intp)].tolist()


@dataclass(frozen=True, eq=False)
class NewProducts:
    """The new products about which too little is known: their rows, their rows in the trials, and a number for each id."""

    since: Rows
    trials: ExplorationTrials
    rows: Rows
    trial_rows: Rows
    keys: npt.NDArray[np.uint64]

    @classmethod
    def from_trials(cls, since: Rows, trials: ExplorationTrials, product_ids: Sequence[str]) -> Self:
        """Return those of the rows published recently that need trials."""
        trial_rows = trials.find_rows([product_ids[row] for row in since.tolist()])
        needs_trials = trials.needs_trials(trial_rows)
        rows = since[needs_trials]
        keys = np.array([make_seed(product_ids[row]) for row in rows.tolist()], np.uint64)
        return cls(since, trials, rows, trial_rows[needs_trials], keys)

    def draw(self, allowed: Flags, seed: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        """Return which of the products are allowed, and one draw for each; other seeds give other draws."""
        return draw_allowed(self.trials.quantiles, self.trial_rows, self.keys, self.rows, allowed, np.uint64(seed))


def get_new_rows(products: ProductIndex, now: datetime) -> npt.NDArray[np.int32]:
    """Return the rows of the products published in the last RECOMMEND_NEW_DAYS days, newest first."""
    return products.get_rows_published_since(now.timestamp() - settings.RECOMMEND_NEW_DAYS * DAY)


def _get_candidates(state: ServingState, now: datetime) -> NewProducts | None:
    """Return the candidates, cached while the same products are new.

    None if the model cannot explore.
    """
    trials = state.model.trials if state.model is not None else None
    if trials is None:
        return None
    since = get_new_rows(state.products, now)
    candidates: NewProducts | None = state.cache.get("new-products")
    if candidates is None or candidates.since is not since or candidates.trials is not trials:
        candidates = NewProducts.from_trials(since, trials, state.products.product_ids)
        state.cache["new-products"] = candidates
    return candidates
