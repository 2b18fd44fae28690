"""RP3β: random walks user → item → user → item that penalize popular items."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, register, require_weight
from recommendations.engine.algorithms.spec import (
    LONG_HALF_LIVES,
    NEIGHBOR_COUNTS,
    AlgorithmSpec,
    SearchSpace,
    estimate_neighbors_mb,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import ENTRYWISE, weight_entries
from recommendations.engine.linear_algebra.sparse import (
    invert_entries,
    make_csr,
    multiply,
    multiply_top_k_rows,
    scale_columns,
    scale_rows,
    select_columns,
    shorten_rows,
    transpose,
)
from recommendations.engine.online.context import HistoryContext, OnlineScorer, SparseRow
from recommendations.engine.online.linear_scorer import LinearScorer


@register
class RP3Beta(Algorithm):
    """score(u, i) = Σ_j p_uj^α · W_ji with W_ji = Σ_v p_jv^α · p_vi^α / d_i^β, the walk u → j → v → i.

    p are the weights divided by the sum of their row (from a user to an item) or of their column (from an item to a user), d_i is the
    number of users who have i, α `exponent`, β `damping`; j ≠ i in the last two steps. Only the k largest entries of each row of W are
    kept. Sources: Cooper et al., "Random Walks in Recommender Systems", WWW 2014 (P3α); Paudel et al., TiiS 2016 (RP3β).
    """

    name = "rp3beta"
    fitted = ("walks_",)
    spec = AlgorithmSpec(
        label=translatable("Random walk (RP3β)"),
        search=SearchSpace(
            order=110,
            start={"k": 100, "exponent": 1.0, "damping": 0.4, "half_life_days": 180.0},
            values={
                "half_life_days": LONG_HALF_LIVES,
                "damping": (0.0, 0.2, 0.4, 0.6, 0.8),
                "exponent": (0.5, 0.8, 1.0, 1.3),
                "k": NEIGHBOR_COUNTS[1:4],
            },
            estimate_mb=estimate_neighbors_mb,
        ),
    )

    def __init__(
        self,
        k: int = 100,
        exponent: float = 1.0,
        damping: float = 0.6,
        weighting: str = "binary",
        half_life_days: float | None = None,
    ):
        self.k = k
        self.exponent = exponent
        self.damping = damping
        self.weighting = weighting
        self.half_life_days = half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.k < 1 or not self.exponent > 0:
            raise ValueError(f"k must be at least 1 and exponent above 0, got {self.k} and {self.exponent}")
        user_items = shorten_rows(interactions.build_user_items(half_life_days=self.half_life_days))
        weights = weight_entries(user_items, self.weighting)
        to_users = _compute_steps(transpose(weights), self.exponent)
        degrees = np.diff(to_users.indptr).astype(np.float64)
        damped = np.power(degrees, -self.damping, out=np.zeros(len(degrees)), where=degrees > 0)
        # The damping is applied before the selection, so that it decides which k entries remain.
        to_items = scale_columns(_compute_steps(weights, self.exponent), damped)
        self.walks_ = multiply_top_k_rows(to_users, to_items, self.k, skip=np.arange(interactions.n_items))
        return self

    def score(self, histories: Histories) -> csr_array:
        return multiply(self._compute_first_steps(histories), self.walks_)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        first = self._compute_first_steps(history)
        parts = select_columns(self.walks_, first.indices, items) * first.data[:, None]
        return [Attribution(self.name, first.indices, parts)]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        if self.weighting not in ENTRYWISE:
            return super().make_online_scorer(for_similar=for_similar)
        return LinearScorer(self.walks_, self._weigh_context)

    def _weigh_context(self, context: HistoryContext) -> SparseRow:
        """Return p_u^α of one history, as `_compute_first_steps` does for many."""
        rows, values = context.sum_weights(self.half_life_days, self.weighting)
        total = float(values.sum())
        return rows, ((values / total) ** self.exponent if total > 0 else values).astype(np.float32)

    def _compute_first_steps(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.walks_.shape[0])
        return _compute_steps(
            weight_entries(histories.build_matrix(half_life_days=self.half_life_days), self.weighting), self.exponent
        )


def _compute_steps(matrix: csr_array, exponent: float) -> csr_array:
    """Return transition probabilities from rows to columns, each raised to the exponent."""
    probabilities = scale_rows(matrix, invert_entries(np.asarray(matrix.sum(axis=1), np.float64).ravel()))
    return make_csr(probabilities.data**exponent, probabilities.indices, probabilities.indptr, probabilities.shape)
