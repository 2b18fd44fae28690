"""Classes of demand by how often and how evenly a product sells (Syntetos, Boylan & Croston 2005)."""

import numpy as np

from config.foundation.array_types import Floats, Ints

CLASSES = ("smooth", "erratic", "intermittent", "lumpy")
MAX_INTERVAL, MAX_VARIATION = 1.32, 0.49


def classify_demand(quantity: Floats, first: Ints) -> Ints:
    """Return the position in `CLASSES` of each series.

    Args:
        quantity: (n, T). first: (n,), the period from which a series is known.
    ADI = periods ÷ periods with demand; CV² = (standard deviation ÷ mean)² of the demands above 0. Smooth: ADI < 1.32 and CV² < 0.49;
    erratic: only ADI is small; intermittent: only CV² is small; lumpy: neither (Syntetos, Boylan & Croston 2005, J. Oper. Res. Soc. 56).
    """
    sold = quantity > 0
    n_sold = np.maximum(sold.sum(axis=1), 1)
    interval = (quantity.shape[1] - first) / n_sold
    mean = quantity.sum(axis=1, where=sold) / n_sold
    variance = (quantity**2).sum(axis=1, where=sold) / n_sold - mean**2
    variation = variance / np.where(mean > 0, mean, 1) ** 2
    return (2 * (interval >= MAX_INTERVAL) + (variation >= MAX_VARIATION)).astype(np.int64)
