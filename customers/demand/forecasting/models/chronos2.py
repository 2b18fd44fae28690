"""Chronos-2, a pretrained model that an operator may add by the path of its folder; nothing is downloaded."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from customers.demand.forecasting.series import Forecast, SeriesPanel

LEVELS = [round(level / 20, 2) for level in range(1, 20)]
MIN_PERIODS = 8


class Chronos2:
    """Quantiles of a transformer that was trained on other time series (Ansari et al. 2025, arXiv:2510.15821).

    Needs the package chronos-forecasting (with PyTorch), which is not among the requirements. The mean is that of the evenly spaced
    quantiles .05 … .95; a series of fewer than eight periods is forecast by its mean.
    """

    key = "chronos2"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pipeline(self) -> Any:
        """Load the model. Errors: FileNotFoundError, ModuleNotFoundError."""
        if not (self.folder / "config.json").is_file():
            raise FileNotFoundError(
                f"{self.folder} has no config.json; CHRONOS_PATH must be the folder of a Chronos-2 model."
            )
        from chronos import BaseChronosPipeline  # optional

        return BaseChronosPipeline.from_pretrained(str(self.folder), device_map="cpu")

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        point = np.repeat(panel.quantity.mean(axis=1)[:, None], horizon, axis=1)
        median, mean = point.copy(), point.copy()
        rows = np.flatnonzero(panel.n_periods - panel.first >= MIN_PERIODS)
        if len(rows):
            quantiles = self.predict_quantiles([panel.quantity[row, panel.first[row] :] for row in rows], horizon)
            median[rows], mean[rows] = quantiles[..., LEVELS.index(0.5)], quantiles.mean(axis=2)
        return Forecast(np.maximum(median, 0), np.maximum(mean, 0))

    def predict_quantiles(self, series: list[Floats], horizon: int) -> Floats:
        """Return the quantiles at `LEVELS` of each series, (n, h, 19)."""
        inputs = [values.astype(np.float32) for values in series]
        quantiles, _median = self.pipeline.predict_quantiles(inputs, prediction_length=horizon, quantile_levels=LEVELS)
        return np.stack([np.asarray(part, dtype=np.float64).reshape(horizon, len(LEVELS)) for part in quantiles])
