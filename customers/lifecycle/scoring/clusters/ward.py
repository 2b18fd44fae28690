"""Hierarchical clusters: Ward's tree of a sample, split into k.

The other customers go to the nearest centroid.
"""

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import Points


def fit_ward_centroids(points: Points, ks: Sequence[int]) -> list[Floats]:
    """Return the centroids (k, d) of each k, from one tree.

    Each merge is the one that raises the inertia least.
    Memory grows with m² of the m points. Where fewer than k points differ there are fewer centroids. Source: Ward, JASA 1963.
    """
    tree = linkage(points.astype(np.float64), method="ward")
    centroids = []
    for k in ks:
        label = fcluster(tree, k, criterion="maxclust") - 1
        counts = np.bincount(label)
        sums = np.stack([np.bincount(label, column) for column in points.T.astype(np.float64)], axis=1)
        centroids.append(sums / counts[:, None])
    return centroids
