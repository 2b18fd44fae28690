"""EASE: a linear item-to-item model with a closed-form solution."""

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import spotrf, spotri
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, register, require_weight
from recommendations.engine.algorithms.spec import LONG_HALF_LIVES, MEGABYTE, AlgorithmSpec, DataSize, SearchSpace
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import ENTRYWISE, weight_entries
from recommendations.engine.linear_algebra.sparse import make_csr, multiply, select_columns, transpose
from recommendations.engine.online.context import OnlineScorer, SummedWeights
from recommendations.engine.online.linear_scorer import LinearScorer

BYTES_PER_CELL = 4.5  # one float32 matrix and blocks of it
BLOCK_CELLS = 8_000_000
BEYOND_CHOICES = ("head", "refuse")


class TooManyItemsError(ValueError):
    """The dense items × items matrix of the catalog exceeds the limits."""


# What training tries: the inverse takes O(items³), about 108 s for 12,000 items on two cores, so 4,000 take about 4 s.
TRAINING_MAX_ITEMS = 4_000


def _estimate_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of the dense matrix of the learned items, of their k weights, and of the matrix with its transpose."""
    n = min(size.items, parameters["max_items"])
    return (BYTES_PER_CELL * n * n + 2 * 8 * n * min(parameters["k"], n) + 2 * 8 * size.entries) / MEGABYTE


@register
class EASE(Algorithm):
    """score(u, ·) = x_u · B with B = I − P · diag(1 / diag P), P = (XᵀX + λ I)⁻¹; the diagonal of B is 0.

    x are the weights under `weighting`, λ is `regularization`. The k entries of each row of B with the largest magnitude are kept. P
    needs a dense items × items matrix, limited by `max_items` and `memory_mb`. For a larger catalog only the products that most users
    have are learned and the others get no score (`beyond` = "head"), or fit raises TooManyItemsError ("refuse"). Source: Steck,
    "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.

    XᵀX + λ I is scaled to a diagonal of ones before it is inverted in place, so that float32 is precise enough.
    """

    name = "ease"
    fitted = ("weights_", "head_")
    spec = AlgorithmSpec(
        label=translatable("Linear model (EASE)"),
        search=SearchSpace(
            order=140,
            start={"regularization": 200.0, "half_life_days": None},
            values={
                "regularization": (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0),
                "half_life_days": LONG_HALF_LIVES,
            },
            estimate_mb=_estimate_mb,
            fixed={"k": 200, "max_items": TRAINING_MAX_ITEMS},
        ),
    )

    def __init__(
        self,
        regularization: float = 200.0,
        k: int = 500,
        max_items: int = 15_000,
        memory_mb: int = 2_000,
        beyond: str = "head",
        weighting: str = "binary",
        half_life_days: float | None = None,
    ):
        self.regularization = regularization
        self.k = k
        self.max_items = max_items
        self.memory_mb = memory_mb
        self.beyond = beyond
        self.weighting = weighting
        self.half_life_days = half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.k < 1 or not self.regularization > 0:
            raise ValueError(f"k must be at least 1 and regularization above 0, got {self.k} and {self.regularization}")
        weights = weight_entries(interactions.build_user_items(half_life_days=self.half_life_days), self.weighting)
        self.head_ = self._select_head(np.bincount(weights.indices, minlength=weights.shape[1]))
        learned = csr_array(weights[:, self.head_])
        dense = _compute_item_weights(learned, self.regularization)
        self.weights_ = _keep_largest_weights(dense, self.k, self.head_, interactions.n_items)
        return self

    def score(self, histories: Histories) -> csr_array:
        return multiply(self._build_rows(histories), self.weights_)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        row = self._build_rows(history)
        parts = select_columns(self.weights_, row.indices, items) * row.data[:, None]
        return [Attribution(self.name, row.indices, parts)]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        if self.weighting not in ENTRYWISE:
            return super().make_online_scorer(for_similar=for_similar)
        return LinearScorer(self.weights_, SummedWeights(self.half_life_days, self.weighting))

    def _build_rows(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.weights_.shape[0])
        return weight_entries(histories.build_matrix(half_life_days=self.half_life_days), self.weighting)

    def _select_head(self, counts: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """Return rows of the items to learn, ascending: all with an interaction, or the most bought ones that fit."""
        if self.beyond not in BEYOND_CHOICES:
            raise ValueError(f"beyond must be one of {', '.join(BEYOND_CHOICES)}, got {self.beyond!r}")
        n_bought = int((counts > 0).sum())
        limit = min(self.max_items, isqrt(int(self.memory_mb * 1e6 / BYTES_PER_CELL)))
        if limit < 1:
            raise ValueError(f"max_items and memory_mb leave no item: {self.max_items} and {self.memory_mb}")
        if n_bought > limit and self.beyond == "refuse":
            raise TooManyItemsError(
                f"ease: {n_bought} products need {n_bought**2 * BYTES_PER_CELL / 1e6:.0f} MB; max_items={self.max_items} and "
                f"memory_mb={self.memory_mb} allow {limit}. Raise them, or set beyond='head' to learn the most bought ones."
            )
        most_bought = np.argsort(-counts, kind="stable")[: min(n_bought, limit)]
        return np.sort(most_bought).astype(np.int32)


def _compute_item_weights(weights: csr_array, regularization: float) -> npt.NDArray[np.float32]:
    """Return B of all columns of `weights`, dense."""
    n_items = weights.shape[1]
    system = np.empty((n_items, n_items), np.float32)
    item_users = transpose(weights)
    for rows in _list_blocks(n_items):
        system[rows] = multiply(item_users[rows], weights).toarray()
    scales = 1.0 / np.sqrt(np.diag(system).astype(np.float64) + regularization)
    system[np.diag_indices(n_items)] += np.float32(regularization)
    for rows in _list_blocks(n_items):
        system[rows] *= (scales[rows, None] * scales).astype(np.float32)
    # The transpose of a C array is the same symmetric matrix in Fortran's order: LAPACK works in place.
    factor, error_code = spotrf(system.T, lower=1, overwrite_a=1, clean=0)
    inverse, inverse_error_code = spotri(factor, lower=1, overwrite_c=1) if not error_code else (factor, error_code)
    if error_code or inverse_error_code:
        raise ValueError(f"ease: the matrix is not positive definite; raise regularization above {regularization}")
    return _convert_inverse(inverse.T, scales)


def _convert_inverse(upper: npt.NDArray[np.float32], scales: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Compute −P_ij / P_jj from the upper triangle of the inverse of the scaled matrix, in place, 0 on the diagonal."""
    # LAPACK fills one triangle only. It is mirrored block by block, so that no second matrix is needed.
    for rows in _list_blocks(len(upper)):
        upper[rows, : rows.start] = upper[: rows.start, rows].T
        square = upper[rows, rows]
        square[:] = np.triu(square) + np.triu(square, 1).T
    column_factors = -scales / (np.diag(upper) * scales**2)
    for rows in _list_blocks(len(upper)):
        upper[rows] *= (scales[rows, None] * column_factors).astype(np.float32)
    upper[np.diag_indices(len(upper))] = 0
    return upper


def _keep_largest_weights(
    weights: npt.NDArray[np.float32], k: int, head: npt.NDArray[np.int32], n_items: int
) -> csr_array:
    """Return the k entries of each row with the largest magnitude, rows and columns numbered by the catalog."""
    width = min(k, len(head))
    columns, values = [], []
    for rows in _list_blocks(len(head)):
        block = weights[rows]
        largest = np.sort(np.argpartition(-np.abs(block), width - 1, axis=1)[:, :width], axis=1)
        columns.append(head[largest].ravel())
        values.append(np.take_along_axis(block, largest, axis=1).ravel())
    lengths = np.zeros(n_items, np.int64)
    lengths[head] = width
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    kept_weights = make_csr(np.concatenate(values), np.concatenate(columns), indptr, (n_items, n_items))
    kept_weights.eliminate_zeros()
    return kept_weights


def _list_blocks(n: int) -> list[slice]:
    size = max(1, BLOCK_CELLS // max(n, 1))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
