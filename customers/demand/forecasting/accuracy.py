"""How good forecasts are: MASE, weighted quantile loss, coverage."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints

LEVELS = np.arange(1, 10) / 10


def compute_scale(quantity: Floats, first: Ints, season: int) -> Floats:
    """Return the mean absolute error of the seasonal naive forecast within the history, (n,); NaN without a pair to compare.

    scale = mean |y_t − y_{t−m}| over the known periods (Hyndman & Koehler 2006, Int. J. Forecasting 22).
    """
    n_periods = quantity.shape[1]
    if n_periods <= season:
        return np.full(len(quantity), np.nan)
    change = np.abs(quantity[:, season:] - quantity[:, :-season])
    known = np.arange(season, n_periods)[None, :] >= first[:, None] + season
    n_known = known.sum(axis=1)
    total = change.sum(axis=1, where=known)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def compute_scaled_errors(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """Return the mean absolute scaled error of each series, (n,): mean |y − f| ÷ scale; NaN where the scale is 0 or unknown.

    Args:
        actual, forecast: (n, h). scale: (n,), see `compute_scale`. Source: Hyndman & Koehler 2006.
    """
    usable = np.where(scale > 0, scale, np.nan)
    return np.abs(actual - forecast).mean(axis=1) / usable


def compute_mean(values: npt.NDArray[np.float64]) -> float:
    """Return the mean of the values that are known; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def compute_quantile_loss(actual: Floats, quantiles: Floats, levels: Floats = LEVELS) -> float:
    """Return the weighted quantile loss: 2 · Σ_τ Σ pinball_τ ÷ (number of levels · Σ |y|); NaN without demand.

    Args:
        actual: (…, h). quantiles: (…, h, levels).
    pinball_τ(y, q) = max(τ (y − q), (τ − 1)(y − q)) (as in GluonTS and the M5 uncertainty competition).
    """
    error = actual[..., None] - quantiles
    loss = np.maximum(levels * error, (levels - 1) * error)
    total = np.abs(actual).sum()
    return float(2 * loss.sum() / (len(levels) * total)) if total > 0 else float("nan")


def compute_coverage(actual: Floats, low: Floats, high: Floats, usable: Flags | None = None) -> float:
    """Return the share of the values within their interval, bounds included; NaN without values."""
    inside = (actual >= low) & (actual <= high)
    values = inside if usable is None else inside[usable]
    return float(values.mean()) if values.size else float("nan")
