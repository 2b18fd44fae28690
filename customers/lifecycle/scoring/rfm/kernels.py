"""The loops of RFM over customers, compiled by Numba."""

from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from customers.lifecycle.scoring.stages.kernels import compiled


@compiled
def advance_totals(
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    end: Ints,
    moment: int,
    position: Ints,
    last: Ints,
    orders: Ints,
    revenue: Ints,
) -> None:
    """Add each customer's next facts before the moment to the running totals.

    The next fact is at ``position``.
    position, last (moment of the last order), orders and revenue, shape (n,), are updated in place. end: shape (n,), where the
    facts of each customer end.
    """
    for i in range(len(end)):
        fact = position[i]
        while fact < end[i] and at[fact] < moment:
            revenue[i] += amount[fact]
            if is_order[fact]:
                orders[i] += 1
                last[i] = at[fact]
            fact += 1
        position[i] = fact


@compiled
def count_borders_below(value: npt.NDArray[Any], borders: npt.NDArray[Any], below: Ints) -> Ints:
    """Return how many of the ascending borders each value is above, shape (n,).

    Border k has below[k] values beneath it, the greatest of which is borders[k]; among equal values the earlier ones are beneath.
    """
    above = np.zeros(len(value), np.int64)
    for k in range(len(borders)):
        # Equal values straddle a border: `room` of them, in their order, are still beneath it.
        border, less = borders[k], 0
        for other in value:
            less += other < border
        room = below[k] - less
        for i in range(len(value)):
            if value[i] > border:
                above[i] += 1
            elif value[i] == border:
                room -= 1
                above[i] += room < 0
    return above
