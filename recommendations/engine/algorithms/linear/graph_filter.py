"""Graph signal filtering on the user–item graph, without iterative training."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, Scores, register, require_weight
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
from recommendations.engine.linear_algebra.low_rank import compute_right_singular_vectors
from recommendations.engine.linear_algebra.sparse import (
    make_csr,
    multiply,
    multiply_dense_matrices,
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
class GraphFilter(Algorithm):
    """score(u, ·) = r_u · [(RᵀR)^∘γ + α V Vᵀ] · diag(d_i^c) with R = D_u^−a X D_i^−b and r_u the user's row of R.

    X are the weights under `weighting`, D_u and D_i its sums of rows and columns, a `user_exponent`, b `item_exponent`, γ `power`
    (element-wise), c `target_exponent`. Only the k largest entries of each row of (RᵀR)^∘γ · diag(d_i^c) are kept. V (items, r) are the
    right singular vectors of the r = `low_pass_rank` largest singular values of R, α `low_pass_weight`; r = 0 omits that part.
    Sources: Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021 (GF-CF: a = b = c = ½ in its low-pass
    part, γ = 1); element-wise exponents as in Park et al., "Turbo-CF", SIGIR 2024.
    """

    name = "graph-filter"
    fitted = ("filter_", "item_factors_", "low_pass_")
    spec = AlgorithmSpec(
        label=translatable("Graph filter"),
        search=SearchSpace(
            order=100,
            start={
                "k": 100,
                "user_exponent": 0.5,
                "item_exponent": 0.5,
                "power": 1.0,
                "half_life_days": 180.0,
            },
            values={
                "half_life_days": LONG_HALF_LIVES,
                "power": (0.7, 1.0, 1.2, 1.5),
                "item_exponent": (0.3, 0.4, 0.5),
                "user_exponent": (0.3, 0.5, 0.7),
                "k": NEIGHBOR_COUNTS[1:4],
            },
            estimate_mb=estimate_neighbors_mb,
        ),
    )

    def __init__(
        self,
        k: int = 300,
        user_exponent: float = 0.5,
        item_exponent: float = 0.5,
        power: float = 1.0,
        target_exponent: float = 0.0,
        low_pass_rank: int = 0,
        low_pass_weight: float = 0.3,
        weighting: str = "binary",
        half_life_days: float | None = None,
        seed: int = 0,
    ):
        self.k = k
        self.user_exponent = user_exponent
        self.item_exponent = item_exponent
        self.power = power
        self.target_exponent = target_exponent
        self.low_pass_rank = low_pass_rank
        self.low_pass_weight = low_pass_weight
        self.weighting = weighting
        self.half_life_days = half_life_days
        self.seed = seed

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.k < 1 or self.low_pass_rank < 0 or not self.power > 0:
            raise ValueError(
                "k must be at least 1, low_pass_rank at least 0 and power above 0, "
                f"got {self.k}, {self.low_pass_rank} and {self.power}"
            )
        user_items = shorten_rows(interactions.build_user_items(half_life_days=self.half_life_days))
        weights = weight_entries(user_items, self.weighting)
        degrees = np.asarray(weights.sum(axis=0), np.float64).ravel()
        self.item_factors_ = _raise_degrees(degrees, -self.item_exponent)
        target_factors = _raise_degrees(degrees, self.target_exponent)
        user_degrees = np.asarray(weights.sum(axis=1), np.float64).ravel()
        rows = scale_columns(scale_rows(weights, _raise_degrees(user_degrees, -self.user_exponent)), self.item_factors_)
        self.filter_ = self._build_filter(rows, target_factors)
        vectors = compute_right_singular_vectors(rows, self.low_pass_rank, seed=self.seed)
        # Both sides of the low-pass part, stacked: (2r, items).
        self.low_pass_ = np.concatenate(
            [vectors.T * self.low_pass_weight, vectors.T * target_factors], dtype=np.float32, casting="same_kind"
        )
        return self

    def score(self, histories: Histories) -> Scores:
        rows = self._build_rows(histories)
        scores = multiply(rows, self.filter_)
        if not len(self.low_pass_):
            return scores
        inward, outward = np.split(self.low_pass_, 2)
        dense = multiply_dense_matrices(rows @ np.ascontiguousarray(inward.T), outward) + scores.toarray()
        dense[np.diff(rows.indptr) == 0] = -np.inf
        return dense

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        row = self._build_rows(history)
        gains = select_columns(self.filter_, row.indices, items)
        if len(self.low_pass_):
            inward, outward = np.split(self.low_pass_, 2)
            gains = gains + inward[:, row.indices].T @ outward[:, list(items)]
        return [Attribution(self.name, row.indices, gains * row.data[:, None])]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        if len(self.low_pass_) or self.weighting not in ENTRYWISE:
            return super().make_online_scorer(for_similar=for_similar)
        return LinearScorer(self.filter_, self._weigh_context)

    def _weigh_context(self, context: HistoryContext) -> SparseRow:
        """Return r_u of one history, as `_build_rows` does for many."""
        rows, values = context.sum_weights(self.half_life_days, self.weighting)
        total = float(values.sum())
        length = total**-self.user_exponent if total > 0 else 0.0
        return rows, (values * np.float32(length) * self.item_factors_[rows]).astype(np.float32)

    def _build_filter(self, rows: csr_array, target_factors: npt.NDArray[np.float64]) -> csr_array:
        """Return the k largest entries of each row of (RᵀR)^∘γ · diag(d_i^c)."""
        # x^γ · d^c = (x · d^(c/γ))^γ is monotone in its base, so the largest are known before the power is taken.
        scaled = scale_columns(rows, target_factors ** (1.0 / self.power))
        largest = multiply_top_k_rows(transpose(rows), scaled, self.k)
        if self.power == 1.0:
            return largest
        return make_csr(largest.data**self.power, largest.indices, largest.indptr, largest.shape)

    def _build_rows(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.item_factors_))
        weights = weight_entries(histories.build_matrix(half_life_days=self.half_life_days), self.weighting)
        lengths = np.asarray(weights.sum(axis=1), np.float64).ravel()
        return scale_columns(scale_rows(weights, _raise_degrees(lengths, -self.user_exponent)), self.item_factors_)


def _raise_degrees(degrees: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Return degree^exponent, 0 where the degree is 0."""
    return np.power(degrees, exponent, out=np.zeros(len(degrees)), where=degrees > 0)
