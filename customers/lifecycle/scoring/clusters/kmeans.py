"""k-means: several starts on a sample, the best of them carried on with everybody."""

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import Nearest, Points, nearest

TOLERANCE = 1e-4  # of the mean variance of the features, for the squared shift of the centroids
MOST_STEPS = 300


def kmeans_plus_plus(points: Points, k: int, draws: np.random.Generator) -> Floats:
    """k of the points, (k, d), each drawn with a probability ∝ the squared distance to the nearest one before it.

    Source: Arthur & Vassilvitskii, SODA 2007. Where fewer than k points differ, the last is drawn again.
    """
    chosen = [int(draws.integers(len(points)))]
    distance = _squares(points, points[chosen[0]])
    for _ in range(1, k):
        reach = np.cumsum(distance, dtype=np.float64)
        drawn = np.searchsorted(reach, draws.random() * reach[-1], side="right") if reach[-1] > 0 else chosen[-1]
        chosen.append(min(int(drawn), len(points) - 1))
        distance = np.minimum(distance, _squares(points, points[chosen[-1]]))
    return points[chosen].astype(np.float64)


def lloyd(points: Points, centroids: Floats, *, most_steps: int = MOST_STEPS) -> tuple[Floats, Nearest]:
    """Moves each centroid to the mean of its points until they rest. A centroid without points goes to the one farthest from its own.

    Source: Lloyd, IEEE Trans. Inf. Theory 1982; it stops as scikit-learn does, when Σ shift² ≤ 10⁻⁴ · mean variance. The labels
    are those of the centroids returned.
    """
    limit = TOLERANCE * float(points[:: max(1, len(points) // 100_000)].var(axis=0, dtype=np.float64).mean())
    found = nearest(points, centroids)
    for _ in range(most_steps):
        moved = found.sums / np.maximum(found.counts, 1)[:, None]
        empty = np.flatnonzero(found.counts == 0)
        if len(empty):
            far = np.argsort(-found.distance, kind="stable")[: len(empty)]
            moved[empty] = centroids[empty]
            moved[empty[: len(far)]] = points[far]
        shift = float(((moved - centroids) ** 2).sum())
        centroids = moved
        found = nearest(points, centroids)
        if shift <= limit:
            break
    return centroids, found


def kmeans(points: Points, k: int, *, starts: int, seed: int) -> tuple[Floats, Nearest]:
    """The least inertia among several starts of k-means++; centroids (k, d) and who is nearest to which."""
    tried = [
        lloyd(points, kmeans_plus_plus(points, k, np.random.default_rng((seed, k, start)))) for start in range(starts)
    ]
    return min(tried, key=lambda result: result[1].inertia)


def _squares(points: Points, point: Points) -> Points:
    apart = points - point
    squares: Points = np.einsum("ij,ij->i", apart, apart)
    return squares
