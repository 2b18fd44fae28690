"""Margin and stock as a factor of each product's score."""

import numpy as np
import numpy.typing as npt

MIN_BUSINESS_FACTOR = 0.01


def compute_business_factors(
    *, margin: npt.NDArray[np.float32], stock: npt.NDArray[np.float64], margin_weight: float, stock_weight: float
) -> npt.NDArray[np.float32] | None:
    """Return float32 factors around 1, shape (n,); None if both weights are 0.

    The factor is (1 + margin_weight (m - mean m)) (1 + stock_weight (s - mean s)), at least 0.01. m: the margin as a
    share of the price, within -1 and 1. s: log(1 + stock) as a share of that of the 95th percentile, at most 1. Unknown
    values count as the mean. With weight 1 and mean 0.3, a product with a margin of 0.5 gets the factor 1.2.
    """
    if not margin_weight and not stock_weight:
        return None
    factors = np.ones(len(margin), np.float64)
    if margin_weight:
        factors *= 1 + margin_weight * center(np.clip(margin.astype(np.float64), -1, 1))
    if stock_weight:
        factors *= 1 + stock_weight * center(compute_stock_level(stock))
    return np.maximum(factors, MIN_BUSINESS_FACTOR).astype(np.float32)


def center(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the difference from the mean of the known values; 0 for unknown ones."""
    known = np.isfinite(values)
    return np.where(known, values - values[known].mean(), 0.0) if known.any() else np.zeros(len(values))


def compute_stock_level(stock: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the stock level, from 0 for no stock to 1 for the 95th percentile.

    It is NaN without stock tracking.
    """
    log_stock = np.log1p(np.maximum(stock, 0))
    known = log_stock[np.isfinite(log_stock)]
    full = float(np.quantile(known, 0.95)) if len(known) else 0.0
    return np.minimum(log_stock / full, 1.0) if full > 0 else np.full(len(stock), np.nan)
