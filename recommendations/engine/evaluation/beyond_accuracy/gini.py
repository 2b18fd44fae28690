"""Gini coefficient of how often products are shown."""

import numpy as np
import numpy.typing as npt


def compute_gini(items: npt.NDArray[np.int32], n_items: int) -> float:
    """G = Σ_k (2k − m − 1) x_k / (m Σ x), x_1 ≤ … ≤ x_m how often each of the m = n_items products is in a list; items (users, n).

    0: all equally often; towards 1: always the same few. Source: Adomavicius & Kwon, TKDE 2012. NaN when nothing was shown.
    """
    shown = items[items >= 0]
    if not len(shown):
        return float("nan")
    counts = np.sort(np.bincount(shown, minlength=n_items)).astype(np.float64)
    places = np.arange(1, n_items + 1)
    return float(((2 * places - n_items - 1) * counts).sum() / (n_items * counts.sum()))
