"""The silhouette: how much nearer a customer is to their own cluster than to the next one."""

import numpy as np

from customers.lifecycle.scoring.clusters.kernels import Labels, Points


def compute_distances(points: Points) -> Points:
    """Return Euclidean distances, (m, m), 4·m² bytes: computed once for all numbers of clusters."""
    squares = np.einsum("ij,ij->i", points, points)
    distances = squares[:, None] + squares[None, :] - 2.0 * (points @ points.T)
    np.fill_diagonal(distances, 0.0)
    return np.sqrt(np.maximum(distances, 0.0, out=distances), out=distances)


def silhouette_score(distances: Points, label: Labels) -> float:
    """Return the mean of (b − a) / max(a, b).

    a: mean distance to the others of the own cluster; b: the lowest mean distance to another cluster. distances: (m, m); label: (m,). A
    customer alone in a cluster counts 0; a single cluster gives −1, the worst. Source: Rousseeuw, J. Comput. Appl. Math. 1987.
    """
    clusters, index = np.unique(label, return_inverse=True)
    if len(clusters) < 2:
        return -1.0
    member = np.zeros((len(label), len(clusters)), np.float32)
    member[np.arange(len(label)), index] = 1.0
    counts = member.sum(axis=0)
    sums = distances @ member
    own = counts[index]
    a = sums[np.arange(len(label)), index] / np.maximum(own - 1, 1)
    means = sums / counts
    means[np.arange(len(label)), index] = np.inf
    b = means.min(axis=1)
    larger = np.maximum(a, b)
    score = np.where((own > 1) & (larger > 0), (b - a) / np.where(larger > 0, larger, 1.0), 0.0)
    return float(score.mean(dtype=np.float64))
