"""k-means: several starts on a sample, the best of them continued on all customers."""

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import NearestCentroids, Points, find_nearest

TOLERANCE = 1e-4  # of the mean variance of the features, for the squared shift of the centroids
MAX_STEPS = 300


def initialize_kmeans(points: Points, k: int, draws: np.random.Generator) -> Floats:
    """Draw k of the points, shape (k, d), by k-means++.

    The probability of each is ∝ the squared distance to the nearest point drawn before.
    Source: Arthur & Vassilvitskii, SODA 2007. Where fewer than k points differ, the last is drawn again.
    """
    rows = [int(draws.integers(len(points)))]
    distance = _compute_squared_distances(points, points[rows[0]])
    for _ in range(1, k):
        cumulative = np.cumsum(distance, dtype=np.float64)
        row = (
            np.searchsorted(cumulative, draws.random() * cumulative[-1], side="right")
            if cumulative[-1] > 0
            else rows[-1]
        )
        rows.append(min(int(row), len(points) - 1))
        distance = np.minimum(distance, _compute_squared_distances(points, points[rows[-1]]))
    return points[rows].astype(np.float64)


def run_lloyd(points: Points, centroids: Floats, *, max_steps: int = MAX_STEPS) -> tuple[Floats, NearestCentroids]:
    """Move each centroid to the mean of its points until they rest.

    A centroid without points goes to the point farthest from its own centroid. Source: Lloyd, IEEE Trans. Inf. Theory 1982; it stops
    as scikit-learn does, when Σ shift² ≤ 10⁻⁴ · mean variance. The labels belong to the returned centroids.
    """
    limit = TOLERANCE * float(points[:: max(1, len(points) // 100_000)].var(axis=0, dtype=np.float64).mean())
    nearest = find_nearest(points, centroids)
    for _ in range(max_steps):
        moved = nearest.sums / np.maximum(nearest.counts, 1)[:, None]
        empty = np.flatnonzero(nearest.counts == 0)
        if len(empty):
            far = np.argsort(-nearest.distance, kind="stable")[: len(empty)]
            moved[empty] = centroids[empty]
            moved[empty[: len(far)]] = points[far]
        shift = float(((moved - centroids) ** 2).sum())
        centroids = moved
        nearest = find_nearest(points, centroids)
        if shift <= limit:
            break
    return centroids, nearest


def run_kmeans(points: Points, k: int, *, starts: int, seed: int) -> tuple[Floats, NearestCentroids]:
    """Return centroids (k, d) and assignments with the lowest inertia.

    It is the best of several starts of k-means++.
    """
    results = [
        run_lloyd(points, initialize_kmeans(points, k, np.random.default_rng((seed, k, start))))
        for start in range(starts)
    ]
    return min(results, key=lambda result: result[1].inertia)


def _compute_squared_distances(points: Points, point: Points) -> Points:
    """Return the squared distance of each point to one."""
    difference = points - point
    squares: Points = np.einsum("ij,ij->i", difference, difference)
    return squares
