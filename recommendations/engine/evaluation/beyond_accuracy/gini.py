"""Gini coefficient of how often products are recommended."""

import numpy as np
import numpy.typing as npt


def compute_gini(items: npt.NDArray[np.int32], n_items: int) -> float:
    """Return G = Σ_k (2k − m − 1) x_k / (m Σ x), with x_1 ≤ … ≤ x_m the number of lists with each of the m = n_items products.

    items: int (users, n), -1 where a list was short. 0: all equally often; near 1: always the same few. NaN when nothing was
    shown. Source: Adomavicius & Kwon, TKDE 2012.
    """
    recommended = items[items >= 0]
    if not len(recommended):
        return float("nan")
    counts = np.sort(np.bincount(recommended, minlength=n_items)).astype(np.float64)
    ranks = np.arange(1, n_items + 1)
    return float(((2 * ranks - n_items - 1) * counts).sum() / (n_items * counts.sum()))
