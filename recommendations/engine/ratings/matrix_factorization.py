"""Matrix factorization of ratings with implicit feedback (SVD++)."""

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
from recommendations.engine.linear_algebra.sparse import multiply_dense_matrices
from recommendations.engine.ratings.base import (
    RatingAlgorithm,
    make_rating_spec,
    require_at_least,
    select_newest_ratings,
)
from recommendations.engine.ratings.kernels import fold_in_users, run_descent_epoch


@register
class RatingFactors(RatingAlgorithm):
    """r̂_ui = μ + b_u + b_i + q_i · (p_u + |N_u|^−½ Σ_{j ∈ N_u} y_j), N_u the items u rated (SVD++; without `implicit` no y: SVD).

    Fitted by stochastic gradient descent, one rating at a time, for `epochs` with step `learning_rate`, on
    Σ (r_ui − r̂_ui)² + λ Σ_u n_u^ν |p_u|² + λ Σ_i n_i^ν (|q_i|² + |y_i|²) + λ_b (Σ_u n_u^ν b_u² + Σ_i n_i^ν b_i²), with n the number of
    ratings, ν `frequency_exponent`, λ `regularization`, λ_b `bias_regularization`. Users are visited in an order drawn from the seed;
    the y are updated once per user. p_u and b_u are not stored: those of any history, known or new, are the exact minimum given the
    items'. Weights are ratings; the newest of a pair counts. Sources: Koren, KDD 2008, section 4; ν: Zhou et al., AAIM 2008.
    """

    name = "rating-factors"
    fitted = ("item_vectors_", "implicit_vectors_", "item_biases_", "overall_mean_")
    spec = make_rating_spec(translatable("Rating matrix factorization (SVD++)"))

    def __init__(
        self,
        factors: int = 32,
        regularization: float = 0.5,
        bias_regularization: float = 0.1,
        frequency_exponent: float = 0.5,
        learning_rate: float = 0.01,
        epochs: int = 40,
        implicit: bool = True,
        seed: int = 0,
    ):
        self.factors = factors
        self.regularization = regularization
        self.bias_regularization = bias_regularization
        self.frequency_exponent = frequency_exponent
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.implicit = implicit
        self.seed = seed

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        require_at_least(self, 1, ("factors", "epochs"))
        if not (self.regularization > 0 and self.bias_regularization > 0 and self.learning_rate > 0):
            raise ValueError(
                "regularization, bias_regularization and learning_rate must be above 0, "
                f"got {self.regularization}, {self.bias_regularization} and {self.learning_rate}"
            )
        ratings = select_newest_ratings(interactions.build_histories())
        n_users, n_items = ratings.shape
        mean = np.float32(ratings.data.mean(dtype=np.float64))
        rng = np.random.default_rng(self.seed)
        users = rng.normal(0, 0.1, (n_users, self.factors)).astype(np.float32)
        items = rng.normal(0, 0.1, (n_items, self.factors)).astype(np.float32)
        counts = np.bincount(ratings.indices, minlength=n_items)
        items[counts == 0] = 0  # no rating would ever move them from their random start
        implicit = np.zeros_like(items)
        user_biases, item_biases = np.zeros(n_users, np.float32), np.zeros(n_items, np.float32)
        user_pulls, item_pulls = (
            self._compute_penalty_factors(np.diff(ratings.indptr)),
            self._compute_penalty_factors(counts),
        )
        for _ in range(self.epochs):
            run_descent_epoch(
                rng.permutation(n_users), ratings.indptr, ratings.indices, ratings.data - mean,
                np.float32(self.learning_rate), np.float32(self.regularization), np.float32(self.bias_regularization),
                user_pulls, item_pulls, self.implicit, users, items, implicit, user_biases, item_biases,
            )  # fmt: skip
        if not np.isfinite(items).all():
            raise ValueError(f"the descent diverged: learning_rate {self.learning_rate} is too large for these ratings")
        self.item_vectors_, self.implicit_vectors_, self.item_biases_ = items, implicit, item_biases
        self.overall_mean_ = np.array([mean], np.float64)
        return self

    def compute_vectors(self, histories: Histories) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        """Return p_u + |N_u|^−½ Σ y_j (n, factors) and b_u (n,) of each history; zeros for an empty one."""
        ratings = self._select_ratings(histories)
        ridges = np.diff(ratings.indptr) ** float(self.frequency_exponent)
        vectors, biases = np.zeros((len(histories), self.item_vectors_.shape[1]), np.float32), np.zeros(len(histories))
        residuals = self._compute_residuals(ratings)
        map_blocks(
            lambda start, stop: fold_in_users(
                ratings.indptr[start : stop + 1], ratings.indices, residuals, self.item_vectors_, self.implicit_vectors_,
                self.regularization * ridges[start:stop], self.bias_regularization * ridges[start:stop],
                vectors[start:stop], biases[start:stop],
            ),
            len(vectors),
        )  # fmt: skip
        return vectors, biases

    def score(self, histories: Histories) -> Scores:
        vectors, biases = self.compute_vectors(histories)
        base = float(self.overall_mean_[0]) + biases[:, None] + self.item_biases_
        return multiply_dense_matrices(vectors, self.item_vectors_.T) + base.astype(np.float32)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        """Split the scores: p_u and b_u are S⁻¹ Σ_j (q_j, 1) e_j, a sum over the history (S: the system solved, e_j: the residual)."""
        ratings = self._select_ratings(history)
        targets = self.item_vectors_[list(items)].astype(np.float64)
        base_scores = float(self.overall_mean_[0]) + self.item_biases_[list(items)].astype(np.float64)
        parts = np.zeros((ratings.nnz + 1, len(items)))
        parts[-1] = base_scores
        if ratings.nnz:
            own = self.item_vectors_[ratings.indices].astype(np.float64)
            implicit = self.implicit_vectors_[ratings.indices].astype(np.float64) / np.sqrt(ratings.nnz)
            residuals = self._compute_residuals(ratings) - own @ implicit.sum(axis=0)
            design = np.column_stack([own, np.ones(ratings.nnz)])
            ridge = np.full(design.shape[1], self.regularization)
            ridge[-1] = self.bias_regularization
            system = design.T @ design + np.diag(ridge * ratings.nnz**self.frequency_exponent)
            target_features = np.column_stack([targets, np.ones(len(items))])
            parts[:-1] = (design * residuals[:, None]) @ np.linalg.solve(
                system, target_features.T
            ) + implicit @ targets.T
        return [Attribution(self.name, np.append(ratings.indices, np.int32(-1)), parts)]

    def _compute_penalty_factors(self, counts: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return n^(ν − 1): the share of λ n^ν in one rating's step."""
        return (np.maximum(counts, 1) ** (self.frequency_exponent - 1.0)).astype(np.float32)

    def _compute_residuals(self, ratings: csr_array) -> npt.NDArray[np.float64]:
        return ratings.data - float(self.overall_mean_[0]) - self.item_biases_[ratings.indices].astype(np.float64)

    def _select_ratings(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.item_biases_))
        return select_newest_ratings(histories)
