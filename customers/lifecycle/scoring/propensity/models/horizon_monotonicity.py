"""Makes models of several horizons consistent.

A purchase within a week is also one within a month.
"""

from collections.abc import Sequence

import numpy as np

from config.foundation.array_types import Flags, Floats
from customers.lifecycle.scoring.propensity.features.labels import PropensityTarget


def fit_non_decreasing(probabilities: Floats) -> Floats:
    """Return the nearest rows that never fall, (n, k).

    Least squares, by max over a ≤ j of min over b ≥ j of the mean of columns a to b. The true probabilities never fall either, so the
    result is nearer to them than the input, by the sum of squares of each row.
    Source: Robertson, Wright & Dykstra, Order Restricted Statistical Inference, 1988, 1.4.
    """
    k = probabilities.shape[1]
    sums = np.concatenate((np.zeros((len(probabilities), 1)), np.cumsum(probabilities, axis=1)), axis=1)
    fitted = np.empty_like(probabilities)
    for j in range(k):
        block_minima = [
            np.min([(sums[:, b + 1] - sums[:, a]) / (b + 1 - a) for b in range(j, k)], axis=0) for a in range(j + 1)
        ]
        fitted[:, j] = np.max(block_minima, axis=0)
    return fitted


def reconcile_horizons(*, targets: Sequence[PropensityTarget], probabilities: Floats, lapsed: Flags) -> Floats:
    """Return the models' probabilities, (n, k), made consistent.

    A longer horizon never has a lower purchase probability.
    lapsed: (n,), customers whom churn doesn't apply to; their churn is clipped between the probabilities of the neighboring horizons,
    which apply to all customers, and changes none of these.
    """
    is_churn = np.array([target.kind == "churn" for target in targets])
    order = np.argsort([target.horizon_days for target in targets], kind="stable")
    purchase = np.where(is_churn, 1.0 - probabilities, probabilities)[:, order]
    fitted = fit_non_decreasing(purchase)
    if lapsed.any() and is_churn.any():
        others = np.flatnonzero(~is_churn[order])
        lapsed_rows = purchase[lapsed]
        lapsed_rows[:, others] = fit_non_decreasing(lapsed_rows[:, others])
        for index in np.flatnonzero(is_churn[order]):
            low = lapsed_rows[:, others[others < index]].max(axis=1, initial=0.0)
            high = lapsed_rows[:, others[others > index]].min(axis=1, initial=1.0)
            lapsed_rows[:, index] = np.clip(lapsed_rows[:, index], low, high)
        fitted[lapsed] = lapsed_rows
    restored = np.empty_like(fitted)
    restored[:, order] = fitted
    return np.where(is_churn, 1.0 - restored, restored)
