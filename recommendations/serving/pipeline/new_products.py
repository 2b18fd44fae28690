"""Choose new products for a visitor: Thompson sampling over products that were shown to few people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import numpy.typing as npt
from django.conf import settings

from config.foundation.array_types import Flags, Rows
from recommendations.engine.exploration import ExplorationTrials, draw_interest, rank_for_exploration
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.content_scorer import score_content
from recommendations.engine.online.context import HistoryContext
from recommendations.serving.pipeline.ordering import make_seed
from recommendations.serving.state.loader import ServingState

DAY = 86_400.0
MAX_NEW_PRODUCTS = 200


def get_exploration_interval(share: float | None = None) -> int | None:
    """Return n if every nth position shows a new product; None for a share of 0.

    A share of 0.1 gives 10. Without a share, RECOMMEND_EXPLORATION_SHARE applies.
    """
    share = settings.RECOMMEND_EXPLORATION_SHARE if share is None else share
    return round(1 / share) if share > 0 else None


def choose_new_products(
    *,
    state: ServingState,
    history: HistoryContext | None,
    allowed: Flags,
    excluded: Rows,
    seed: int,
    now: datetime,
) -> list[int]:
    """Return rows of new products to show, most promising first, at most MAX_NEW_PRODUCTS.

    A product is new if it was published in the last RECOMMEND_NEW_DAYS days, few people have interacted with it, and it was
    not shown to many yet. Products that the visitor knows, that are not allowed or that are excluded are left out. The same
    seed gives the same products.
    """
    candidates = _get_candidates(state, now)
    if candidates is None or not len(candidates.rows):
        return []
    positions = np.flatnonzero(allowed[candidates.rows])
    thetas = candidates.draw(positions, seed)
    if len(positions) > MAX_NEW_PRODUCTS:
        largest = np.argpartition(-thetas, MAX_NEW_PRODUCTS)[:MAX_NEW_PRODUCTS]
        positions, thetas = positions[largest], thetas[largest]
    rows = candidates.rows[positions]
    if len(rows):
        known = excluded if history is None else np.concatenate([history.history.item, excluded])
        is_unknown = ~are_members(rows, known)
        rows, thetas = rows[is_unknown], thetas[is_unknown]
    if not len(rows):
        return []
    return rows[rank_for_exploration(thetas, _compute_affinity(state, history, rows))].tolist()


def merge_new_products(
    ranked: Sequence[tuple[int, float]], new: Sequence[int], *, every: int, keys: Rows | None = None
) -> Iterator[tuple[int, float | None]]:
    """Yield the ranked rows with a new one at every nth position, each row once.

    The score of a new product is None. keys: by row, equal for products of which one is shown.
    """
    get_key = (lambda row: row) if keys is None else keys.item
    shown: set[int] = set()
    remaining, new_rows = iter(ranked), iter(new)
    position = 0
    while True:
        position += 1
        chosen: tuple[int, float | None] | None = None
        if position % every == 0:
            for row in new_rows:
                if (key := get_key(row)) not in shown:
                    chosen = row, None
                    break
        if chosen is None:
            for pair in remaining:
                if (key := get_key(pair[0])) not in shown:
                    chosen = pair
                    break
        if chosen is None:
            return
        shown.add(key)
        yield chosen


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

    def draw(self, positions: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.float32]:
        """Return one draw for each of these products; other seeds give other draws."""
        return draw_interest(self.trials.quantiles, self.trial_rows[positions], self.keys[positions], np.uint64(seed))


def _get_candidates(state: ServingState, now: datetime) -> NewProducts | None:
    """Return the candidates, cached while the same products are new.

    None if the model cannot explore.
    """
    trials = state.model.trials if state.model is not None else None
    if trials is None:
        return None
    since = state.products.get_rows_published_since(now.timestamp() - settings.RECOMMEND_NEW_DAYS * DAY)
    candidates: NewProducts | None = state.cache.get("new-products")
    if candidates is None or candidates.since is not since or candidates.trials is not trials:
        candidates = NewProducts.from_trials(since, trials, state.products.product_ids)
        state.cache["new-products"] = candidates
    return candidates


def _compute_affinity(state: ServingState, history: HistoryContext | None, rows: Rows) -> npt.NDArray[np.floating]:
    """Return how similar each product is to the history by content, from 0 to 1."""
    content = state.blends.content if state.blends is not None else None
    if content is None or history is None or not len(history.history.item):
        return np.zeros(len(rows))
    return score_content(content, history, rows).clip(0.0, 1.0)
