"""Which cluster of a former run each new one is."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.scaling import FARTHEST, Scaling, raw_values, yeo_johnson

LARGEST_DISTANCE = 0.5  # standard deviations a feature


def distances_between(*, new: Floats, new_scaling: Scaling, former: Floats, former_scaling: Scaling) -> Floats:
    """(k, j): how far each new centroid lies from each former one, √ of the mean square over the features that both have.

    Both scales are learnt anew in each run, so the new centroids go back to the units of the features and from there to the former
    scale: a shop where everybody orders more has other clusters, though the standardised centroids may be the same. Without common
    features everything is infinitely far.
    """
    common = [feature for feature in new_scaling.features if feature in former_scaling.features]
    if not common:
        return np.full((len(new), len(former)), np.inf)
    here = [new_scaling.features.index(feature) for feature in common]
    there = [former_scaling.features.index(feature) for feature in common]
    raw = raw_values(points=new, scaling=new_scaling)[:, here]
    bent = yeo_johnson(raw / former_scaling.unit[there], former_scaling.power[there])
    moved = np.clip((bent - former_scaling.mean[there]) / former_scaling.deviation[there], -2 * FARTHEST, 2 * FARTHEST)
    apart: Floats = np.sqrt(((moved[:, None, :] - former[None, :, there]) ** 2).mean(axis=2))
    return apart


def matched(apart: Floats, *, largest: float = LARGEST_DISTANCE) -> Ints:
    """For each row its column, one for one, with the least sum of distances; −1 where none lies within `largest`.

    Pairs beyond it cost what leaving both alone costs, so they push no near pair aside. Source: Kuhn, Naval Res. Logist. Q. 1955.
    """
    cost = np.where(apart <= largest, apart, largest)
    rows, columns = linear_sum_assignment(cost)
    found = np.full(len(apart), -1, np.int64)
    within = apart[rows, columns] <= largest
    found[rows[within]] = columns[within]
    return found
