"""Assigns return documents, which do not name their order, to the customer's earlier orders."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Ints
from customers.lifecycle.scoring.stages.kernels import compiled

MAX_COMPARED = 100  # the latest orders of which one of exactly the amount of the return is looked for


def assign_returns(*, start: Ints, amount: Ints, is_order: npt.NDArray[np.bool_]) -> tuple[Ints, Flags]:
    """Return what remains of each order after its returns, and which facts count as a returned order; shape (m,) each.

    Customer i has the facts start[i] to start[i + 1], by ascending moment: orders, and returns with an amount of 0 or less (minor units).
    A return is assigned to the latest earlier order of which exactly its amount remains, or else to the latest earlier orders, none of
    which falls below 0. What exceeds them is ignored. The returns of a customer before their first fact that is an order are of an
    unknown order: the first of them is marked instead. Amounts of returns remain as they are.
    """
    return subtract_returns(np.ascontiguousarray(start), np.ascontiguousarray(amount), np.ascontiguousarray(is_order))


@compiled
def subtract_returns(start: Ints, amount: Ints, is_order: npt.NDArray[np.bool_]) -> tuple[Ints, Flags]:
    """Return the arrays of `assign_returns`."""
    remaining = amount.copy()
    is_returned = np.zeros(len(amount), np.bool_)
    stack = np.empty(len(amount), np.int64)  # the customer's orders of which something remains, latest last
    for i in range(len(start) - 1):
        size, latest = 0, -1
        for fact in range(start[i], start[i + 1]):
            if is_order[fact]:
                latest = fact
                if amount[fact] > 0:
                    stack[size] = fact
                    size += 1
                continue
            rest = -amount[fact]
            if latest < 0:
                is_returned[start[i]] = True
                continue
            if rest <= 0:  # in another currency or without an amount
                is_returned[latest] = True
                continue
            for place in range(size - 1, max(size - 1 - MAX_COMPARED, -1), -1):
                if remaining[stack[place]] == rest:
                    remaining[stack[place]] = rest = 0
                    is_returned[stack[place]] = True
                    break
            while rest > 0 and size > 0:
                order = stack[size - 1]
                part = min(rest, remaining[order])
                remaining[order] -= part
                rest -= part
                is_returned[order] |= part > 0
                if remaining[order] == 0:
                    size -= 1
    return remaining, is_returned
