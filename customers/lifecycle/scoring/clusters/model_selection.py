"""Selects the number of clusters.

The clusters should be well separated, and found again on another sample of the same customers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import Points, find_nearest
from customers.lifecycle.scoring.clusters.kmeans import run_kmeans
from customers.lifecycle.scoring.clusters.silhouette import compute_distances, silhouette_score
from customers.lifecycle.scoring.clusters.ward import fit_ward_centroids

METHODS: tuple[str, ...] = ("kmeans", "ward")
MIN_K, MAX_K = 3, 10
MIN_CUSTOMERS_PER_CLUSTER = 10  # on average: with fewer customers fewer clusters are tried
MIN_STABILITY = 0.75  # adjusted Rand index from which k counts as stable
SILHOUETTE_TOLERANCE = 0.02  # the previous k is kept if its silhouette is lower by at most this
STABILITY_TOLERANCE = 0.1  # of stability, likewise
EVALUATION_ROWS = 3_000
SAMPLE_ROWS = 20_000
WARD_ROWS = 4_000
STARTS, HALF_STARTS, SPLITS = 8, 3, 4

type CentroidFitter = Callable[[Points, Sequence[int], int], list[Floats]]


@dataclass(frozen=True)
class ClusterCandidate:
    """silhouette: −1…1, of a sample.

    stability: mean adjusted Rand index between fits on halves of a sample, 1 is equal.
    """

    k: int
    silhouette: float
    stability: float


def fit_kmeans(points: Points, ks: Sequence[int], seed: int, *, starts: int = STARTS) -> list[Floats]:
    """Return the k-means centroids of each k."""
    return [run_kmeans(points, k, starts=starts, seed=seed)[0] for k in ks]


def fit_halves(points: Points, ks: Sequence[int], seed: int) -> list[Floats]:
    """Return the k-means centroids of each k, with fewer starts."""
    return fit_kmeans(points, ks, seed, starts=HALF_STARTS)


def fit_ward(points: Points, ks: Sequence[int], seed: int) -> list[Floats]:
    """Return the Ward centroids of each k, from a sample of the points."""
    draws = np.random.default_rng((seed, 1))
    return fit_ward_centroids(points[sample_rows(len(points), WARD_ROWS, draws)], ks)


def list_candidate_ks(n_customers: int, n_different: int) -> range:
    """Return the numbers of clusters to try, 3…10.

    The limits are ten customers per cluster, and as many distinct customers as clusters.
    """
    return range(MIN_K, min(MAX_K, n_customers // MIN_CUSTOMERS_PER_CLUSTER, n_different) + 1)


def evaluate_candidates(
    points: Points, *, ks: Sequence[int], method: str, seed: int
) -> tuple[list[ClusterCandidate], list[Floats]]:
    """Evaluate every k.

    Return the metrics and the centroids of each, fitted to at most 20,000 of the points (m, d).
    Stability: four times the sample is split into random halves, each is fitted, and both fits label the evaluation rows; the adjusted
    Rand index compares the labels (1: same clusters, 0: random). Source: Hubert & Arabie, J. Classif. 1985; Ben-Hur et al., PSB 2002.
    """
    from sklearn.metrics import adjusted_rand_score  # web processes never need it, and would start more slowly

    fit, fit_half = (fit_kmeans, fit_halves) if method == "kmeans" else (fit_ward, fit_ward)
    draws = np.random.default_rng((seed, 2))
    sample = points[sample_rows(len(points), SAMPLE_ROWS, draws)]
    evaluation_points = sample[sample_rows(len(sample), EVALUATION_ROWS, draws)]
    centroids = fit(sample, ks, seed)
    distances = compute_distances(evaluation_points)
    silhouettes = [silhouette_score(distances, find_nearest(evaluation_points, fitted).label) for fitted in centroids]
    agreement = np.zeros((SPLITS, len(ks)))
    for split in range(SPLITS):
        order = draws.permutation(len(sample))
        halves = (order[: len(order) // 2], order[len(order) // 2 :])
        fits = [fit_half(sample[half], ks, seed + 1 + split) for half in halves]
        for index, (first_fit, second_fit) in enumerate(zip(*fits, strict=True)):
            agreement[split, index] = adjusted_rand_score(
                find_nearest(evaluation_points, first_fit).label, find_nearest(evaluation_points, second_fit).label
            )
    stability = agreement.mean(axis=0)
    candidates = [ClusterCandidate(k, s, float(t)) for k, s, t in zip(ks, silhouettes, stability, strict=True)]
    return candidates, centroids


def select_candidate(candidates: Sequence[ClusterCandidate], *, previous_k: int | None = None) -> ClusterCandidate:
    """Return the stable candidate with the highest silhouette.

    Without a stable one, return the one with the highest silhouette · stability.
    Ties: fewer clusters. The previous run's k is kept while its silhouette is within 0.02 of the best, unless there is a stable k
    and its own stability is below 0.65: names should not change for a marginal gain, least of all where no k is stable.
    """
    stable = [candidate for candidate in candidates if candidate.stability >= MIN_STABILITY]
    if stable:
        best = max(stable, key=lambda c: (c.silhouette, -c.k))
    else:
        best = max(candidates, key=lambda c: (max(c.silhouette, 0.0) * max(c.stability, 0.0), -c.k))
    previous = next((c for c in candidates if c.k == previous_k), best)
    is_close = previous.silhouette >= best.silhouette - SILHOUETTE_TOLERANCE
    is_stable_enough = not stable or previous.stability >= MIN_STABILITY - STABILITY_TOLERANCE
    return previous if is_close and is_stable_enough else best


def sample_rows(n: int, limit: int, draws: np.random.Generator) -> np.ndarray:
    """Return at most `limit` of 0…n−1, ascending."""
    if n <= limit:
        return np.arange(n)
    return np.sort(draws.choice(n, limit, replace=False))
