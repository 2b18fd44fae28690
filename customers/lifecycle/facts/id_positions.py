"""Where ids stand among others."""

import numpy as np

from config.foundation.array_types import Ints

MAX_TABLE_RATIO = (
    8  # a table of all numbers up to the largest id costs less than searching while ids are not much sparser
)


def find_positions(wanted: Ints, known: Ints) -> Ints:
    """The place of each wanted id among the ``known``, which ascend, shape (len(wanted),); -1 where it is none of them."""
    if not len(known) or not len(wanted):
        return np.full(len(wanted), -1, np.int64)
    low, high = int(known[0]), int(known[-1])
    if high - low < MAX_TABLE_RATIO * (len(known) + len(wanted)):
        table = np.full(high - low + 2, -1, np.int64)
        table[known - low] = np.arange(len(known))
        return table[np.where((wanted >= low) & (wanted <= high), wanted - low, -1)]
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, place, -1)
