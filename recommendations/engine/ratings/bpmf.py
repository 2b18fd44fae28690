"""Bayesian probabilistic matrix factorization: rating predictions averaged over samples of factor models."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Attribution, Scores, register, require_weight
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import multiply_dense_matrices, transpose
from recommendations.engine.ratings.base import (
    Doubles,
    RatingAlgorithm,
    make_rating_spec,
    require_at_least,
    select_newest_ratings,
)
from recommendations.engine.ratings.kernels import (
    add_implicit_links,
    draw_implicit_links,
    draw_vectors,
    sum_squared_errors,
)

MEAN_STRENGTH = 2.0  # β_0: prior weight of the mean 0, in vectors
LINK_SHAPE, LINK_RATE = 1.0, 1.0  # of the gamma prior of λ
NOISE_SHAPE, NOISE_RATE = 1.0, 1.0  # of the gamma prior of α


@register
class RatingBPMF(RatingAlgorithm):
    """r_ui ~ N(μ + b_u + c_i + p_u · q_i, 1 / α), sampled: Bayesian probabilistic matrix factorization, with biases.

    a_u = (p_u, b_u) ~ N(m + |N_u|^−½ Σ_{j ∈ N_u} y_j, Λ⁻¹), N_u the items u rated, y_j ~ N(0, (λ Λ)⁻¹), and (m, Λ) normal–Wishart;
    likewise (q_i, c_i) of an item with the users who rated it; without `implicit` there is no y. Gibbs sampling runs `burn_in` rounds
    and then keeps every `thinning`-th round until it has `samples`. r̂ is the mean over the samples of μ + c_i + E[a_u | history,
    sample] · (q_i, 1): the user is integrated out instead of sampled, so every history, known or new, has a prediction.

    Weights are ratings; the newest of a pair counts. Sources: Salakhutdinov & Mnih, ICML 2008; a side's own ratings as its side
    information: Simm et al., "Macau", MLSP 2017; the meaning of y: Koren, KDD 2008, section 4.
    """

    name = "rating-bpmf"
    fitted = (
        "item_vectors_",
        "implicit_vectors_",
        "user_means_",
        "user_precisions_",
        "noise_precisions_",
        "overall_mean_",
    )
    spec = make_rating_spec(translatable("Rating matrix factorization (Bayesian)"))

    def __init__(
        self,
        factors: int = 16,
        implicit: bool = True,
        burn_in: int = 40,
        samples: int = 40,
        thinning: int = 4,
        seed: int = 0,
    ):
        self.factors = factors
        self.implicit = implicit
        self.burn_in = burn_in
        self.samples = samples
        self.thinning = thinning
        self.seed = seed

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        require_at_least(self, 1, ("factors", "samples", "thinning"))
        require_at_least(self, 0, ("burn_in",))
        ratings = select_newest_ratings(interactions.build_histories())
        mean = float(ratings.data.mean(dtype=np.float64))
        rng = np.random.default_rng(self.seed)
        user_items = _Ratings.of(ratings, mean)
        item_users = _Ratings.of(transpose(ratings), mean)
        users = _Side(user_items, item_users, self.factors, self.implicit, rng)
        items = _Side(item_users, user_items, self.factors, self.implicit, rng)
        variance = float(ratings.data.var(dtype=np.float64))
        noise = 1.0 / variance if variance > 0 else 1.0
        kept_samples = []
        for number in range(1, self.burn_in + self.samples * self.thinning + 1):
            users.draw(items.vectors, noise, rng)
            items.draw(users.vectors, noise, rng)
            noise = _draw_noise_precision(user_items, users.vectors, items.vectors, rng)
            if number > self.burn_in and (number - self.burn_in) % self.thinning == 0:
                # The kernel updates the links in place; all other arrays are new in each round.
                kept_samples.append((items.vectors, users.links.copy(), users.mean, users.precision, noise))
        vectors, links, means, precisions, noises = zip(*kept_samples, strict=True)
        self.item_vectors_ = np.stack(vectors).astype(np.float32)
        self.implicit_vectors_ = np.stack(links).astype(np.float32)
        self.user_means_, self.user_precisions_ = np.stack(means), np.stack(precisions)
        self.noise_precisions_, self.overall_mean_ = np.array(noises), np.array([mean])
        return self

    def score(self, histories: Histories) -> Scores:
        ratings = self._select_ratings(histories)
        size = self.item_vectors_.shape[2]
        user_vectors = np.empty((len(histories), len(self.item_vectors_), size), np.float32)
        for sample, vectors in enumerate(self.item_vectors_):
            user_vectors[:, sample] = self._compute_expected(ratings, sample, vectors.astype(np.float64))
        # The mean over samples of a_u · (q_i, 1) is one product of concatenated vectors.
        features = np.stack([_build_features(vectors) for vectors in self.item_vectors_])
        stacked_features = features.transpose(0, 2, 1).reshape(-1, histories.n_items) / np.float32(
            len(self.item_vectors_)
        )
        base = float(self.overall_mean_[0]) + self.item_vectors_[:, :, -1].mean(axis=0, dtype=np.float64)
        return multiply_dense_matrices(user_vectors.reshape(len(user_vectors), -1), stacked_features) + base.astype(
            np.float32
        )

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        """Split the scores: E[a_u | history] is linear in the ratings and the y, so each sample gives each item its part."""
        ratings, mean = self._select_ratings(history), float(self.overall_mean_[0])
        rated, columns, parts = ratings.indices, list(items), np.zeros((ratings.nnz + 1, len(items)))
        parts[-1] = mean
        scale = 1.0 / np.sqrt(max(1, ratings.nnz))
        for sample, item_vectors in enumerate(self.item_vectors_.astype(np.float64)):
            features, precision = _build_features(item_vectors), self.user_precisions_[sample]
            noise = self.noise_precisions_[sample]
            system = precision + noise * features[rated].T @ features[rated]
            solutions = np.linalg.solve(system, features[columns].T)
            residuals = noise * (ratings.data - mean - item_vectors[rated, -1])
            implicit_parts = scale * self.implicit_vectors_[sample][rated].astype(np.float64) @ precision
            parts[:-1] += (features[rated] * residuals[:, None] + implicit_parts) @ solutions / len(self.item_vectors_)
            parts[-1] += (item_vectors[columns, -1] + self.user_means_[sample] @ precision @ solutions) / len(
                self.item_vectors_
            )
        return [Attribution(self.name, np.append(rated, np.int32(-1)), parts)]

    def _compute_expected(self, ratings: csr_array, number: int, item_vectors: Doubles) -> Doubles:
        """Return E[a_u | history, sample `number`] of each row, shape (n, factors + 1)."""
        links = self.implicit_vectors_[number].astype(np.float64)
        targets = ratings.data - float(self.overall_mean_[0]) - item_vectors[ratings.indices, -1]
        lengths = np.diff(ratings.indptr)
        offsets = np.zeros((len(lengths), item_vectors.shape[1]))
        add_implicit_links(ratings.indptr, ratings.indices, _compute_scales(lengths), links, offsets)
        precision = self.user_precisions_[number]
        return _draw_posterior(
            _Ratings(ratings.indptr, ratings.indices, targets),
            _build_features(item_vectors),
            (self.user_means_[number] + offsets) @ precision,
            precision,
            float(self.noise_precisions_[number]),
            np.zeros_like(offsets),
        )

    def _select_ratings(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.item_vectors_.shape[1])
        return select_newest_ratings(histories)


class _Ratings(NamedTuple):
    """Rows of a rating matrix, minus the overall mean."""

    indptr: npt.NDArray[np.integer]
    indices: npt.NDArray[np.integer]
    values: Doubles

    @classmethod
    def of(cls, matrix: csr_array, mean: float) -> "_Ratings":
        return cls(matrix.indptr, matrix.indices, matrix.data.astype(np.float64) - mean)


class _Side:
    """One side of the model, users or items: its last drawn vectors (n, factors + 1), bias last, and their prior."""

    def __init__(self, own: _Ratings, other: _Ratings, factors: int, implicit: bool, rng: np.random.Generator) -> None:
        self.own, self.other, self.implicit = own, other, implicit
        self.scales = _compute_scales(np.diff(own.indptr))
        n, size = len(self.scales), factors + 1
        self.vectors = rng.normal(0, 0.1, (n, size))
        self.mean, self.precision = np.zeros(size), np.eye(size)
        self.links = np.zeros((len(other.indptr) - 1, size))
        self.link_ridge = 1.0
        self.offsets = np.zeros((n, size))

    def draw(self, others: Doubles, noise: float, rng: np.random.Generator) -> None:
        """Draw the prior given the vectors, then the vectors given those of the other side."""
        self._draw_prior(rng)
        if self.implicit:
            self._draw_links(rng)
        residuals = self.own._replace(values=self.own.values - others[self.own.indices, -1])
        pulls = (self.mean + self.offsets) @ self.precision
        noises = rng.normal(size=self.vectors.shape)
        self.vectors = _draw_posterior(residuals, _build_features(others), pulls, self.precision, noise, noises)

    def _draw_prior(self, rng: np.random.Generator) -> None:
        """Draw m and Λ from their normal–Wishart conditional."""
        residuals = self.vectors - self.offsets
        n, size = residuals.shape
        mean = residuals.mean(axis=0)
        scatter = np.eye(size) + (residuals - mean).T @ (residuals - mean)
        scatter += np.outer(mean, mean) * (MEAN_STRENGTH * n / (MEAN_STRENGTH + n))
        freedom = size + n
        if self.implicit:
            scatter += self.link_ridge * self.links.T @ self.links
            freedom += len(self.links)
        self.precision = _draw_wishart(scatter, freedom, rng)
        spread = _compute_half_inverse(self.precision) @ rng.normal(size=size)
        self.mean = mean * (n / (MEAN_STRENGTH + n)) + spread / np.sqrt(MEAN_STRENGTH + n)

    def _draw_links(self, rng: np.random.Generator) -> None:
        """Draw each y in turn, then λ."""
        residuals = self.vectors - self.mean - self.offsets
        noises = rng.normal(size=self.links.shape) @ _compute_half_inverse(self.precision).T
        draw_implicit_links(
            self.other.indptr, self.other.indices, self.scales, self.link_ridge, noises, residuals, self.links
        )
        self.offsets = self.vectors - self.mean - residuals
        size = np.einsum("jk,kl,jl->", self.links, self.precision, self.links)
        self.link_ridge = rng.gamma(LINK_SHAPE + self.links.size / 2) / (LINK_RATE + size / 2)


def _draw_posterior(
    own: _Ratings, features: Doubles, pulls: Doubles, precision: Doubles, noise: float, noises: Doubles
) -> Doubles:
    """Return each row's vector given its ratings: the posterior mean if `noises` are 0, a draw if they are standard normal."""
    vectors = np.empty_like(pulls)
    map_blocks(
        lambda start, stop: draw_vectors(
            own.indptr[start : stop + 1], own.indices, own.values, features, pulls[start:stop], precision, noise,
            noises[start:stop], vectors[start:stop],
        ),
        len(vectors),
        smallest=32,
    )  # fmt: skip
    return vectors


def _build_features[Kind: np.floating](vectors: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """Return the features of the other side: its factors, and 1 for the bias."""
    features = vectors.copy()
    features[:, -1] = 1
    return features


def _compute_scales(lengths: npt.NDArray[np.integer]) -> Doubles:
    """Return n^−½."""
    return 1.0 / np.sqrt(np.maximum(lengths, 1))


def _draw_noise_precision(ratings: _Ratings, users: Doubles, items: Doubles, rng: np.random.Generator) -> float:
    """Draw α given everything else, from a gamma distribution."""
    squared_errors = sum_squared_errors(ratings.indptr, ratings.indices, ratings.values, users, items)
    return rng.gamma(NOISE_SHAPE + len(ratings.values) / 2) / (NOISE_RATE + squared_errors / 2)


def _draw_wishart(scatter: Doubles, freedom: int, rng: np.random.Generator) -> Doubles:
    """Draw from a Wishart distribution with mean freedom · scatter⁻¹, by Bartlett's decomposition."""
    size = len(scatter)
    lower = np.tril(rng.normal(size=(size, size)), -1)
    lower[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    root = _compute_half_inverse(scatter) @ lower
    return root @ root.T


def _compute_half_inverse(precision: Doubles) -> Doubles:
    """Return a matrix H with H Hᵀ = precision⁻¹."""
    return np.linalg.inv(np.linalg.cholesky(precision)).T
