"""Rating baseline: the mean rating plus a bias of the user and a bias of the item."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Attribution, Scores, register, require_weight
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.ratings.base import (
    RatingAlgorithm,
    compute_user_biases,
    fit_item_biases,
    make_rating_spec,
    require_at_least,
    select_newest_ratings,
    split_bias,
)


@register
class RatingBaseline(RatingAlgorithm):
    """r̂_ui = μ + b_u + b_i, μ the mean of all ratings.

    b minimizes Σ (r_ui − μ − b_u − b_i)² + λ_u Σ b_u² + λ_i Σ b_i², λ `user_shrinkage` and `item_shrinkage`. Weights are ratings; the
    newest of a (user, item) pair counts. b_i is found by `sweeps` alternations; b_u is the exact minimum for any history given the
    b_i, 0 for an empty one. Source: Koren, "Factor in the Neighbors", TKDD 2010, 2.1.
    """

    name = "rating-baseline"
    fitted = ("item_biases_", "overall_mean_")
    spec = make_rating_spec(translatable("Rating baseline"))

    def __init__(self, user_shrinkage: float = 10.0, item_shrinkage: float = 5.0, sweeps: int = 15):
        self.user_shrinkage = user_shrinkage
        self.item_shrinkage = item_shrinkage
        self.sweeps = sweeps

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        require_at_least(self, 0, ("user_shrinkage", "item_shrinkage"))
        require_at_least(self, 1, ("sweeps",))
        ratings = select_newest_ratings(interactions.build_histories())
        mean = float(ratings.data.mean(dtype=np.float64))
        self.overall_mean_ = np.array([mean])
        self.item_biases_ = fit_item_biases(
            ratings,
            mean,
            user_shrinkage=self.user_shrinkage,
            item_shrinkage=self.item_shrinkage,
            sweeps=self.sweeps,
        )
        return self

    def score(self, histories: Histories) -> Scores:
        ratings, mean = self._select_ratings(histories), float(self.overall_mean_[0])
        own = compute_user_biases(ratings, mean, self.item_biases_, self.user_shrinkage)
        return (mean + own[:, None] + self.item_biases_).astype(np.float32)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        ratings, mean = self._select_ratings(history), float(self.overall_mean_[0])
        own = split_bias(ratings, mean, self.item_biases_, self.user_shrinkage)
        parts = np.vstack([np.repeat(own[:, None], len(items), axis=1), mean + self.item_biases_[list(items)]])
        return [Attribution(self.name, np.append(ratings.indices, np.int32(-1)), parts)]

    def _select_ratings(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.item_biases_))
        return select_newest_ratings(histories)
