"""Choose new products for a visitor: Thompson sampling over products with few interactions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import numpy as np
import numpy.typing as npt
from django.conf import settings

from config.foundation.array_types import Flags, Rows
from recommendations.engine import Histories
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.exploration import ExplorationPriors, rank_for_exploration
from recommendations.engine.online.content_scorer import score_content
from recommendations.serving.state.loader import ServingState

DAY = 86_400.0
MAX_USERS_OF_NEW_PRODUCT = 50  # a product with interactions of this many users needs no exploration any more
MAX_NEW_PRODUCTS = 200
ORDERS = 256  # random orders shared by all visitors


def get_exploration_interval(share: float | None = None) -> int | None:
    """Return n if every nth position shows a new product; None for a share of 0.

    A share of 0.1 gives 10. Without a share, RECOMMEND_EXPLORATION_SHARE applies.
    """
    share = settings.RECOMMEND_EXPLORATION_SHARE if share is None else share
    return round(1 / share) if share > 0 else None


def choose_new_products(
    *,
    state: ServingState,
    history: Histories | None,
    allowed: Flags,
    excluded: Rows,
    seed: int,
    now: datetime,
) -> list[int]:
    """Return rows of new products to show, most promising first, at most MAX_NEW_PRODUCTS.

    A product is new if it was published in the last RECOMMEND_NEW_DAYS days and few users had interacted with it by the
    training; one that was added to the catalog later counts as having no interactions. Products that the visitor knows, that
    are not allowed or that are excluded are left out. The same seed gives the same products.
    """
    draws = _get_draws(state, now)
    if draws is None or not len(draws.rows):
        return []
    rows, thetas = draws.get_order(seed)
    positions = np.flatnonzero(allowed[rows])[:MAX_NEW_PRODUCTS]
    if len(positions):
        known = excluded if history is None else np.concatenate([history.item, excluded])
        positions = positions[~np.isin(rows[positions], known)]
    if not len(positions):
        return []
    rows, thetas = rows[positions], thetas[positions]
    return rows[rank_for_exploration(thetas, _compute_affinity(state, history, rows))].tolist()


def merge_new_products(
    ranked: Sequence[tuple[int, float]], new: Sequence[int], *, every: int, keys: Rows | None = None
) -> Iterator[tuple[int, float | None]]:
    """Yield the ranked rows with a new one at every nth position, each row once.

    The score of a new product is None. keys: by row, equal for products of which one is shown.
    """
    shown: set[int] = set()

    def get_key(row: int) -> int:
        return row if keys is None else int(keys[row])

    remaining, new_rows = iter(ranked), iter(new)
    position = 0
    while True:
        position += 1
        row = next((row for row in new_rows if get_key(row) not in shown), None) if position % every == 0 else None
        pair = (
            (row, None)
            if row is not None
            else next((pair for pair in remaining if get_key(pair[0]) not in shown), None)
        )
        if pair is None:
            return
        shown.add(get_key(pair[0]))
        yield pair


@dataclass(eq=False)
class NewProductDraws:
    """The new products in a few random orders, each drawn the first time it is needed.

    rows: new products that few users have interacted with. A visitor gets one of ORDERS orders by their seed instead of a
    draw of their own: a hundred draws from a beta distribution take longer than the rest of a response.
    """

    since: Rows
    trials: ExplorationPriors
    rows: Rows
    orders: dict[int, tuple[Rows, npt.NDArray[np.float64]]] = field(default_factory=dict)

    @classmethod
    def from_trials(cls, since: Rows, trials: ExplorationPriors) -> Self:
        """Return the draws over the rows published recently that few users have interacted with."""
        is_known = since < len(trials.people)
        # rows beyond the training have no entry: they read the first one, and is_known discards it
        n_users = trials.people[np.where(is_known, since, 0)]
        return cls(since, trials, since[~(is_known & (n_users >= MAX_USERS_OF_NEW_PRODUCT))])

    def get_order(self, seed: int) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Return the rows, largest draw first, and their draws."""
        number = seed % ORDERS
        order = self.orders.get(number)
        if order is None:
            thetas = self.trials.draw_rates(self.rows, seed=number)
            largest_first = np.argsort(-thetas, kind="stable")
            order = self.orders[number] = (self.rows[largest_first], thetas[largest_first])
        return order


def _get_draws(state: ServingState, now: datetime) -> NewProductDraws | None:
    """Return the draws, cached while the same products are new.

    None if the model cannot explore.
    """
    trials = state.model.trials if state.model is not None else None
    if trials is None:
        return None
    since = state.products.get_rows_published_since(now.timestamp() - settings.RECOMMEND_NEW_DAYS * DAY)
    draws: NewProductDraws | None = state.cache.get("draws")
    if draws is None or draws.since is not since or draws.trials is not trials:
        draws = state.cache["draws"] = NewProductDraws.from_trials(since, trials)
    return draws


def _compute_affinity(state: ServingState, history: Histories | None, rows: Rows) -> npt.NDArray[np.floating]:
    """Return how similar each product is to the history by content, from 0 to 1."""
    components = state.model.blend.components_.values() if state.model is not None else ()
    content = next((component for component in components if isinstance(component, Content)), None)
    if content is None or history is None or not len(history.item):
        return np.zeros(len(rows))
    return np.clip(score_content(content, history, rows), 0.0, 1.0)
