"""User-based collaborative filtering for implicit feedback: customers with similar histories bought."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, Scores, register, require_weight
from recommendations.engine.algorithms.spec import (
    HALF_LIVES,
    MEGABYTE,
    WEIGHTINGS,
    AlgorithmSpec,
    ExplanationReason,
    SearchSpace,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import compute_inverse_frequency, weight_entries
from recommendations.engine.linear_algebra.sparse import (
    extract_column,
    invert_entries,
    multiply,
    multiply_top_k_rows,
    normalize_rows,
    scale_columns,
    scale_rows,
    select_columns,
    transpose,
)
from recommendations.engine.online.context import OnlineScorer
from recommendations.engine.online.user_neighbors_scorer import UserNeighborsScorer


@register
class UserKNN(Algorithm):
    """score(u, i) = Σ_v sim(u, v) · x_vi / Σ_v sim(u, v) over the k users v nearest to the history, without u.

    sim = cosine · n / (n + λ), n the number of items in both and λ `shrinkage`; x are the rows under `weighting` (raw, binary,
    log); the cosine is of those, with `idf` times ln(users / (1 + users with the item)) + 1. Source: Resnick et al., CSCW 1994;
    for data without ratings Aiolli, RecSys 2013.
    """

    name = "user-knn"
    fitted = ("rows_", "unit_rows_", "item_users_", "item_factors_")
    spec = AlgorithmSpec(
        label=translatable("Similar customers (user-kNN)"),
        reason=ExplanationReason.SIMILAR_CUSTOMERS,
        search=SearchSpace(
            order=50,
            start={"k": 50, "weighting": "raw", "half_life_days": 90.0, "idf": False},
            values={
                "half_life_days": HALF_LIVES,
                "k": (20, 30, 50, 100, 200, 400),
                "weighting": WEIGHTINGS,
                "idf": (False, True),
            },
            estimate_mb=lambda size, parameters: 5 * 8 * size.entries / MEGABYTE,
        ),
    )

    def __init__(
        self,
        k: int = 100,
        weighting: str = "log",
        shrinkage: float = 0.0,
        half_life_days: float | None = None,
        idf: bool = False,
    ):
        self.k = k
        self.weighting = weighting
        self.shrinkage = shrinkage
        self.half_life_days = half_life_days
        self.idf = idf

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.k < 1 or self.shrinkage < 0:
            raise ValueError(f"k must be at least 1 and shrinkage at least 0, got {self.k} and {self.shrinkage}")
        self.rows_ = weight_entries(interactions.build_user_items(half_life_days=self.half_life_days), self.weighting)
        ones = np.ones(interactions.n_items)
        self.item_factors_ = compute_inverse_frequency(self.rows_) if self.idf else ones
        self.unit_rows_ = normalize_rows(scale_columns(self.rows_, self.item_factors_))
        self.item_users_ = transpose(self.unit_rows_)
        return self

    def find_neighbors(self, histories: Histories) -> csr_array:
        """Return CSR (n, n_users) of the similarities to the k nearest training users, nearest first."""
        return self._find_nearest(self._normalize_histories(histories), histories)

    def score(self, histories: Histories) -> Scores:
        neighbors = self.find_neighbors(histories)
        return multiply(_normalize_similarities(neighbors), self.rows_)

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        return np.asarray(
            _normalize_similarities(self.find_neighbors(histories)) @ extract_column(self.rows_, item), np.float32
        )

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        unit = self._normalize_histories(history)
        neighbors = self._find_nearest(unit, history)
        if not neighbors.nnz:
            return []
        neighbor_scores = _normalize_similarities(neighbors).data[:, None] * select_columns(
            self.rows_, neighbors.indices, items
        )
        # Each neighbor's similarity is a sum over the items both have, so every item gets its part of it.
        common = select_columns(self.unit_rows_, neighbors.indices, unit.indices) * unit.data
        parts = (common / common.sum(axis=1, keepdims=True)).T @ neighbor_scores
        return [Attribution(self.name, unit.indices, parts)]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return UserNeighborsScorer(self)

    def _normalize_histories(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.rows_.shape[1])
        rows = weight_entries(histories.build_matrix(half_life_days=self.half_life_days), self.weighting)
        return normalize_rows(scale_columns(rows, self.item_factors_))

    def _find_nearest(self, unit: csr_array, histories: Histories) -> csr_array:
        return multiply_top_k_rows(unit, self.item_users_, self.k, skip=histories.user, shrinkage=self.shrinkage)


def _normalize_similarities(neighbors: csr_array) -> csr_array:
    return scale_rows(neighbors, invert_entries(np.asarray(neighbors.sum(axis=1)).ravel()))
