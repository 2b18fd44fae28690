"""Makes models of several horizons consistent.

A purchase within a week is also one within a month.
"""

from collections.abc import Sequence

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.labels import PropensityTarget


def fit_non_decreasing(probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Return the nearest rows that never fall, (n, k).

    Least squares, by max over a ≤ j of min over b ≥ j of the mean of columns a to b. The true probabilities never fall either, so the
    result is nearer to them than the input, by the sum of squares of each row.
    weights: of the columns, (k,); equal by default.
    Source: Robertson, Wright & Dykstra, Order Restricted Statistical Inference, 1988, 1.4.
    """
    k = probabilities.shape[1]
    weights = np.ones(k) if weights is None else weights
    total = np.concatenate(([0.0], np.cumsum(weights)))
    sums = np.concatenate((np.zeros((len(probabilities), 1)), np.cumsum(probabilities * weights, axis=1)), axis=1)
    fitted = np.empty_like(probabilities)
    for j in range(k):
        block_minima = [
            np.min([(sums[:, b + 1] - sums[:, a]) / (total[b + 1] - total[a]) for b in range(j, k)], axis=0)
            for a in range(j + 1)
        ]
        fitted[:, j] = np.max(block_minima, axis=0)
    return fitted


def reconcile_horizons(*, targets: Sequence[PropensityTarget], probabilities: Floats, lapsed: Flags) -> Floats:
    """Return the models' probabilities, (n, k), made consistent.

    A longer horizon never has a lower purchase probability, and for the same horizon, churn and a purchase add up to one.
    lapsed: (n,), customers whom churn doesn't apply to; their churn is clipped between the probabilities of the neighboring horizons,
    which apply to all customers, and changes none of these.
    """
    is_churn = np.array([target.kind == "churn" for target in targets])
    days = np.array([target.horizon_days for target in targets])
    purchase = np.where(is_churn, 1.0 - probabilities, probabilities)
    fitted = _fit_by_horizon(purchase, days)
    if lapsed.any() and is_churn.any() and not is_churn.all():
        others = np.flatnonzero(~is_churn)
        lapsed_rows = purchase[lapsed]
        lapsed_rows[:, others] = _fit_by_horizon(lapsed_rows[:, others], days[others])
        for index in np.flatnonzero(is_churn):
            low = lapsed_rows[:, others[days[others] <= days[index]]].max(axis=1, initial=0.0)
            high = lapsed_rows[:, others[days[others] >= days[index]]].min(axis=1, initial=1.0)
            lapsed_rows[:, index] = np.clip(lapsed_rows[:, index], low, high)
        fitted[lapsed] = lapsed_rows
    return np.where(is_churn, 1.0 - fitted, fitted)


def _fit_by_horizon(purchase: Floats, days: Ints) -> Floats:
    """Return the nearest rows, (n, k), that never fall with the horizon and are equal for equal horizons, in the order of ``days``."""
    _horizons, position, counts = np.unique(days, return_inverse=True, return_counts=True)
    means = np.stack([purchase[:, position == index].mean(axis=1) for index in range(len(counts))], axis=1)
    return fit_non_decreasing(means, counts.astype(float))[:, position]
