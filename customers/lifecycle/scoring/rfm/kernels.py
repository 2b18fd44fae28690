"""The loops of RFM over customers, compiled by Numba."""

from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from customers.lifecycle.scoring.stages.kernels import compiled


@compiled
def pass_facts(
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    end: Ints,
    moment: int,
    place: Ints,
    last: Ints,
    orders: Ints,
    revenue: Ints,
) -> None:
    """Takes in each customer's facts from ``place`` on that are before the moment; end: where those of each customer end, shape (n,).

    place, last (order), orders and revenue, shape (n,), are brought up to the moment.
    """
    for i in range(len(end)):
        fact = place[i]
        while fact < end[i] and at[fact] < moment:
            revenue[i] += amount[fact]
            if is_order[fact]:
                orders[i] += 1
                last[i] = at[fact]
            fact += 1
        place[i] = fact


@compiled
def below_borders(value: npt.NDArray[Any], borders: npt.NDArray[Any], below: Ints) -> Ints:
    """How many of the ascending borders each value is above, shape (n,).

    Border k has below[k] values beneath it, the greatest of which is borders[k]; of values equal to that the earlier are beneath.
    """
    above = np.zeros(len(value), np.int64)
    for k in range(len(borders)):
        border, less = borders[k], 0
        for one in value:
            less += one < border
        room = below[k] - less
        for i in range(len(value)):
            if value[i] > border:
                above[i] += 1
            elif value[i] == border:
                room -= 1
                above[i] += room < 0
    return above
