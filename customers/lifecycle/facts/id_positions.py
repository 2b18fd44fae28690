"""Positions of IDs in a sorted array."""

import numpy as np

from config.foundation.array_types import Ints

MAX_TABLE_RATIO = 8  # up to this many table entries per ID, a lookup table is faster than a binary search


def find_positions(ids: Ints, known: Ints) -> Ints:
    """Return the position of each of the IDs in ``known`` (ascending), shape (len(ids),).

    The position is -1 if the ID is missing.
    """
    if not len(known) or not len(ids):
        return np.full(len(ids), -1, np.int64)
    low, high = int(known[0]), int(known[-1])
    if high - low < MAX_TABLE_RATIO * (len(known) + len(ids)):
        # The last element stays -1; IDs out of range become index -1, which is that element.
        table = np.full(high - low + 2, -1, np.int64)
        table[known - low] = np.arange(len(known))
        return table[np.where((ids >= low) & (ids <= high), ids - low, -1)]
    index = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[index] == ids, index, -1)
