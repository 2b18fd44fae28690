"""Choose new products for a visitor: Thompson sampling over products that were shown to few people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Self

import numpy as np
import numpy.typing as npt
from django.conf import settings

from config.foundation.array_types import Flags, Rows
from recommendations.engine.exploration import MIN_AFFINITY, ExplorationTrials, draw_allowed, rank_for_exploration
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.content_scorer import rank_new_products
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
    rows, thetas = candidates.draw(allowed, seed)
    if len(rows) > MAX_NEW_PRODUCTS:
        largest = np.argpartition(-thetas, MAX_NEW_PRODUCTS)[:MAX_NEW_PRODUCTS]
        rows, thetas = rows[largest], thetas[largest]
    content = state.blends.content if state.blends is not None else None
    if content is not None and history is not None and len(history.history.item):
        ranked = rank_new_products(content, history, rows, thetas, excluded=excluded, min_affinity=MIN_AFFINITY)
        return ranked.tolist()
    known = excluded if history is None else np.concatenate([history.history.item, excluded])
    is_unknown = ~are_members(rows, known)
    rows, thetas = rows[is_unknown], thetas[is_unknown]
    return rows[rank_for_exploration(thetas, np.zeros(len(rows)))].tolist()


def merge_new_products(
    ranked: Sequence[tuple[int, float]],
    new: Sequence[int],
    *,
    every: int,
    keys: Rows | None = None,
    limit: int | None = None,
) -> list[tuple[int, float | None]]:
    """Return the ranked rows with a new one at every nth position, each row once, at most ``limit``.

    The score of a new product is None. keys: by row, equal for products of which one is shown.
    """
    ranked_rows = [row for row, _score in ranked]
    remaining = iter(zip(_list_keys(ranked_rows, keys), ranked, strict=True))
    new_rows = iter(zip(_list_keys(new, keys), new, strict=True))
    shown: set[int] = set()
    merged: list[tuple[int, float | None]] = []
    for position in count(1) if limit is None else range(1, limit + 1):
        chosen: tuple[int, float | None] | None = None
        if position % every == 0:
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

    def draw(self, allowed: Flags, seed: int) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Return the rows that are allowed, and one draw for each; other seeds give other draws."""
        return draw_allowed(self.trials.quantiles, self.trial_rows, self.keys, self.rows, allowed, np.uint64(seed))


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
