"""Forecasts the days of the next order from the probabilities of a purchase within several horizons."""

import numpy as np

from config.foundation.array_types import Floats

QUANTILES = (0.25, 0.5, 0.75)  # of the 50 % interval and the likeliest day, as in `forecast.forecast_windows`
MIN_SURVIVAL = 1e-9


def find_order_quantiles(*, purchase: Floats, horizon_days: Floats) -> Floats:
    """Return after how many days the customer has ordered again with a probability of 25, 50 and 75 %, shape (n, 3).

    purchase: (n, k), P(purchase within each of the horizons), non-decreasing; horizon_days: (k,), ascending. So the median is within a
    horizon if the purchase probability of that horizon is at least one half. Between two horizons the hazard is constant, and after the
    last one it stays the same; a quantile that is never reached is infinite.
    """
    n = len(purchase)
    survival = np.maximum(1.0 - np.concatenate((np.zeros((n, 1)), purchase), axis=1), MIN_SURVIVAL)
    hazard_sums = -np.log(survival)
    days = np.concatenate(([0.0], horizon_days))
    lengths = np.diff(days)
    hazards = np.diff(hazard_sums, axis=1) / lengths
    wanted = np.broadcast_to(-np.log1p(-np.array(QUANTILES)), (n, len(QUANTILES)))
    found = np.full((n, len(QUANTILES)), np.inf)
    for index in reversed(range(len(lengths))):
        is_last = index == len(lengths) - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            day = days[index] + (wanted - hazard_sums[:, [index]]) / hazards[:, [index]]
        inside = (wanted >= hazard_sums[:, [index]]) & (is_last | (wanted <= hazard_sums[:, [index + 1]]))
        found = np.where(inside & ~np.isnan(day), day, found)
    return found
