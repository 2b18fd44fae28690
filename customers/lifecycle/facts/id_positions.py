"""Positions of IDs in a sorted array."""

import numpy as np

from config.foundation.array_types import Ints

MAX_TABLE_RATIO = 8  # a lookup table is faster than a binary search unless the IDs are sparser than this


def find_positions(wanted: Ints, known: Ints) -> Ints:
    """Return the position of each wanted ID in ``known`` (ascending), shape (len(wanted),); -1 if missing."""
    if not len(known) or not len(wanted):
        return np.full(len(wanted), -1, np.int64)
    low, high = int(known[0]), int(known[-1])
    if high - low < MAX_TABLE_RATIO * (len(known) + len(wanted)):
        table = np.full(high - low + 2, -1, np.int64)
        table[known - low] = np.arange(len(known))
        return table[np.where((wanted >= low) & (wanted <= high), wanted - low, -1)]
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, place, -1)
