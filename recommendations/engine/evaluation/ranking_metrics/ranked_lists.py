"""Ranked lists (users, n) of item rows, -1 where a list was short."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.linear_algebra.sparse import make_csr


def average_lists(items: npt.NDArray[np.int32], values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the mean of values[item] over each list, NaN for an empty list."""
    is_item = items >= 0
    sums = np.where(is_item, values[np.maximum(items, 0)], 0.0).sum(axis=1)
    return np.divide(sums, is_item.sum(axis=1), out=np.full(len(items), np.nan), where=is_item.any(axis=1))


def build_list_matrix(items: npt.NDArray[np.int32], n_items: int) -> csr_array:
    """Return CSR (users, n_items) with a 1 for each product of a list."""
    is_item = items >= 0
    indptr = np.concatenate([[0], np.cumsum(is_item.sum(axis=1))])
    return make_csr(np.ones(int(indptr[-1])), items[is_item], indptr, (len(items), n_items))
