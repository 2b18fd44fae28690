"""Matches the clusters of a run to those of the previous run."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.scaling import MAX_DEVIATIONS, FeatureScaling, unscale_points, yeo_johnson

MAX_MATCH_DISTANCE = 0.5  # standard deviations per feature


def compute_centroid_distances(
    *, new: Floats, new_scaling: FeatureScaling, previous: Floats, previous_scaling: FeatureScaling
) -> Floats:
    """Return the distances of new to previous centroids, (k, j).

    Each is √ of the mean square over the features that both have.
    Both scalings are fitted anew in each run, so the new centroids are converted to the units of the features and from there to the
    previous scale: a shop where all customers order more has different clusters, though the standardized centroids may be equal.
    Without common features all distances are infinite.
    """
    common = [feature for feature in new_scaling.features if feature in previous_scaling.features]
    if not common:
        return np.full((len(new), len(previous)), np.inf)
    new_columns = [new_scaling.features.index(feature) for feature in common]
    previous_columns = [previous_scaling.features.index(feature) for feature in common]
    raw = unscale_points(points=new, scaling=new_scaling)[:, new_columns]
    transformed = yeo_johnson(raw / previous_scaling.unit[previous_columns], previous_scaling.power[previous_columns])
    rescaled = np.clip(
        (transformed - previous_scaling.mean[previous_columns]) / previous_scaling.deviation[previous_columns],
        -2 * MAX_DEVIATIONS,
        2 * MAX_DEVIATIONS,
    )
    distances: Floats = np.sqrt(((rescaled[:, None, :] - previous[None, :, previous_columns]) ** 2).mean(axis=2))
    return distances


def match_clusters(distances: Floats, *, max_distance: float = MAX_MATCH_DISTANCE) -> Ints:
    """Return the column of each row in the one-to-one matching with the lowest total distance.

    The column is −1 beyond `max_distance`.
    Pairs beyond it cost as much as leaving both unmatched, so they displace no near pair. Source: Kuhn, Naval Res. Logist. Q. 1955.
    """
    cost = np.where(distances <= max_distance, distances, max_distance)
    rows, columns = linear_sum_assignment(cost)
    matches = np.full(len(distances), -1, np.int64)
    within = distances[rows, columns] <= max_distance
    matches[rows[within]] = columns[within]
    return matches
