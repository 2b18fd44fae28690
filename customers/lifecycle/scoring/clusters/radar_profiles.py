"""What a radar chart of the clusters shows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.model_selection import sample_rows
from customers.lifecycle.scoring.clusters.scaling import Scaling, raw_values

PROFILE_ROWS = 200_000


def profile(
    *,
    features: npt.NDArray[np.floating],
    names: Sequence[str],
    label: Ints,
    centroids: Floats,
    scaling: Scaling,
    seed: int,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """For each cluster and feature the percentile, 0–100, of the cluster's median among all customers; and the median itself.

    Of at most 200,000 customers with a value. Percentile: of those below, and half of those equal. Where a cluster has no value of a
    feature, its centroid's stands in.
    """
    rows = sample_rows(len(features), PROFILE_ROWS, np.random.default_rng((seed, 3)))
    label = label[rows]
    centres = raw_values(points=centroids, scaling=scaling)
    radar: list[dict[str, float]] = [{} for _ in centroids]
    medians: list[dict[str, float]] = [{} for _ in centroids]
    for column, feature in enumerate(scaling.features):
        value = features[rows, list(names).index(feature)].astype(np.float64)
        known = ~np.isnan(value)
        ordered = np.sort(value[known])
        for place in range(len(centroids)):
            own = value[known & (label == place)]
            median = float(np.median(own)) if len(own) else float(centres[place, column])
            below, up_to = np.searchsorted(ordered, median, "left"), np.searchsorted(ordered, median, "right")
            medians[place][feature] = median
            radar[place][feature] = float(below + up_to) * 50.0 / len(ordered)
    return radar, medians
