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
    With a demand y > 0 after q periods: z ← z + α (y − z), p ← p + α (q − p); both start with the first demand. f = z ÷ p.
    """
    n_series = len(quantity)
    size, interval, gap = np.zeros(n_series), np.ones(n_series), np.ones(n_series)
    for demand in quantity.T:
        sold, is_first = demand > 0, (demand > 0) & (size == 0)
        weight = np.where(is_first, 1.0, alpha)
        size = np.where(sold, size + weight * (demand - size), size)
        interval = np.where(sold, interval + weight * (gap - interval), interval)
        gap = np.where(sold, 1.0, gap + 1)
    return size / interval
