"""Popularity baseline: the items with the most weight; also serves users without a history."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Attribution, Scores, UpdatableAlgorithm, register, require_weight
from recommendations.engine.algorithms.spec import (
    HALF_LIVES,
    AlgorithmSpec,
    ExplanationReason,
    SearchSpace,
    estimate_counts_mb,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import decay_weights
from recommendations.engine.topn import Ranking, select_top_n


@register
class Popularity(UpdatableAlgorithm):
    """score(i) = Σ weight · 2^(−age / half-life) over the interactions with item i.

    The history is ignored. Items without interactions score 0.
    """

    name = "popularity"
    fitted = ("counts_", "category_")
    spec = AlgorithmSpec(
        label=translatable("Popularity"),
        reason=ExplanationReason.POPULAR,
        search=SearchSpace(
            order=10,
            start={"half_life_days": 90.0},
            values={"half_life_days": HALF_LIVES},
            estimate_mb=estimate_counts_mb,
            is_required=True,
        ),
    )

    def __init__(self, half_life_days: float | None = None):
        self.half_life_days = half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        weight = decay_weights(interactions.weight, interactions.order, interactions.as_of, self.half_life_days)
        self.counts_ = np.bincount(interactions.item, weight, interactions.n_items).astype(np.float32)
        unknown = np.full(interactions.n_items, -1, np.int32)
        self.category_ = unknown if products is None or products.category is None else products.category
        return self

    def update(self, new_interactions: Interactions, *, since: float) -> Self:
        self.require_fit()
        # The decay is multiplicative, so the sum of all earlier weights decays as a whole.
        faded = decay_weights(self.counts_, np.array(since), new_interactions.as_of, self.half_life_days)
        weight = decay_weights(
            new_interactions.weight, new_interactions.order, new_interactions.as_of, self.half_life_days
        )
        model = type(self)(**self.get_parameters())
        model.counts_ = (faded + np.bincount(new_interactions.item, weight, len(self.counts_))).astype(np.float32)
        model.category_ = self.category_
        return model

    def score(self, histories: Histories) -> Scores:
        self.require_histories(histories, len(self.counts_) if hasattr(self, "counts_") else 0)
        return np.broadcast_to(self.counts_, (len(histories), len(self.counts_)))

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        self.require_fit()
        return [Attribution(self.name, np.array([-1], np.int32), self.counts_[None, list(items)])]

    def get_static_scores(self) -> npt.NDArray[np.float32]:
        self.require_fit()
        return self.counts_

    def select_top(
        self, n: int, *, category: int | None = None, allowed: npt.NDArray[np.bool_] | None = None
    ) -> Ranking:
        """Return the n most popular items, of one category (its row in `Products.categories`) if given; one row."""
        self.require_fit()
        mask = np.ones(len(self.counts_), np.bool_) if allowed is None else allowed
        if category is not None:
            mask = mask & (self.category_ == category)
        return select_top_n(self.counts_[None, :], n, allowed=mask)
