"""Exponential smoothing with automatic choice of error, trend and season, by the package statsforecast."""

import numpy as np

from customers.demand.forecasting.series import Forecast, SeriesPanel

MIN_PERIODS = 10


class AutoEts:
    """ETS with the smallest corrected AIC (Hyndman et al. 2002; Hyndman & Khandakar 2008), one series after another.

    The season is that of the panel; a series of fewer than two seasons, or without change, is forecast by its mean.
    """

    key = "auto_ets"

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        from statsforecast.models import AutoETS  # the import takes two seconds and 150 MB, so only jobs do it

        season = panel.rhythm.season
        model = AutoETS(season_length=season)
        point = np.zeros((panel.n_series, horizon))
        for row, (series, first) in enumerate(zip(panel.quantity, panel.first, strict=True)):
            known = series[first:]
            if len(known) < max(MIN_PERIODS, 2 * season) or known.min() == known.max():
                point[row] = known[-2 * season :].mean() if len(known) else 0.0
            else:
                point[row] = model.forecast(y=known, h=horizon)["mean"]
        point = np.maximum(np.nan_to_num(point), 0.0)
        return Forecast(point, point)
