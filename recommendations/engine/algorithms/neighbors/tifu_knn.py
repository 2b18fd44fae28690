"""Next baskets from item frequencies whose weight falls with age, of the customer and of the nearest customers."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, hstack, vstack

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import register
from recommendations.engine.algorithms.neighbors.basket_neighbors import BasketNeighbors
from recommendations.engine.algorithms.spec import MEGABYTE, AlgorithmSpec, ExplanationReason, SearchSpace
from recommendations.engine.data.histories import Histories
from recommendations.engine.linear_algebra.sparse import (
    invert_entries,
    make_csr,
    multiply_top_k_rows,
    replace_data,
    scale_rows,
    sum_entries,
    transpose,
)


@register
class TifuKNN(BasketNeighbors):
    """score(u, i) = α p_ui + (1 − α) · mean of p_vi over the k users v nearest to u in Euclidean distance.

    p_u: the n baskets of u in groups of `group_size`, counted from the newest, so that the oldest group may be smaller. A group is
    Σ basket · basket_decay^age / size, age counted in baskets within the group; p_u is Σ group · group_decay^age / groups. α is
    `own_share`. Neighbors have a product in common with u. Source: Hu et al., "Modeling Personalized Item Frequency Information for
    Next-basket Recommendation", SIGIR 2020.
    """

    name = "tifu-knn"
    fitted = ("rows_", "item_users_")
    spec = AlgorithmSpec(
        label=translatable("Baskets of similar customers (TIFU-KNN)"),
        reason=ExplanationReason.SIMILAR_CUSTOMERS,
        search=SearchSpace(
            order=52,
            start={"group_size": 7, "basket_decay": 0.9, "group_decay": 0.7, "own_share": 0.7, "k": 300},
            values={
                "group_decay": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
                "own_share": (0.5, 0.7, 0.9, 0.95),
                "group_size": (3, 7, 15, 30),
                "basket_decay": (0.8, 0.9, 1.0),
                "k": (100, 300, 900),
            },
            estimate_mb=lambda size, parameters: 5 * 8 * size.entries / MEGABYTE,
            scoring_only=frozenset({"own_share", "k"}),
        ),
    )

    def __init__(
        self,
        group_size: int = 7,
        basket_decay: float = 0.9,
        group_decay: float = 0.7,
        own_share: float = 0.7,
        k: int = 300,
        kinds: Sequence[str] | None = ("purchase",),
    ):
        self.group_size = group_size
        self.basket_decay = basket_decay
        self.group_decay = group_decay
        self.own_share = own_share
        self.k = k
        self.kinds = kinds

    def require_parameters(self) -> None:
        if self.group_size < 1 or self.k < 1:
            raise ValueError(f"group_size and k must be at least 1, got {self.group_size} and {self.k}")
        for name in ("basket_decay", "group_decay", "own_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")

    def fit_purchases(self, purchases: Histories) -> None:
        self.rows_ = self.compare_baskets(purchases)
        squares = np.asarray(self.rows_.multiply(self.rows_).sum(axis=1)).ravel()
        # A last row turns the product into half the largest square minus half the squared distance, up to a constant of u.
        closeness = csr_array((squares.max(initial=0.0) + 1.0 - squares / 2.0)[None, :].astype(np.float32))
        extended = vstack([transpose(self.rows_), closeness], format="csr")
        self.item_users_ = make_csr(extended.data, extended.indices, extended.indptr, extended.shape)

    def weigh_own(self, purchases: Histories) -> csr_array:
        own = self.compare_baskets(purchases)
        return replace_data(own, own.data * np.float32(self.own_share))

    def compare_baskets(self, purchases: Histories) -> csr_array:
        """Return p of each history."""
        back = purchases.count_moments_back()
        row = np.repeat(np.arange(len(purchases), dtype=np.int32), np.diff(purchases.indptr))
        n_baskets = np.zeros(len(purchases), np.int64)
        np.maximum.at(n_baskets, row, back + 1)
        n_groups = -(-n_baskets // self.group_size)
        group = back // self.group_size
        size = np.minimum(self.group_size, n_baskets[row] - group * self.group_size)
        weight = self.basket_decay ** (back % self.group_size) / size * self.group_decay**group / n_groups[row]
        # A product on several lines of a basket counts once.
        _pairs, first = np.unique(np.stack([row, purchases.item, back]), axis=1, return_index=True)
        shape = (len(purchases), purchases.n_items)
        return sum_entries(row[first], purchases.item[first], weight[first].astype(np.float32), shape)

    def get_compared_rows(self) -> csr_array:
        return self.rows_

    def weigh_neighbors(self, compared: csr_array, purchases: Histories) -> csr_array:
        extended = csr_array(hstack([compared, csr_array(np.ones((compared.shape[0], 1), np.float32))], format="csr"))
        # Two terms: the last row and at least one product in common.
        nearest = multiply_top_k_rows(extended, self.item_users_, self.k, skip=purchases.user, min_terms=2)
        ones = replace_data(nearest, np.ones(nearest.nnz))
        return scale_rows(ones, (1.0 - self.own_share) * invert_entries(np.diff(nearest.indptr).astype(np.float64)))
