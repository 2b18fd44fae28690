"""Shared parts of the rating algorithms: the newest rating of each pair, biases, and similarities over co-rated items."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.algorithms.spec import AlgorithmSpec
from recommendations.engine.data.histories import Histories
from recommendations.engine.linear_algebra.sparse import list_entry_rows, make_csr, replace_data

type Doubles = npt.NDArray[np.float64]

CELLS = 16_000_000


def make_rating_spec(label: str) -> AlgorithmSpec:
    """Return the spec of a rating algorithm."""
    return AlgorithmSpec(
        label=label, not_tried="It predicts star ratings; training tunes the ranking of products that customers buy."
    )


class RatingAlgorithm(Algorithm):
    """An algorithm that predicts ratings, in the unit of the weights it was fitted on."""

    def predict(self, histories: Histories, rows: npt.ArrayLike, items: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Predict r̂ for pairs: history rows[p] and item items[p]; scores one block of histories at a time."""
        row, item = np.asarray(rows), np.asarray(items)
        predicted = np.empty(len(row), np.float32)
        size = max(1, CELLS // max(1, histories.n_items))  # dense scores of all histories would not fit into memory
        for start in range(0, len(histories), size):
            entries = np.flatnonzero((row >= start) & (row < start + size))
            if len(entries):
                scores = np.asarray(self.score(histories.slice_rows(start, start + size)))
                predicted[entries] = scores[row[entries] - start, item[entries]]
        return predicted


def select_newest_ratings(histories: Histories) -> csr_array:
    """Return CSR (n, n_items) of each user's newest weight of each item; a weight of 0 is a rating too."""
    rows = np.repeat(np.arange(len(histories), dtype=np.int64), np.diff(histories.indptr))
    keys = rows * histories.n_items + histories.item
    # In reverse order, the first entry that np.unique reports for a pair is its newest.
    _, last = np.unique(keys[::-1], return_index=True)
    newest = len(keys) - 1 - last
    indptr = np.searchsorted(rows[newest], np.arange(len(histories) + 1))
    return make_csr(histories.weight[newest], histories.item[newest], indptr, (len(histories), histories.n_items))


def compute_user_biases(
    ratings: csr_array, mean: float, item_biases: npt.NDArray[np.floating], shrinkage: float
) -> Doubles:
    """Return b_u = Σ_i (r_ui − μ − b_i) / (n_u + λ) of each row, 0 without a rating."""
    residuals = ratings.data - mean - item_biases[ratings.indices]
    return _shrink_means(list_entry_rows(ratings), residuals, ratings.shape[0], shrinkage)


def fit_item_biases(
    ratings: csr_array, mean: float, *, user_shrinkage: float, item_shrinkage: float, sweeps: int
) -> Doubles:
    """Return b_i of the minimum of Σ (r_ui − μ − b_u − b_i)² + λ_u Σ b_u² + λ_i Σ b_i², by `sweeps` exact alternations.

    The matching b_u are those of `compute_user_biases`. Source: Koren, "Factor in the Neighbors", TKDD 2010, 2.1.
    """
    rows, items = list_entry_rows(ratings), ratings.indices
    item_biases = np.zeros(ratings.shape[1])
    user_biases = np.zeros(ratings.shape[0])
    for _ in range(sweeps):
        item_biases = _shrink_means(items, ratings.data - mean - user_biases[rows], ratings.shape[1], item_shrinkage)
        user_biases = compute_user_biases(ratings, mean, item_biases, user_shrinkage)
    return item_biases


def split_bias(ratings: csr_array, mean: float, item_biases: npt.NDArray[np.floating], shrinkage: float) -> Doubles:
    """Return the part of one user's bias that each rating adds; the parts sum to the bias."""
    return (ratings.data - mean - item_biases[ratings.indices]) / (ratings.nnz + shrinkage)


def compute_similarities(
    own: csr_array, others: csr_array, *, pearson: bool, shrinkage: float
) -> npt.NDArray[np.float32]:
    """Return similarities (n, m), dense, of the rows of `own` (n, width) and the columns of `others` (width, m).

    Computed over the n_ab entries that both have. Cosine: Σ ab / √(Σ a² Σ b²); Pearson: the same of a and b minus their means over
    those entries; both times n_ab / (n_ab + λ). 0 where nothing is shared or nothing varies.
    """
    ones, squares = _raise_to_powers(own)
    other_ones, other_squares = _raise_to_powers(others)
    both = (ones @ other_ones).toarray()
    dots, own_squares, their_squares = (
        matrix.toarray().astype(np.float64) for matrix in (own @ others, squares @ other_ones, ones @ other_squares)
    )
    if pearson:
        n = np.maximum(both, 1)
        own_sums, their_sums = (own @ other_ones).toarray(), (ones @ others).toarray()
        dots = dots - own_sums * their_sums / n
        own_squares, their_squares = own_squares - own_sums**2 / n, their_squares - their_sums**2 / n
    product = own_squares * their_squares  # rounding leaves tiny values where nothing varies
    similar = np.divide(dots, np.sqrt(np.maximum(product, 0)), out=np.zeros_like(dots), where=product > 1e-9)
    if shrinkage:
        similar *= both / (both + shrinkage)
    return similar.astype(np.float32)


def require_at_least(owner: object, minimum: float, names: Sequence[str]) -> None:
    """Check the parameters. Errors: ValueError naming the first attribute that is too small or not a number."""
    for name in names:
        if not getattr(owner, name) >= minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {getattr(owner, name)}")


def _shrink_means(groups: npt.NDArray[np.integer], values: Doubles, n: int, shrinkage: float) -> Doubles:
    sums, counts = np.bincount(groups, values, n), np.bincount(groups, minlength=n)
    return np.divide(sums, counts + shrinkage, out=np.zeros(n), where=counts > 0)


def _raise_to_powers(ratings: csr_array) -> tuple[csr_array, csr_array]:
    """Return the same entries to the powers 0 and 2."""
    return replace_data(ratings, np.ones(ratings.nnz)), replace_data(ratings, np.square(ratings.data))
