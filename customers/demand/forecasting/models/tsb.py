"""TSB for products that sell now and then and may stop selling."""

import numpy as np

from config.foundation.array_types import Floats
from customers.demand.forecasting.series import Forecast, SeriesPanel

SIZE_SMOOTHING, PROBABILITY_SMOOTHING = 0.1, 0.05


class Tsb:
    """Smooth the size of demands and the probability of a demand (Teunter, Syntetos & Babai 2011, Eur. J. Oper. Res. 214)."""

    key = "tsb"

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        rate = smooth_tsb(panel.quantity, SIZE_SMOOTHING, PROBABILITY_SMOOTHING)
        repeated = np.repeat(rate[:, None], horizon, axis=1)
        return Forecast(repeated, repeated)


def smooth_tsb(quantity: Floats, alpha: float, beta: float) -> Floats:
    """Return the demand per period of each series, (n,); 0 for a series without demand.

    Args:
        quantity: (n, T). alpha: weight of the newest size. beta: weight of the newest period in the probability.
    Every period: p ← p + β (1[y > 0] − p); with a demand: z ← z + α (y − z). Both start with the first demand (z = y, p = 1 ÷ periods
    until it). f = p · z. Unlike Croston's, it falls while nothing is sold.
    """
    n_series = len(quantity)
    size, probability = np.zeros(n_series), np.zeros(n_series)
    for period, demand in enumerate(quantity.T, start=1):
        sold, is_first = demand > 0, (demand > 0) & (size == 0)
        started = size > 0
        probability = np.where(started, probability + beta * (sold - probability), probability)
        probability = np.where(is_first, 1 / period, probability)
        weight = np.where(is_first, 1.0, alpha)
        size = np.where(sold, size + weight * (demand - size), size)
    return probability * size
