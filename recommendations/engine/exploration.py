"""Thompson sampling of new products: those with few views are shown at times, because only views reveal how good they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recommendations.engine.data.interactions import KIND_CODES, Interactions
from recommendations.engine.data.products import Products

PRIOR_USERS = 10.0  # the prior of the category weighs as much as this many users
MIN_RATE = 0.01  # bound of a rate and of 1 − rate, so that no draw is certain
MIN_AFFINITY = 0.1  # added to every affinity, so that items are also drawn for unknown users


@dataclass(frozen=True, eq=False)
class ExplorationPriors:
    """Counts and prior of the k items.

    people: int32 (k,) how many users interacted with each item. takers: int32 (k,) how many of them bought it. prior: float32 (k,) the
    expected share of takers, that of its category.
    """

    people: npt.NDArray[np.int32]
    takers: npt.NDArray[np.int32]
    prior: npt.NDArray[np.float32]

    @classmethod
    def of(cls, interactions: Interactions, products: Products | None = None, *, kind: str = "purchase") -> Self:
        """Build the priors (t_c + s r) / (p_c + s): t_c takers and p_c users of the category, r the overall share, s PRIOR_USERS."""
        n_users = _count_users(interactions)
        n_takers = np.minimum(_count_users(interactions.select(interactions.kind == KIND_CODES[kind])), n_users)
        overall = n_takers.sum() / max(int(n_users.sum()), 1)
        prior = np.full(interactions.n_items, overall)
        if products is not None and products.category is not None and products.categories is not None:
            known = np.flatnonzero(products.category >= 0)
            category, n = products.category[known], len(products.categories)
            all_people = np.bincount(category, n_users[known], n)
            all_takers = np.bincount(category, n_takers[known], n)
            prior[known] = ((all_takers + PRIOR_USERS * overall) / (all_people + PRIOR_USERS))[category]
        return cls(n_users, n_takers, prior.astype(np.float32))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        return cls(**{name: arrays[name] for name in ("people", "takers", "prior")})

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"people": self.people, "takers": self.takers, "prior": self.prior}

    def draw_rates(self, items: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.float64]:
        """Draw θ_i ~ Beta(s r_i + t_i, s (1 − r_i) + p_i − t_i) for each item: Thompson sampling.

        t_i of p_i users bought it, r_i is the prior, s PRIOR_USERS. Few users give a wide draw, so the item is tried; many users who did
        not buy it give a narrow, low one. An item newer than the training has no users and the mean of all priors. Source: Chapelle &
        Li, "An Empirical Evaluation of Thompson Sampling", NIPS 2011.
        """
        known = items < len(self.prior)
        rows = np.where(known, items, 0)
        mean = float(self.prior.mean()) if len(self.prior) else MIN_RATE
        rate = np.full(len(items), mean) if not len(self.prior) else np.where(known, self.prior[rows], mean)
        rate = np.clip(rate.astype(np.float64), MIN_RATE, 1 - MIN_RATE)
        n_users, n_takers = (
            np.where(known, counts[rows], 0) if len(counts) else np.zeros(len(items), np.int32)
            for counts in (self.people, self.takers)
        )
        rng = np.random.default_rng(seed)
        return rng.beta(PRIOR_USERS * rate + n_takers, PRIOR_USERS * (1 - rate) + n_users - n_takers)


def rank_for_exploration(thetas: npt.NDArray[np.float64], affinity: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return indexes by descending θ · (MIN_AFFINITY + affinity); affinity: 0 to 1, one user's affinity to each item."""
    return np.argsort(-thetas * (MIN_AFFINITY + affinity), kind="stable")


def _count_users(interactions: Interactions) -> npt.NDArray[np.int32]:
    """Return how many distinct users interacted with each item."""
    pairs = np.unique(interactions.user.astype(np.int64) * interactions.n_items + interactions.item)
    return np.bincount(pairs % interactions.n_items, minlength=interactions.n_items).astype(np.int32)
