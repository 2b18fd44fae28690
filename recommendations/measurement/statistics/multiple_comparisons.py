"""Corrections for many looks at the same result, such as one per segment."""

import numpy as np

from config.foundation.array_types import Floats


def adjust_p_values(p_values: Floats) -> Floats:
    """Return Holm's adjusted p-values: one below .05 is below .05 for all comparisons together.

    max over the smaller ones of (m − rank + 1)·p, at most 1. Source: Holm, Scandinavian Journal of Statistics 1979.
    """
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def compute_simultaneous_level(level: float, comparisons: int) -> float:
    """Return the level for each of m intervals with which all are valid simultaneously with at least the given level: level^(1/m).

    Source: Šidák, JASA 1967; it is exact for independent groups.
    """
    return float(level ** (1 / max(comparisons, 1)))
