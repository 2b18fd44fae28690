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
    """Return the demand per period of each series, (n,); 0 for a series without a second demand.

    Args:
        quantity: (n, T). alpha: weight of the newest size. beta: weight of the newest period in the probability.
    Every period: p ← p + β (1[y > 0] − p); with a demand: z ← z + α (y − z). f = p · z. Unlike Croston's, it falls while nothing is sold.
    The k-th size has the weight max(α, 1 ÷ k), the k-th period after the first demand max(β, 1 ÷ k): z and p begin as means. The periods
    up to the first demand say nothing about p: a product is known since its first sale.
    """
    n_series = len(quantity)
    size, probability, count, age = np.zeros(n_series), np.ones(n_series), np.zeros(n_series), np.zeros(n_series)
    for demand in quantity.T:
        sold, started = demand > 0, count > 0
        age, count = age + started, count + sold
        moved = probability + np.maximum(beta, 1 / np.maximum(age, 1)) * (sold - probability)
        probability = np.where(started, moved, probability)
        size = np.where(sold, size + np.maximum(alpha, 1 / np.maximum(count, 1)) * (demand - size), size)
    return probability * size
