"""Croston's method for products that sell now and then."""

import numpy as np

from config.foundation.array_types import Floats
from customers.demand.forecasting.series import Forecast, SeriesPanel

SMOOTHING = 0.1


class Croston:
    """Smooth the size of demands and the interval between them apart: f = size ÷ interval (Croston 1972, Oper. Res. Q. 23)."""

    key = "croston"

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        rate = np.repeat(smooth_croston(panel.quantity, SMOOTHING)[:, None], horizon, axis=1)
        return Forecast(rate, rate)


def smooth_croston(quantity: Floats, alpha: float) -> Floats:
    """Return the demand per period of each series, (n,); 0 for a series without demand.

    Args:
        quantity: (n, T). alpha: weight of the newest demand, 0 to 1.
    With a demand y > 0 after q periods: z ← z + α (y − z), p ← p + α (q − p). f = z ÷ p. The k-th size and the k-th interval have the
    weight max(α, 1 ÷ k): z and p begin as means, because a single interval is a poor start. The periods before the first demand are no
    interval: a product is known since its first sale. Until the second demand, p is the time since the first one.
    """
    n_series = len(quantity)
    size, interval, gap, count = np.zeros(n_series), np.ones(n_series), np.ones(n_series), np.zeros(n_series)
    for demand in quantity.T:
        sold = demand > 0
        is_interval = sold & (count > 0)
        interval = np.where(
            is_interval, interval + np.maximum(alpha, 1 / np.maximum(count, 1)) * (gap - interval), interval
        )
        count = count + sold
        size = np.where(sold, size + np.maximum(alpha, 1 / np.maximum(count, 1)) * (demand - size), size)
        gap = np.where(sold, 1.0, gap + 1)
    return size / np.where(count == 1, gap, interval)
