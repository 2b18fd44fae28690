"""User-based rating prediction: the ratings of users with similar ratings."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Attribution, Scores, register, require_weight
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import list_entry_rows, replace_data, transpose
from recommendations.engine.ratings.base import (
    CELLS,
    RatingAlgorithm,
    compute_similarities,
    compute_user_biases,
    fit_item_biases,
    make_rating_spec,
    require_at_least,
    select_newest_ratings,
)
from recommendations.engine.ratings.kernels import sum_nearest_raters

SIMILARITIES = ("cosine", "pearson", "pearson-baseline")
CENTERS = ("none", "mean", "baseline")
SWEEPS = 15


@register
class RatingUserKNN(RatingAlgorithm):
    """r̂_ui = c_ui + Σ_v sim(u, v) (r_vi − c_vi) / (δ + Σ_v |sim(u, v)|) over the k users v with the largest |sim| who rated i.

    Weights are ratings; the newest of a (user, item) pair counts. c by `center`: "none" 0, "mean" r̄_u, "baseline" μ + b_u + b_i as in
    `RatingBaseline`; δ `damping`. sim is computed over the n items both rated and multiplied by n / (n + λ), λ `shrinkage`: "cosine"
    Σ r_u r_v / √(Σ r_u² Σ r_v²), "pearson" the same of r − mean over those items, "pearson-baseline" of r − b. Sources: Resnick et al.,
    CSCW 1994; shrinkage: Koren, KDD 2008; baseline: Koren, TKDD 2010.

    If no similar user rated i, r̂ is c_ui (center "none": no prediction, -inf); r̄ of an empty history is the mean of all ratings.
    """

    name = "rating-user-knn"
    fitted = ("ratings_", "item_users_", "means_", "item_biases_", "overall_mean_")
    spec = make_rating_spec(translatable("Rating user-kNN"))

    def __init__(
        self,
        k: int = 40,
        similarity: str = "cosine",
        shrinkage: float = 0.0,
        center: str = "mean",
        damping: float = 0.0,
        user_shrinkage: float = 10.0,
        item_shrinkage: float = 5.0,
    ):
        self.k = k
        self.similarity = similarity
        self.shrinkage = shrinkage
        self.center = center
        self.damping = damping
        self.user_shrinkage = user_shrinkage
        self.item_shrinkage = item_shrinkage

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        for name, known in (("similarity", SIMILARITIES), ("center", CENTERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        require_at_least(self, 1, ("k",))
        require_at_least(self, 0, ("shrinkage", "damping", "user_shrinkage", "item_shrinkage"))
        self.ratings_ = select_newest_ratings(interactions.build_histories())
        self.item_users_ = transpose(self.ratings_)
        mean = float(self.ratings_.data.mean(dtype=np.float64))
        self.overall_mean_ = np.array([mean])
        self.item_biases_ = np.zeros(self.ratings_.shape[1])
        if "baseline" in (self.center, self.similarity.removeprefix("pearson-")):
            self.item_biases_ = fit_item_biases(
                self.ratings_,
                mean,
                user_shrinkage=self.user_shrinkage,
                item_shrinkage=self.item_shrinkage,
                sweeps=SWEEPS,
            )
        self.means_ = self._compute_centers(self.ratings_)
        return self

    def compute_user_similarities(self, histories: Histories) -> npt.NDArray[np.float32]:
        """Return sim (n, n_users), 0 for the user themselves and for users without a common item."""
        own, others = self._select_ratings(histories), self.item_users_
        if self.similarity == "pearson-baseline":
            own, others = self._subtract_baseline(own), transpose(self._subtract_baseline(self.ratings_))
        similar = compute_similarities(own, others, pearson=self.similarity == "pearson", shrinkage=self.shrinkage)
        known = np.flatnonzero(histories.user >= 0)
        similar[known, histories.user[known]] = 0.0
        return similar

    def score(self, histories: Histories) -> Scores:
        self._select_ratings(histories.slice_rows(0, 0))  # checks the model and the catalog also without any history
        size = max(1, CELLS // max(1, self.ratings_.shape[0]))
        if len(histories) <= size:
            return self._score(histories)
        return np.concatenate(
            [self._score(histories.slice_rows(start, start + size)) for start in range(0, len(histories), size)]
        )

    def _score(self, histories: Histories) -> npt.NDArray[np.float32]:
        """Score so few histories that their similarities to all users fit into memory."""
        similar = self.compute_user_similarities(histories)
        centers = self.means_[list_entry_rows(self.ratings_)] + self._get_item_centers()[self.ratings_.indices]
        deviations = (self.ratings_.data - centers).astype(np.float32)
        sums = np.zeros((len(histories), histories.n_items), np.float32)
        norms = np.zeros_like(sums)
        map_blocks(
            lambda start, stop: sum_nearest_raters(
                similar[start:stop],
                self.ratings_.indptr,
                self.ratings_.indices,
                deviations,
                self.k,
                sums[start:stop],
                norms[start:stop],
            ),
            len(histories),
            smallest=8,
        )
        shares = np.divide(sums, norms + np.float32(self.damping), out=np.zeros_like(sums), where=norms > 0)
        if self.center == "none":
            return np.where(norms > 0, shares, np.float32(-np.inf))
        own = self._compute_centers(self._select_ratings(histories))[:, None] + self._get_item_centers()
        return own.astype(np.float32) + shares

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        scores = self._score(history)[:, list(items)]
        return [Attribution(self.name, np.array([-1], np.int32), np.where(np.isfinite(scores), scores, 0))]

    def _compute_centers(self, ratings: csr_array) -> npt.NDArray[np.float64]:
        """Return the center of the ratings of each row: 0, its mean, or μ + b_u."""
        mean = float(self.overall_mean_[0])
        if self.center == "baseline":
            return mean + compute_user_biases(ratings, mean, self.item_biases_, self.user_shrinkage)
        counts = np.diff(ratings.indptr)
        if self.center == "none":
            return np.zeros(len(counts))
        sums = np.bincount(list_entry_rows(ratings), ratings.data, len(counts))
        return np.divide(sums, counts, out=np.full(len(counts), mean), where=counts > 0)

    def _get_item_centers(self) -> npt.NDArray[np.float64]:
        return self.item_biases_ if self.center == "baseline" else np.zeros(len(self.item_biases_))

    def _subtract_baseline(self, ratings: csr_array) -> csr_array:
        mean = float(self.overall_mean_[0])
        own = compute_user_biases(ratings, mean, self.item_biases_, self.user_shrinkage)
        return replace_data(
            ratings, ratings.data - mean - own[list_entry_rows(ratings)] - self.item_biases_[ratings.indices]
        )

    def _select_ratings(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.ratings_.shape[1])
        return select_newest_ratings(histories)
