"""How much nearer a customer is to their own cluster than to the next one."""

import numpy as np

from customers.lifecycle.scoring.clusters.kernels import Labels, Points


def distances(points: Points) -> Points:
    """Euclidean, (m, m), 4·m² bytes: made once for all numbers of clusters."""
    squares = np.einsum("ij,ij->i", points, points)
    apart = squares[:, None] + squares[None, :] - 2.0 * (points @ points.T)
    np.fill_diagonal(apart, 0.0)
    return np.sqrt(np.maximum(apart, 0.0, out=apart), out=apart)


def silhouette(apart: Points, label: Labels) -> float:
    """Mean of (b − a) / max(a, b); a: mean distance to the others of one's cluster, b: the least mean distance to another cluster.

    apart: (m, m) distances; label: (m,). Alone in a cluster counts 0; one cluster only gives −1, the worst.
    Source: Rousseeuw, J. Comput. Appl. Math. 1987.
    """
    kinds, place = np.unique(label, return_inverse=True)
    if len(kinds) < 2:
        return -1.0
    member = np.zeros((len(label), len(kinds)), np.float32)
    member[np.arange(len(label)), place] = 1.0
    counts = member.sum(axis=0)
    sums = apart @ member
    own = counts[place]
    a = sums[np.arange(len(label)), place] / np.maximum(own - 1, 1)
    means = sums / counts
    means[np.arange(len(label)), place] = np.inf
    b = means.min(axis=1)
    larger = np.maximum(a, b)
    score = np.where((own > 1) & (larger > 0), (b - a) / np.where(larger > 0, larger, 1.0), 0.0)
    return float(score.mean(dtype=np.float64))
