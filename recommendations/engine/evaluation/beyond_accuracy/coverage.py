"""Catalog coverage at n."""

import numpy as np
import numpy.typing as npt


def compute_coverage(items: npt.NDArray[np.int32], n_items: int) -> float:
    """Return the share of the n_items products that at least one list contains.

    items: int (users, n), -1 where a list was short. NaN for an empty catalog. Source: Ge, Delgado-Battenfeld & Jannach, RecSys 2010.
    """
    if n_items == 0:
        return float("nan")
    return len(np.unique(items[items >= 0])) / n_items
