"""Products due for repurchase, by the customer's last purchase and usual interval."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from customers.lifecycle.scoring.next_order.repurchase import (
    ProductRhythms,
    PurchaseRhythms,
    fit_product_rhythms,
    measure_rhythms,
    predict_repurchase_probability,
)
from recommendations.engine.algorithms.base import Array, register, require_purchases, select_purchases
from recommendations.engine.algorithms.repeat.own_items import OwnItemsAlgorithm
from recommendations.engine.algorithms.spec import (
    LONG_HALF_LIVES,
    AlgorithmSpec,
    ExplanationReason,
    SearchSpace,
    estimate_sessions_mb,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import DAY
from recommendations.engine.linear_algebra.sparse import IntArray, make_csr
from recommendations.engine.online.context import HistoryContext, OnlineScorer, SparseRow
from recommendations.engine.online.own_items_scorer import OwnItemsScorer


@register
class RepurchaseInterval(OwnItemsAlgorithm):
    """score(u, i) = probability that u buys i again within `horizon_days` of the history's as_of, for items u has bought before.

    The gaps between u's purchase days of i, in the time zone of the shop, have a log-normal distribution, shrunk toward that of i by λ
    `shrinkage`, and that of i toward that of all products by `product_shrinkage`; older gaps count less by the half-life. Bought on fewer
    than `min_count` days: no score. kinds: the interactions that count as purchases (None: all). The formula is in
    customers/lifecycle/scoring/next_order/repurchase.py. Sources: Bhagat et al., "Buy It Again", KDD 2018; frequency needs recency: Hu
    et al., "TIFU-kNN", SIGIR 2020.
    """

    name = "repeat-rhythm"
    fitted = ("mean_", "variance_", "again_", "day_offset_")
    spec = AlgorithmSpec(
        label=translatable("Due for repurchase (purchase interval)"),
        reason=ExplanationReason.DUE_AGAIN,
        search=SearchSpace(
            order=30,
            start={
                "horizon_days": 28.0,
                "shrinkage": 1.0,
                "product_shrinkage": 5.0,
                "half_life_days": 90.0,
                "min_count": 1,
            },
            values={
                "shrinkage": (0.3, 0.6, 1.0, 2.0, 4.0),
                "horizon_days": (7.0, 14.0, 28.0, 56.0),
                "half_life_days": LONG_HALF_LIVES,
                "product_shrinkage": (1.0, 2.0, 5.0, 20.0, 100.0),
                "min_count": (1, 2),
            },
            estimate_mb=estimate_sessions_mb,
            scoring_only=frozenset({"shrinkage", "horizon_days", "min_count"}),
        ),
    )

    def __init__(
        self,
        horizon_days: float = 28.0,
        shrinkage: float = 1.0,
        product_shrinkage: float = 20.0,
        half_life_days: float | None = None,
        min_count: int = 1,
        kinds: Sequence[str] | None = ("purchase",),
    ):
        self.horizon_days = horizon_days
        self.shrinkage = shrinkage
        self.product_shrinkage = product_shrinkage
        self.half_life_days = half_life_days
        self.min_count = min_count
        self.kinds = kinds

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        self.day_offset_ = np.array([interactions.day_offset_s])
        rhythms = self._measure_rhythms(require_purchases(interactions, self.kinds))
        usual = fit_product_rhythms(
            rhythms=rhythms,
            product=rhythms.pair % interactions.n_items,
            n_products=interactions.n_items,
            shrinkage=self.product_shrinkage,
        )
        self.mean_, self.variance_, self.again_ = usual.mean, usual.variance, usual.again
        return self

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        # Models of earlier releases counted days from midnight UTC.
        return super().from_arrays({"day_offset_": np.zeros(1), **arrays}, saved)

    def score(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.mean_))
        rhythms = self._measure_rhythms(select_purchases(histories, self.kinds))
        product = rhythms.pair % histories.n_items
        probability = predict_repurchase_probability(
            rhythms=rhythms,
            product=product,
            population=ProductRhythms(self.mean_, self.variance_, self.again_),
            horizon_days=self.horizon_days,
            shrinkage=self.shrinkage,
        ).astype(np.float32)
        has_score = (rhythms.number >= self.min_count) & (probability > 0)
        row = (rhythms.pair // histories.n_items)[has_score]
        indptr = np.searchsorted(row, np.arange(len(histories) + 1))
        return make_csr(probability[has_score], product[has_score], indptr, (len(histories), histories.n_items))

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return OwnItemsScorer(self._score_context)

    def _score_context(self, context: HistoryContext) -> SparseRow:
        scores = self.score(context.history)
        return scores.indices, scores.data

    def _measure_rhythms(self, purchases: Histories) -> PurchaseRhythms:
        """Return the rhythms of all pairs; the number of a pair is row of the history · n_items + item."""
        row: IntArray = np.repeat(np.arange(len(purchases)), np.diff(purchases.indptr))
        offset = float(self.day_offset_[0])
        return measure_rhythms(
            pair=row.astype(np.int64) * purchases.n_items + purchases.item,
            at=(purchases.order + offset) / DAY,
            as_of=(purchases.as_of + offset) / DAY,
            half_life_days=self.half_life_days,
        )
