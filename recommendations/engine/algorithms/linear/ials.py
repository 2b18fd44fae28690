"""Implicit alternating least squares (iALS): weighted matrix factorization of implicit feedback."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, Scores, register, require_weight
from recommendations.engine.algorithms.linear.kernels import descend_rows, solve_rows
from recommendations.engine.algorithms.spec import LONG_HALF_LIVES, MEGABYTE, AlgorithmSpec, DataSize, SearchSpace
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import weight_entries
from recommendations.engine.linear_algebra.low_rank import compute_largest_singular_value
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import (
    invert_entries,
    multiply_dense_matrices,
    scale_columns,
    scale_rows,
    transpose,
)


def _estimate_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of the vectors of users and items, twice while fitted, and of the matrix and its transpose."""
    return (4 * parameters["factors"] * (size.items + size.users) * 2 + 2 * 8 * size.entries) / MEGABYTE


@register
class IALS(Algorithm):
    """score(u, i) = x_u · y_i with x and y from regularized weighted least squares.

    The objective is Σ_(u,i) w_ui (1 − x_u · y_i)² + α Σ_u Σ_i (x_u · y_i)² + λ (Σ_u s_u |x_u|² + Σ_i s_i |y_i|²).

    The first sum is over the pairs in the data, with w their weights under `weighting`; s_u = (n_u + α · items)^ν and s_i = (n_i + α ·
    users)^ν with n the number of entries and ν `frequency_exponent`. Each of `iterations` sweeps once over users and once over items,
    by `steps` conjugate-gradient steps from the previous solution. User vectors are not stored: that of any history, known or new, is
    the exact solution given the items' vectors.

    α and λ are scaled so that they mean the same in every catalog. α · users · items = `unobserved_weight` · Σ w: all pairs together
    weigh that many times the pairs in the data. λ = `regularization` · λ₀, 0 < `regularization` < 1, with λ₀ the largest singular value
    of diag(s_u)^−½ · W · diag(s_i)^−½: around 0 the objective is λ (Σ s_u |x_u|² + Σ s_i |y_i|²) − 2 Σ w_ui x_u · y_i, so from λ₀ on 0
    is a minimum and every vector collapses to it; an absolute λ that suits one shop would cause this collapse in a shop with many more products.

    Sources: Hu, Koren & Volinsky, ICDM 2008; s, ν and the weight of all pairs: Rendle et al., RecSys 2022; conjugate gradients:
    Takács et al., RecSys 2011. λ₀ is our own.
    """

    name = "ials"
    fitted = ("item_vectors_", "gram_", "penalties_")
    spec = AlgorithmSpec(
        label=translatable("Matrix factorization (iALS)"),
        search=SearchSpace(
            order=120,
            start={
                "factors": 32,
                "unobserved_weight": 16.0,
                "regularization": 0.05,
                "iterations": 6,
                "half_life_days": 180.0,
            },
            values={
                "unobserved_weight": (2.0, 5.0, 16.0, 50.0),
                "regularization": (0.01, 0.02, 0.05, 0.1, 0.2),
                "factors": (16, 32, 64),
                "half_life_days": LONG_HALF_LIVES,
            },
            estimate_mb=_estimate_mb,
        ),
    )

    def __init__(
        self,
        factors: int = 64,
        regularization: float = 0.05,
        unobserved_weight: float = 16.0,
        frequency_exponent: float = 1.0,
        iterations: int = 12,
        steps: int = 3,
        weighting: str = "binary",
        half_life_days: float | None = None,
        seed: int = 0,
    ):
        self.factors = factors
        self.regularization = regularization
        self.unobserved_weight = unobserved_weight
        self.frequency_exponent = frequency_exponent
        self.iterations = iterations
        self.steps = steps
        self.weighting = weighting
        self.half_life_days = half_life_days
        self.seed = seed

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        for name in ("factors", "iterations", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (0 < self.regularization < 1 and self.unobserved_weight >= 0):
            raise ValueError(
                "regularization must be above 0 and below 1 and unobserved_weight at least 0, "
                f"got {self.regularization} and {self.unobserved_weight}"
            )
        user_items = weight_entries(interactions.build_user_items(half_life_days=self.half_life_days), self.weighting)
        self.penalties_ = self._compute_penalties(user_items)
        item_users = transpose(user_items)
        draws = np.random.default_rng(self.seed)
        items = draws.normal(0, 0.1 / np.sqrt(self.factors), (interactions.n_items, self.factors)).astype(np.float32)
        # The first half-sweep computes the users from the items, so only the items need a random start.
        users = np.zeros((interactions.n_users, self.factors), np.float32)
        for _ in range(self.iterations):
            self._descend(user_items, items, users)
            self._descend(item_users, users, items)
        self.item_vectors_ = items
        self.gram_ = self._compute_gram(items)
        return self

    def compute_vectors(self, histories: Histories) -> npt.NDArray[np.float32]:
        """Return x of each history, (n, factors); zeros for an empty one."""
        rows = self._build_rows(histories)
        ridges = self._compute_ridges(rows, len(self.item_vectors_))
        vectors = np.empty((rows.shape[0], self.item_vectors_.shape[1]), np.float32)
        map_blocks(
            lambda start, stop: solve_rows(
                rows.indptr[start : stop + 1], rows.indices, rows.data, self.gram_, ridges[start:stop],
                self.item_vectors_, vectors[start:stop],
            ),
            len(vectors),
        )  # fmt: skip
        return vectors

    def score(self, histories: Histories) -> Scores:
        vectors = self.compute_vectors(histories)
        scores = multiply_dense_matrices(vectors, self.item_vectors_.T)
        scores[~vectors.any(axis=1)] = -np.inf
        return scores

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        """Split the scores: x_u = Σ_j w_uj S⁻¹ y_j with S the system solved, a sum over the history (Hu et al., 5)."""
        row = self._build_rows(history)
        if not row.nnz:
            return []
        own = self.item_vectors_[row.indices].astype(np.float64)
        ridge = float(self._compute_ridges(row, len(self.item_vectors_))[0])
        system = self.gram_ + ridge * np.eye(len(self.gram_)) + own.T @ (own * row.data[:, None])
        solutions = np.linalg.solve(system, self.item_vectors_[list(items)].T.astype(np.float64))
        return [Attribution(self.name, row.indices, (own * row.data[:, None]) @ solutions)]

    def _descend(self, matrix: csr_array, others: npt.NDArray[np.float32], rows: npt.NDArray[np.float32]) -> None:
        gram = self._compute_gram(others).astype(np.float32)
        ridges = self._compute_ridges(matrix, len(others))
        map_blocks(
            lambda start, stop: descend_rows(
                matrix.indptr[start : stop + 1], matrix.indices, matrix.data, gram, ridges[start:stop],
                others, self.steps, rows[start:stop],
            ),
            len(rows),
        )  # fmt: skip

    def _compute_penalties(self, user_items: csr_array) -> npt.NDArray[np.float64]:
        """Return α and λ."""
        n_users, n_items = user_items.shape
        alpha = self.unobserved_weight * float(user_items.sum(dtype=np.float64)) / n_users / n_items
        user_scales = self._compute_scales(np.diff(user_items.indptr), alpha, n_items)
        item_scales = self._compute_scales(np.bincount(user_items.indices, minlength=n_items), alpha, n_users)
        scaled = scale_columns(
            scale_rows(user_items, np.sqrt(invert_entries(user_scales))), np.sqrt(invert_entries(item_scales))
        )
        return np.array([alpha, self.regularization * compute_largest_singular_value(scaled)])

    def _compute_scales(self, counts: npt.NDArray[np.integer], alpha: float, n_others: int) -> npt.NDArray[np.float64]:
        """Return s = (n + α · n_others)^ν of each row."""
        return np.asarray((counts + alpha * n_others) ** self.frequency_exponent, np.float64)

    def _compute_gram(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return α Σ y yᵀ, the part of every row's system that the unobserved pairs cause."""
        return self.penalties_[0] * (vectors.T @ vectors).astype(np.float64)

    def _compute_ridges(self, matrix: csr_array, n_others: int) -> npt.NDArray[np.float32]:
        """Return λ s of each row."""
        alpha, scale = self.penalties_
        return (scale * self._compute_scales(np.diff(matrix.indptr), alpha, n_others)).astype(np.float32)

    def _build_rows(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.item_vectors_))
        return weight_entries(histories.build_matrix(half_life_days=self.half_life_days), self.weighting)
