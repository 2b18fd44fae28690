"""Products a customer buys most often: a strong baseline where repeat purchases dominate, as in groceries."""

from typing import Self

import numpy as np
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import register, require_weight
from recommendations.engine.algorithms.repeat.own_items import OwnItemsAlgorithm
from recommendations.engine.algorithms.spec import HALF_LIVES, AlgorithmSpec, SearchSpace, estimate_counts_mb
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.online.context import RAW, OnlineScorer
from recommendations.engine.online.own_items_scorer import OwnItemsScorer


@register
class RepeatPurchase(OwnItemsAlgorithm):
    """score(u, i) = Σ weight · 2^(−age / half-life) over the user's own interactions with i ("personal frequency").

    Only the size of the catalog is learned. Source: P-TopFreq in Li et al., "A Next Basket Recommendation Reality Check", TOIS 2023,
    with decay added.
    """

    name = "repeat"
    fitted = ("n_items_",)
    spec = AlgorithmSpec(
        label=translatable("Most bought by this customer"),
        search=SearchSpace(
            order=20,
            start={"half_life_days": 90.0},
            values={"half_life_days": HALF_LIVES},
            estimate_mb=estimate_counts_mb,
            is_required=True,
            scoring_only=frozenset({"half_life_days"}),
        ),
    )

    def __init__(self, half_life_days: float | None = None):
        self.half_life_days = half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        self.n_items_ = np.array([interactions.n_items])
        return self

    def score(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, int(self.n_items_[0]))
        return histories.build_matrix(half_life_days=self.half_life_days)

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return OwnItemsScorer(lambda context: context.sum_weights(self.half_life_days, RAW))
