"""Clusters of users with similar purchases, and the items each cluster buys more often than others."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, register, require_weight
from recommendations.engine.algorithms.spec import AlgorithmSpec
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import compute_inverse_frequency, weight_entries
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import (
    list_entry_rows,
    make_csr,
    multiply,
    normalize_rows,
    scale_columns,
)

USERS_PER_CLUSTER = 20
CONVERGED_SHARE = 0.001  # stop when fewer than this share of users change their cluster


@register
class UserClusters(Algorithm):
    """score(u, i) = p_ci / p_i^β for the cluster c of the history: `damping` β = 1 gives the lift, 0 the share within the cluster.

    p_i is the share of all users who have i, p_ci = (n_ci + s · p_i) / (n_c + s) that of the n_c users of the cluster, shrunk
    toward p_i by s = `smoothing` additional users; products that fewer than `min_count` users of the cluster have get no score. Clusters
    come from spherical k-means on the users' vectors (log weights times inverse frequency), seeded by k-means++; at most one for every
    20 users. Sources: Dhillon & Modha, Machine Learning 2001; Arthur & Vassilvitskii, SODA 2007; lift: Brin et al., 1997.
    """

    name = "clusters"
    fitted = ("centers_", "item_factors_", "lifts_", "sizes_")
    spec = AlgorithmSpec(
        label=translatable("Customers of the same cluster"),
        not_tried="All customers of a cluster get the same scores; the cold-start model uses the clusters for customers without a history instead.",
    )

    def __init__(
        self,
        clusters: int = 30,
        damping: float = 0.5,
        smoothing: float = 10.0,
        min_count: int = 2,
        iterations: int = 20,
        half_life_days: float | None = None,
        seed: int = 0,
    ):
        self.clusters = clusters
        self.damping = damping
        self.smoothing = smoothing
        self.min_count = min_count
        self.iterations = iterations
        self.half_life_days = half_life_days
        self.seed = seed

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.clusters < 1 or self.iterations < 1 or self.smoothing < 0:
            raise ValueError(
                "clusters and iterations must be at least 1 and smoothing at least 0, "
                f"got {self.clusters}, {self.iterations} and {self.smoothing}"
            )
        weights = weight_entries(interactions.build_user_items(half_life_days=self.half_life_days), "log")
        self.item_factors_ = compute_inverse_frequency(weights)
        vectors = normalize_rows(scale_columns(weights, self.item_factors_))
        # A user without items has no direction and no cluster.
        active_users = np.flatnonzero(np.diff(vectors.indptr))
        vectors, weights = vectors[active_users], weights[active_users]
        self.centers_ = self._compute_centers(vectors)
        members = _build_membership(_find_nearest(vectors, self.centers_), len(self.centers_.T))
        self.sizes_ = np.bincount(members.indices, minlength=members.shape[1])
        self.lifts_ = self._compute_lifts(members, weight_entries(weights, "binary"))
        return self

    def cluster(self, histories: Histories) -> npt.NDArray[np.int32]:
        """Return the cluster of each history, -1 for one without a known item."""
        self.require_fit()
        self.require_histories(histories, len(self.item_factors_))
        weights = weight_entries(histories.build_matrix(half_life_days=self.half_life_days), "log")
        vectors = normalize_rows(scale_columns(weights, self.item_factors_))
        return np.where(np.diff(vectors.indptr) > 0, _find_nearest(vectors, self.centers_), -1).astype(np.int32)

    def score(self, histories: Histories) -> csr_array:
        return multiply(_build_membership(self.cluster(histories), self.lifts_.shape[0]), self.lifts_)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        scores = self.score(history).toarray()[:, list(items)]
        return [Attribution(self.name, np.array([-1], np.int32), scores)]

    def _compute_centers(self, vectors: csr_array) -> npt.NDArray[np.float32]:
        """Return the clusters' mean directions (items, clusters), of length 1."""
        n = max(1, min(self.clusters, vectors.shape[0] // USERS_PER_CLUSTER))
        centers = _draw_first_centers(vectors, n, self.seed)
        n = centers.shape[1]
        before = np.empty(0, np.int32)
        for _ in range(self.iterations):
            nearest = _find_nearest(vectors, centers)
            if len(before) and (nearest != before).mean() < CONVERGED_SHARE:
                break
            before = nearest
            sums = multiply(csr_array(_build_membership(nearest, n).T), vectors).toarray()
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            # A cluster without users keeps its center.
            centers = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centers.T).T
        return np.ascontiguousarray(centers, np.float32)

    def _compute_lifts(self, members: csr_array, has: csr_array) -> csr_array:
        """Return CSR (clusters, items) of p_ci / p_i^β."""
        counts = multiply(csr_array(members.T), has)
        share = np.bincount(has.indices, minlength=has.shape[1]) / has.shape[0]
        rows = list_entry_rows(counts)
        is_frequent = counts.data >= self.min_count
        rows, items, pair_counts = rows[is_frequent], counts.indices[is_frequent], counts.data[is_frequent]
        within = (pair_counts + self.smoothing * share[items]) / (self.sizes_[rows] + self.smoothing)
        indptr = np.searchsorted(rows, np.arange(counts.shape[0] + 1))
        return make_csr(within / share[items] ** self.damping, items, indptr, counts.shape)


def _draw_first_centers(vectors: csr_array, n: int, seed: int) -> npt.NDArray[np.float32]:
    """Draw rows in turn, with probabilities proportional to the squared distance to the nearest drawn row (k-means++)."""
    rng = np.random.default_rng(seed)
    rows = [int(rng.integers(vectors.shape[0]))]
    distance = np.full(vectors.shape[0], 2.0)  # 1 − cosine, half the squared distance of vectors of length 1
    while len(rows) < n:
        newest = vectors[[rows[-1]]].toarray().ravel()
        distance = np.minimum(distance, np.maximum(1.0 - vectors @ newest, 0.0))
        total = distance.sum()
        if not total > 1e-6:
            break
        rows.append(int(np.searchsorted(np.cumsum(distance), rng.random() * total)))
    return vectors[rows].toarray().T


def _find_nearest(vectors: csr_array, centers: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    parts = map_blocks(
        lambda start, stop: (vectors[start:stop] @ centers).argmax(axis=1).astype(np.int32), vectors.shape[0]
    )
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _build_membership(cluster: npt.NDArray[np.int32], n: int) -> csr_array:
    """Return CSR (users, n) with a 1 at each user's cluster; -1: none."""
    known = cluster >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])
    return make_csr(np.ones(int(known.sum())), cluster[known], indptr, (len(cluster), n))
