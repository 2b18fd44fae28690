"""Item-based rating prediction: the user's ratings of the most similar items."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Attribution, Scores, register, require_weight
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import (
    get_row_entries,
    list_entry_rows,
    make_csr,
    replace_data,
    transpose,
)
from recommendations.engine.ratings.base import (
    CELLS,
    RatingAlgorithm,
    compute_similarities,
    compute_user_biases,
    fit_item_biases,
    make_rating_spec,
    require_at_least,
    select_newest_ratings,
    split_bias,
)
from recommendations.engine.ratings.kernels import add_nearest_rated
from recommendations.engine.topn import select_top_n

SIMILARITIES = ("pearson-baseline", "pearson", "cosine")
SWEEPS = 15


@register
class RatingItemKNN(RatingAlgorithm):
    """r̂_ui = b_ui + Σ_j s_ij (r_uj − b_uj) / (δ + Σ_j s_ij) over the k items j rated by u with the largest s_ij > 0.

    b_ui = μ + b_u + b_i as in `RatingBaseline`, δ `damping`. s is computed over the n users who rated both and multiplied by
    n / (n + λ), λ `shrinkage`: "pearson-baseline" is the cosine of r − b, "pearson" and "cosine" are those of r. The `neighbors` most
    similar items of each are kept. Weights are ratings; the newest of a pair counts. Source: Koren, "Factor in the Neighbors", TKDD
    2010, 2.2.
    """

    name = "rating-item-knn"
    fitted = ("neighbors_", "item_biases_", "overall_mean_")
    spec = make_rating_spec(translatable("Rating item-kNN"))

    def __init__(
        self,
        k: int = 40,
        similarity: str = "pearson-baseline",
        shrinkage: float = 100.0,
        damping: float = 0.0,
        neighbors: int = 500,
        user_shrinkage: float = 10.0,
        item_shrinkage: float = 5.0,
    ):
        self.k = k
        self.similarity = similarity
        self.shrinkage = shrinkage
        self.damping = damping
        self.neighbors = neighbors
        self.user_shrinkage = user_shrinkage
        self.item_shrinkage = item_shrinkage

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.similarity not in SIMILARITIES:
            raise ValueError(f"similarity must be one of {', '.join(SIMILARITIES)}, got {self.similarity!r}")
        require_at_least(self, 1, ("k", "neighbors"))
        require_at_least(self, 0, ("shrinkage", "damping", "user_shrinkage", "item_shrinkage"))
        ratings = select_newest_ratings(interactions.build_histories())
        mean = float(ratings.data.mean(dtype=np.float64))
        self.overall_mean_ = np.array([mean])
        self.item_biases_ = fit_item_biases(
            ratings, mean, user_shrinkage=self.user_shrinkage, item_shrinkage=self.item_shrinkage, sweeps=SWEEPS
        )
        if self.similarity == "pearson-baseline":
            ratings = replace_data(ratings, self._compute_deviations(ratings))
        self.neighbors_ = self._find_most_similar(ratings)
        return self

    def score(self, histories: Histories) -> Scores:
        ratings = self._select_ratings(histories)
        deviations = self._compute_deviations(ratings).astype(np.float32)
        own = compute_user_biases(ratings, float(self.overall_mean_[0]), self.item_biases_, self.user_shrinkage)
        scores = (float(self.overall_mean_[0]) + own[:, None] + self.item_biases_).astype(np.float32)
        map_blocks(
            lambda start, stop: add_nearest_rated(
                self.neighbors_.indptr, self.neighbors_.indices, self.neighbors_.data,
                ratings.indptr[start : stop + 1], ratings.indices, deviations, self.k, float(self.damping),
                scores[start:stop],
            ),
            len(histories),
            smallest=8,
        )  # fmt: skip
        return scores

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        ratings, mean = self._select_ratings(history), float(self.overall_mean_[0])
        deviations = self._compute_deviations(ratings)
        position_of_item = np.full(history.n_items, -1, np.int64)
        position_of_item[ratings.indices] = np.arange(ratings.nnz)
        own = split_bias(ratings, mean, self.item_biases_, self.user_shrinkage)
        parts = np.vstack([np.repeat(own[:, None], len(items), axis=1), mean + self.item_biases_[list(items)]])
        for column, item in enumerate(items):
            neighbors, values = get_row_entries(self.neighbors_, item)
            positions, similarities = position_of_item[neighbors], values.astype(np.float64)
            rated = np.flatnonzero(positions >= 0)[: self.k]
            if len(rated):
                shares = similarities[rated] / (self.damping + similarities[rated].sum())
                parts[positions[rated], column] += shares * deviations[positions[rated]]
        return [Attribution(self.name, np.append(ratings.indices, np.int32(-1)), parts)]

    def _find_most_similar(self, ratings: csr_array) -> csr_array:
        """Return CSR (items, items) of the largest similarities above 0, best first."""
        item_users = transpose(ratings)
        n = item_users.shape[0]
        counts, columns, values = [], [], []
        size = max(1, CELLS // n)
        for start in range(0, n, size):
            rows = item_users[start : start + size, :]
            similarities = compute_similarities(
                rows, ratings, pearson=self.similarity == "pearson", shrinkage=self.shrinkage
            )
            similarities[np.arange(len(similarities)), np.arange(start, start + len(similarities))] = 0
            similarities[similarities <= 0] = -np.inf
            best = select_top_n(similarities, min(self.neighbors, n))
            is_kept = best.items >= 0
            counts.append(is_kept.sum(axis=1))
            columns.append(best.items[is_kept])
            values.append(best.scores[is_kept])
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        return make_csr(np.concatenate(values), np.concatenate(columns), indptr, (n, n))

    def _compute_deviations(self, ratings: csr_array) -> np.ndarray:
        """Return r_uj − b_uj of each rating."""
        mean = float(self.overall_mean_[0])
        own = compute_user_biases(ratings, mean, self.item_biases_, self.user_shrinkage)
        return ratings.data - mean - own[list_entry_rows(ratings)] - self.item_biases_[ratings.indices]

    def _select_ratings(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.item_biases_))
        return select_newest_ratings(histories)
