"""Computes the values of the clusters' radar chart."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.model_selection import sample_rows
from customers.lifecycle.scoring.clusters.scaling import FeatureScaling, unscale_points

MAX_ROWS = 200_000


def build_radar_profiles(
    *,
    features: npt.NDArray[np.floating],
    names: Sequence[str],
    label: Ints,
    centroids: Floats,
    scaling: FeatureScaling,
    seed: int,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return the percentile of each cluster's median per feature, and the median.

    The percentile, 0–100, is that among all customers, or a sample of 200,000, with a value: the share of those below, and half of
    those equal. A cluster without any value of
    a feature uses its centroid's.
    """
    rows = sample_rows(len(features), MAX_ROWS, np.random.default_rng((seed, 3)))
    label = label[rows]
    raw_centroids = unscale_points(points=centroids, scaling=scaling)
    radar: list[dict[str, float]] = [{} for _ in centroids]
    medians: list[dict[str, float]] = [{} for _ in centroids]
    for column, feature in enumerate(scaling.features):
        value = features[rows, list(names).index(feature)].astype(np.float64)
        known = ~np.isnan(value)
        ordered = np.sort(value[known])
        for index in range(len(centroids)):
            own = value[known & (label == index)]
            median = float(np.median(own)) if len(own) else float(raw_centroids[index, column])
            below, up_to = np.searchsorted(ordered, median, "left"), np.searchsorted(ordered, median, "right")
            medians[index][feature] = median
            radar[index][feature] = float(below + up_to) * 50.0 / len(ordered)
    return radar, medians
