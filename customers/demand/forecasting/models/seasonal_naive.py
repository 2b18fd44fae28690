"""Seasonal naive: what was sold one season ago. The baseline of all other models."""

import numpy as np

from customers.demand.forecasting.series import Forecast, SeriesPanel


class SeasonalNaive:
    """Repeat the last season: f_{T+h} = y_{T+h−m·⌈h/m⌉} (Hyndman & Athanasopoulos 2021, section 5.2)."""

    key = "seasonal_naive"

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        season = min(panel.rhythm.season, panel.n_periods)
        last = panel.quantity[:, panel.n_periods - season :]
        point = last[:, np.arange(horizon) % season]
        return Forecast(point, point)
