"""Compiled loops over product groups."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyInts
from recommendations.engine.linear_algebra.jit import compiled_with_gil


@compiled_with_gil
def collect_members(
    rows: AnyInts, codes: AnyInts, members: AnyInts, starts: AnyInts, ends: AnyInts
) -> npt.NDArray[np.int32]:
    """Return all products of the groups of the rows, each once."""
    is_open = np.zeros(codes.shape[0], np.bool_)
    count = 0
    for row in rows:
        if not is_open[codes[row]]:
            is_open[codes[row]] = True
            count += ends[row] - starts[row]
    collected = np.empty(count, np.int32)
    filled = 0
    for row in rows:
        if is_open[codes[row]]:
            is_open[codes[row]] = False
            for position in range(starts[row], ends[row]):
                collected[filled] = members[position]
                filled += 1
    return collected
