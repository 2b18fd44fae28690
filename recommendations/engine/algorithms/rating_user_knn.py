"""What rating would this person give, from the ratings of people who rate alike."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine import kernels
from recommendations.engine.contract import Algorithm, Attribution, Scores, register, require_weight
from recommendations.engine.histories import Histories
from recommendations.engine.interactions import Interactions
from recommendations.engine.parallel import map_blocks
from recommendations.engine.products import Products
from recommendations.engine.sparse import csr, transposed

SIMILARITIES = ("cosine", "pearson")


@register
class RatingUserKNN(Algorithm):
    """r̂_ui = r̄_u + Σ_v sim(u, v) (r_vi − r̄_v) / Σ_v |sim(u, v)| over the k people v with the largest |sim| who rated i.

    Weights are ratings; of several by one person of one item the newest counts. sim over the items both rated, n of them, times
    n / (n + λ), λ `shrinkage`: "cosine" Σ r_u r_v / √(Σ r_u² Σ r_v²), "pearson" the same of r − mean over those items. With
    `means` off both r̄ are left out: r̂ = Σ sim · r_vi / Σ |sim|. Source: Resnick et al., CSCW 1994; shrinkage: Koren, KDD 2008.

    Where nobody alike rated i, r̂ is r̄_u (without means: no prediction, -inf); r̄ of an empty history is the mean of all ratings.
    """

    name = "rating-user-knn"
    fitted = ("ratings_", "item_users_", "means_", "overall_mean_")

    def __init__(self, k: int = 40, similarity: str = "cosine", shrinkage: float = 0.0, means: bool = True):
        self.k = k
        self.similarity = similarity
        self.shrinkage = shrinkage
        self.means = means

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.similarity not in SIMILARITIES:
            raise ValueError(f"similarity must be one of {', '.join(SIMILARITIES)}, got {self.similarity!r}")
        if self.k < 1 or self.shrinkage < 0:
            raise ValueError(f"k must be at least 1 and shrinkage at least 0, got {self.k} and {self.shrinkage}")
        self.ratings_ = _newest(interactions.histories())
        self.item_users_ = transposed(self.ratings_)
        self.overall_mean_ = np.array([self.ratings_.data.mean()], np.float64)
        self.means_ = _means(self.ratings_, float(self.overall_mean_[0]))
        return self

    def similarities(self, histories: Histories) -> npt.NDArray[np.float32]:
        """(n, n_users) of sim, 0 for the person themselves and for people without an item in common."""
        own = self._ratings(histories)
        others = self.item_users_
        ones, squares = _powers(own)
        other_ones, other_squares = _powers(others)
        both = (ones @ other_ones).toarray()
        dots, own_squares, their_squares = (
            matrix.toarray().astype(np.float64) for matrix in (own @ others, squares @ other_ones, ones @ other_squares)
        )
        if self.similarity == "pearson":
            n = np.maximum(both, 1)
            own_sums, their_sums = (own @ other_ones).toarray(), (ones @ others).toarray()
            dots = dots - own_sums * their_sums / n
            own_squares, their_squares = own_squares - own_sums**2 / n, their_squares - their_sums**2 / n
        product = own_squares * their_squares
        similar = np.divide(dots, np.sqrt(np.maximum(product, 0)), out=np.zeros_like(dots), where=product > 1e-9)
        if self.shrinkage:
            similar *= both / (both + self.shrinkage)
        known = np.flatnonzero(histories.user >= 0)
        similar[known, histories.user[known]] = 0.0
        return similar.astype(np.float32)

    def score(self, histories: Histories) -> Scores:
        similar = self.similarities(histories)
        users = self.item_users_.indices
        deviations = (self.item_users_.data - self.means_[users]) if self.means else self.item_users_.data
        sums = np.zeros((len(histories), histories.n_items), np.float32)
        norms = np.zeros_like(sums)
        k = min(self.k, max(1, self.ratings_.shape[0]))
        map_blocks(
            lambda start, stop: kernels.nearest_raters(
                similar[start:stop],
                self.item_users_.indptr,
                users,
                deviations.astype(np.float32),
                k,
                sums[start:stop],
                norms[start:stop],
            ),
            len(histories),
            smallest=8,
        )
        if not self.means:
            return np.divide(sums, norms, out=np.full_like(sums, -np.inf), where=norms > 0)
        own_means = _means(self._ratings(histories), float(self.overall_mean_[0])).astype(np.float32)
        return own_means[:, None] + np.divide(sums, norms, out=np.zeros_like(sums), where=norms > 0)

    def predict(self, histories: Histories, rows: npt.ArrayLike, items: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """r̂ for pairs: history rows[p] and item items[p]. Only the histories that occur are scored, one block at a time."""
        row, item = np.asarray(rows), np.asarray(items)
        predicted = np.empty(len(row), np.float32)
        size = max(1, 16_000_000 // max(1, histories.n_items + self.ratings_.shape[0]))
        for start in range(0, len(histories), size):
            chosen = np.flatnonzero((row >= start) & (row < start + size))
            if len(chosen):
                predicted[chosen] = self.score(histories.rows(start, start + size))[row[chosen] - start, item[chosen]]
        return predicted

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        scores = self.score(history)[:, list(items)]
        return [Attribution(self.name, np.array([-1], np.int32), np.where(np.isfinite(scores), scores, 0))]

    def _ratings(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.ratings_.shape[1])
        return _newest(histories)


def _newest(histories: Histories) -> csr_array:
    """CSR (n, n_items) of each person's newest weight of each item; weights of 0 are ratings too."""
    rows = np.repeat(np.arange(len(histories), dtype=np.int64), np.diff(histories.indptr))
    keys = rows * histories.n_items + histories.item
    _, last = np.unique(keys[::-1], return_index=True)
    places = len(keys) - 1 - last
    indptr = np.searchsorted(rows[places], np.arange(len(histories) + 1))
    return csr(histories.weight[places], histories.item[places], indptr, (len(histories), histories.n_items))


def _means(ratings: csr_array, otherwise: float) -> npt.NDArray[np.float64]:
    counts = np.diff(ratings.indptr)
    sums = np.bincount(np.repeat(np.arange(len(counts)), counts), ratings.data, len(counts))
    return np.divide(sums, counts, out=np.full(len(counts), otherwise), where=counts > 0)


def _powers(ratings: csr_array) -> tuple[csr_array, csr_array]:
    """The same entries to the power 0 and 2."""
    return (
        csr(np.ones(ratings.nnz), ratings.indices, ratings.indptr, ratings.shape),
        csr(np.square(ratings.data), ratings.indices, ratings.indptr, ratings.shape),
    )
