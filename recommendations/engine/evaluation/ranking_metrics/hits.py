"""Hits: the ranks of the lists with a relevant item."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.linear_algebra.sparse import list_entry_rows

type Hits = npt.NDArray[np.bool_]
type Counts = npt.NDArray[np.integer]
type PerUser = npt.NDArray[np.float64]


def find_hits(items: npt.NDArray[np.int32], relevant: csr_array) -> Hits:
    """Return bool (users, n): whether items[p, rank] is a stored column of row p of `relevant`; -1 (no item) is a miss."""
    n_items = relevant.shape[1]
    # One key per (row, item) turns the test for all lists into one binary search.
    relevant_keys = np.sort(list_entry_rows(relevant) * n_items + relevant.indices)
    keys = np.arange(len(items), dtype=np.int64)[:, None] * n_items + items
    position = np.searchsorted(relevant_keys, keys)
    hits = np.zeros(items.shape, np.bool_)
    inside = (position < len(relevant_keys)) & (items >= 0)
    hits[inside] = relevant_keys[position[inside]] == keys[inside]
    return hits


def divide_per_user(values: npt.ArrayLike, relevant: Counts) -> PerUser:
    """Divide per user; NaN where nothing was relevant."""
    return np.where(np.asarray(relevant) > 0, np.asarray(values, np.float64), np.nan)
