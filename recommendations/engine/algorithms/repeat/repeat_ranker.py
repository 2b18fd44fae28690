"""Products a customer will buy again, ranked by boosted trees that are trained on past orders."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import expit

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import register, require_purchases, select_purchases
from recommendations.engine.algorithms.repeat.boosted_trees import Matrix, compute_log_odds, fit_boosted_trees
from recommendations.engine.algorithms.repeat.own_items import OwnItemsAlgorithm
from recommendations.engine.algorithms.repeat.ranker_kernels import FEATURES
from recommendations.engine.algorithms.repeat.ranker_samples import (
    collect_samples,
    list_cuts,
    measure_few,
    measure_histories,
    measure_product_features,
)
from recommendations.engine.algorithms.spec import (
    MEGABYTE,
    AlgorithmSpec,
    DataSize,
    SearchSpace,
    estimate_sessions_mb,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import DAY
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.online.context import HistoryContext, OnlineScorer, SparseRow
from recommendations.engine.online.own_items_scorer import OwnItemsScorer

SEED = 1
MIN_HORIZONS = 7  # the history spans at least this many horizons; in a short history, the horizon is shorter
FREQUENCY_LONG = FEATURES.index("frequency_long")
MAX_ROWS = 150_000


@register
class RepeatRanker(OwnItemsAlgorithm):
    """score(u, i) = probability that u buys i within `horizon_days` of as_of (None: in the next order), for items u has bought before.

    Gradient boosting on the FEATURES of customer and product, trained on what customers bought after each of the last `cuts` moments
    of the data, see `list_cuts`. Only the `candidates` items of a customer with the highest aged frequency have a score, which bounds
    the time of an answer. If nobody has bought a product again, the score is the aged frequency f as f / (1 + f). kinds: the
    interactions that count as purchases (None: all). Source: pointwise boosting for repeat purchases as in Bhagat et al., "Buy It
    Again", KDD 2018, and the solutions of the Instacart Market Basket Analysis, 2017.
    """

    name = "repeat-ranker"
    fitted = ("product_features_", "tree_feature_", "tree_threshold_", "tree_leaves_", "tree_base_")
    spec = AlgorithmSpec(
        label=translatable("Bought again (learned ranking)"),
        search=SearchSpace(
            order=35,
            start={"horizon_days": 28.0, "half_life_days": 90.0, "depth": 4, "trees": 60},
            values={
                "horizon_days": (7.0, 14.0, 28.0, None),
                "half_life_days": (28.0, 56.0, 90.0, 180.0, 365.0),
                "depth": (3, 4, 5),
                "trees": (30, 60, 120),
            },
            estimate_mb=lambda size, parameters: _estimate_mb(size),
            is_required=True,
        ),
    )

    def __init__(
        self,
        horizon_days: float | None = 28.0,
        half_life_days: float = 90.0,
        depth: int = 4,
        trees: int = 60,
        cuts: int = 3,
        candidates: int = 128,
        kinds: Sequence[str] | None = ("purchase",),
    ):
        self.horizon_days = horizon_days
        self.half_life_days = half_life_days
        self.depth = depth
        self.trees = trees
        self.cuts = cuts
        self.candidates = candidates
        self.kinds = kinds

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        self._require_parameters()
        purchases = require_purchases(interactions, self.kinds)
        self.product_features_ = measure_product_features(purchases, self.half_life_days)
        matrix, label, kept_share = collect_samples(
            list_cuts(purchases, horizon_days=self._limit_horizon(purchases), cuts=self.cuts),
            max_rows=MAX_ROWS,
            **self._get_options(),
        )
        fitted = fit_boosted_trees(matrix, label, trees=self.trees, depth=self.depth, seed=SEED)
        self.tree_feature_, self.tree_threshold_, self.tree_leaves_ = fitted.feature, fitted.threshold, fitted.leaves
        # Rows that were not bought are fewer in training than in the shop.
        self.tree_base_ = fitted.base + np.log(max(kept_share, 1e-9))
        return self

    def score(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.product_features_))
        counts, items, matrix = measure_histories(
            select_purchases(histories, self.kinds), self.product_features_, **self._get_options()
        )
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return make_csr(self._predict(matrix), items, indptr, (len(histories), histories.n_items))

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        """Return the scores of one item; only histories with the item have to be scored."""
        has_item = np.zeros(len(histories), np.bool_)
        rows = np.repeat(np.arange(len(histories)), np.diff(histories.indptr))
        has_item[rows[histories.item == item]] = True
        scores = self.score(histories.select_entries(has_item[rows]))
        return scores[:, [item]].toarray().ravel()

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return OwnItemsScorer(self._score_context)

    def _score_context(self, context: HistoryContext) -> SparseRow:
        # The workspace's columns are all -1 between explanations, so no array over the catalog has to be made.
        _counts, items, matrix = measure_few(
            select_purchases(context.history, self.kinds),
            self.product_features_,
            context.work.columns,
            **self._get_options(),
        )
        return items, self._predict(matrix)

    def _get_options(self) -> dict[str, Any]:
        return {
            "half_life_days": self.half_life_days,
            "limit": self.candidates,
            "uses_last_order": self.horizon_days is None,
        }

    def _predict(self, matrix: Matrix) -> npt.NDArray[np.float32]:
        """Return the probability of each row."""
        if not len(self.tree_feature_):
            frequency = matrix[:, FREQUENCY_LONG]
            return frequency / (1 + frequency)
        log_odds = compute_log_odds(
            matrix, self.tree_feature_, self.tree_threshold_, self.tree_leaves_, self.tree_base_
        )
        return expit(log_odds).astype(np.float32)

    def _limit_horizon(self, purchases: Histories) -> float | None:
        """Return the horizon, or less where the history is short."""
        if self.horizon_days is None:
            return None
        span_days = (purchases.as_of - float(purchases.order.min())) / DAY
        return min(self.horizon_days, span_days / MIN_HORIZONS)

    def _require_parameters(self) -> None:
        """Check the parameters. Errors: ValueError."""
        for name in ("depth", "trees", "cuts", "candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("horizon_days", "half_life_days"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be greater than 0, got {value}")


def _estimate_mb(size: DataSize) -> float:
    """Return the MB of the sorted purchases, the training rows several times, and the products."""
    row_bytes = 4 * len(FEATURES)
    return (
        estimate_sessions_mb(size, {}) + (3 * row_bytes * min(size.entries * 3, 4_000_000) + 80 * size.items) / MEGABYTE
    )
