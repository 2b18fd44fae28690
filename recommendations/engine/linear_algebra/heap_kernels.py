"""Compiled heaps that keep the k best entries of a row and their order among ties."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts
from config.foundation.random_numbers.splitmix64 import GOLDEN
from recommendations.engine.linear_algebra.formula_kernels import mix_number
from recommendations.engine.linear_algebra.jit import compiled, inlined


@inlined
def ranks_before(
    value: np.floating | float, tie: np.int64, other_value: np.floating | float, other_tie: np.int64
) -> bool | np.bool_:
    """Return whether an entry ranks before another: by the larger value, then by the smaller tie-break."""
    return value > other_value or (value == other_value and tie < other_tie)


@compiled
def _sift_down(values: AnyFloats, ties: AnyInts, columns: AnyInts, start: int, size: int) -> None:
    """Restore the heap (worst entry at the root) below `start`."""
    # The hole moves instead of the entry, which is written only once, at its final position.
    value, tie, column = values[start], ties[start], columns[start]
    hole = start
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and ranks_before(values[child], ties[child], values[child + 1], ties[child + 1]):
            child += 1
        if not ranks_before(value, tie, values[child], ties[child]):
            break
        values[hole], ties[hole], columns[hole] = values[child], ties[child], columns[child]
        hole = child
    values[hole], ties[hole], columns[hole] = value, tie, column


@compiled
def _sift_up(values: AnyFloats, ties: AnyInts, columns: AnyInts, hole: int) -> None:
    """Restore the heap above `hole`, where an entry was appended."""
    value, tie, column = values[hole], ties[hole], columns[hole]
    while hole > 0:
        parent = (hole - 1) // 2
        if not ranks_before(values[parent], ties[parent], value, tie):
            break
        values[hole], ties[hole], columns[hole] = values[parent], ties[parent], columns[parent]
        hole = parent
    values[hole], ties[hole], columns[hole] = value, tie, column


@compiled
def push_entry(
    values: AnyFloats,
    ties: AnyInts,
    columns: AnyInts,
    size: int,
    value: np.floating | float,
    tie: np.int64,
    column: int,
) -> int:
    """Keep the entry if it is among the best `len(values)`; return the new size."""
    if size < values.shape[0]:
        values[size], ties[size], columns[size] = value, tie, column
        _sift_up(values, ties, columns, size)
        return size + 1
    if ranks_before(value, tie, values[0], ties[0]):
        values[0], ties[0], columns[0] = value, tie, column
        _sift_down(values, ties, columns, 0, size)
    return size


@compiled
def drain_heap(
    values: AnyFloats, ties: AnyInts, columns: AnyInts, size: int, out_columns: AnyInts, out_values: AnyFloats
) -> None:
    """Write the heap's entries, best first."""
    # The root is the worst entry left, so the output is filled from its end.
    while size > 0:
        size -= 1
        out_columns[size] = columns[0]
        out_values[size] = values[0]
        values[0], ties[0], columns[0] = values[size], ties[size], columns[size]
        if size > 0:
            _sift_down(values, ties, columns, 0, size)


@inlined
def compute_tie_break(seed: int, row: int, column: int) -> np.int64:
    """Return the tie-break: the column, or with seed >= 0 a pseudo-random number of (seed, row, column) by splitmix64."""
    if seed < 0:
        return np.int64(column)
    mixed = mix_number(np.uint64(seed) * GOLDEN + (np.uint64(row) << np.uint64(32)) + np.uint64(column))
    return np.int64(mixed >> np.uint64(1))  # 63 bits, so that int64 is not negative
