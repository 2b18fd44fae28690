"""Next baskets from what customers and similar customers had in their last baskets."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import register
from recommendations.engine.algorithms.neighbors.basket_neighbors import BasketNeighbors
from recommendations.engine.algorithms.spec import MEGABYTE, AlgorithmSpec, ExplanationReason, SearchSpace
from recommendations.engine.data.histories import Histories
from recommendations.engine.linear_algebra.sparse import (
    multiply_top_k_rows,
    replace_data,
    scale_rows,
    sum_entries,
    transpose,
)


@register
class UpCF(BasketNeighbors):
    """score(u, i) = π_ui + Σ_v s_uv^q π_vi over the k users v most similar to u.

    π_ui: the share of the last `window` baskets of u that contain i (None: of all). s_uv = |u ∩ v| / (|u|^α |v|^(1 − α)), u and v
    the products that the users have ever bought, α `asymmetry`, q `locality`. Source: Faggioli, Polato and Aiolli, "Recency Aware
    Collaborative Filtering for Next Basket Recommendation", UMAP 2020, where u is a neighbor of u with similarity 1.
    """

    name = "up-cf"
    fitted = ("rows_", "bought_", "item_users_")
    spec = AlgorithmSpec(
        label=translatable("Last baskets of similar customers (UP-CF)"),
        reason=ExplanationReason.SIMILAR_CUSTOMERS,
        search=SearchSpace(
            order=54,
            start={"window": 25, "locality": 5.0, "asymmetry": 0.25, "k": 300},
            values={
                "window": (5, 10, 25, 50, 100, None),
                "locality": (1.0, 2.0, 5.0, 10.0, 20.0),
                "asymmetry": (0.0, 0.25, 0.5, 0.75, 1.0),
                "k": (100, 300, 900),
            },
            estimate_mb=lambda size, parameters: 6 * 8 * size.entries / MEGABYTE,
            scoring_only=frozenset({"locality", "k"}),
        ),
    )

    def __init__(
        self,
        window: int | None = 25,
        locality: float = 5.0,
        asymmetry: float = 0.25,
        k: int = 300,
        kinds: Sequence[str] | None = ("purchase",),
    ):
        self.window = window
        self.locality = locality
        self.asymmetry = asymmetry
        self.k = k
        self.kinds = kinds

    def require_parameters(self) -> None:
        if self.k < 1 or (self.window is not None and self.window < 1):
            raise ValueError(f"k and window must be at least 1, got {self.k} and {self.window}")
        if not (self.locality > 0 and 0 <= self.asymmetry <= 1):
            raise ValueError(
                f"locality must be above 0 and asymmetry from 0 to 1, got {self.locality} and {self.asymmetry}"
            )

    def fit_purchases(self, purchases: Histories) -> None:
        self.rows_ = self.weigh_own(purchases)
        self.bought_ = self._find_bought(purchases)
        self.item_users_ = transpose(_damp_lengths(self.bought_, 1.0 - self.asymmetry))

    def weigh_own(self, purchases: Histories) -> csr_array:
        """Return π of each history."""
        back = purchases.count_moments_back()
        row = np.repeat(np.arange(len(purchases), dtype=np.int32), np.diff(purchases.indptr))
        if self.window is not None:
            is_recent = back < self.window
            row, item, back = row[is_recent], purchases.item[is_recent], back[is_recent]
        else:
            item = purchases.item
        n_baskets = np.zeros(len(purchases), np.int64)
        np.maximum.at(n_baskets, row, back + 1)
        # A product on several lines of a basket counts once.
        pairs = np.unique(np.stack([row, item, back]), axis=1).astype(np.int32)
        shape = (len(purchases), purchases.n_items)
        return sum_entries(pairs[0], pairs[1], (1.0 / n_baskets[pairs[0]]).astype(np.float32), shape)

    def compare_baskets(self, purchases: Histories) -> csr_array:
        return _damp_lengths(self._find_bought(purchases), self.asymmetry)

    def get_compared_rows(self) -> csr_array:
        return self.bought_

    def weigh_neighbors(self, compared: csr_array, purchases: Histories) -> csr_array:
        similar = multiply_top_k_rows(compared, self.item_users_, self.k, skip=purchases.user)
        return replace_data(similar, similar.data**self.locality)

    def _find_bought(self, purchases: Histories) -> csr_array:
        """Return CSR of ones at the products of each history."""
        bought = purchases.build_matrix()
        return replace_data(bought, np.ones(bought.nnz))


def _damp_lengths(rows: csr_array, exponent: float) -> csr_array:
    """Return the rows divided by the number of their entries to the power of the exponent."""
    return scale_rows(rows, np.maximum(np.diff(rows.indptr), 1.0) ** -exponent)
