"""What margin and stock are worth to the shop, as a factor of a product's score."""

import numpy as np
import numpy.typing as npt

LEAST_FACTOR = 0.01


def business_factors(
    *, margin: npt.NDArray[np.float32], stock: npt.NDArray[np.float64], margin_weight: float, stock_weight: float
) -> npt.NDArray[np.float32] | None:
    """float32 by product, around 1: (1 + margin_weight (m - mean m)) (1 + stock_weight (s - mean s)), at least 0.01; None with weights of 0.

    m: the margin as a share of the price, within -1 and 1. s: log(1 + stock) as a share of that of the 95th percentile, at most 1. What is
    not known counts as the mean. With a weight of 1 and a mean of 0.3 a product that leaves 0.5 of its price is weighed 1.2.
    """
    if not margin_weight and not stock_weight:
        return None
    factors = np.ones(len(margin), np.float64)
    if margin_weight:
        factors *= 1 + margin_weight * centred(np.clip(margin.astype(np.float64), -1, 1))
    if stock_weight:
        factors *= 1 + stock_weight * centred(fullness(stock))
    return np.maximum(factors, LEAST_FACTOR).astype(np.float32)


def centred(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The difference from the mean of what is known; 0 where nothing is."""
    known = np.isfinite(values)
    return np.where(known, values - values[known].mean(), 0.0) if known.any() else np.zeros(len(values))


def fullness(stock: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """0 for none, 1 for as much as the fullest twentieth has; NaN where stock is not counted."""
    pieces = np.log1p(np.maximum(stock, 0))
    known = pieces[np.isfinite(pieces)]
    most = float(np.quantile(known, 0.95)) if len(known) else 0.0
    return np.minimum(pieces / most, 1.0) if most > 0 else np.full(len(stock), np.nan)
