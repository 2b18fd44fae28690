"""Compiled comparison of a few rows with a history by content, in one call."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil
from recommendations.engine.linear_algebra.set_kernels import find_table_slot, make_row_table
from recommendations.engine.online.kernels import add_content_contributions, multiply_row

UNROLLED, BLOCK = 8, 128  # of NumPy's pairwise sum


@compiled
def sum_pairwise(values: AnyFloats) -> float:
    """Return the sum of float64 numbers with the rounding of NumPy."""
    n = values.shape[0]
    if n < UNROLLED:
        total = 0.0
        for value in values:
            total += value
        return total
    if n <= BLOCK:
        sums = values[:UNROLLED].copy()
        last = n - n % UNROLLED
        for start in range(UNROLLED, last, UNROLLED):
            for lane in range(UNROLLED):
                sums[lane] += values[start + lane]
        total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
        for position in range(last, n):
            total += values[position]
        return total
    half = n // 2
    half -= half % UNROLLED
    return sum_pairwise(values[:half]) + sum_pairwise(values[half:])


@compiled_with_gil
def compare_content(
    items: AnyInts,
    weights: AnyFloats,
    document: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    rows: AnyInts,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> npt.NDArray[np.float32]:
    """Return the cosine of each row with the weighted items of a history; 0 for rows without content, or a history without it.

    document: of each item, a row of the CSR matrix of unit vectors. total and touched must be 0 and False, and are so afterwards.
    """
    out = np.zeros((1, rows.shape[0]), np.float32)
    documents = document[items]
    _terms, profile = multiply_row(documents, weights, indptr, indices, data, total, touched, order)
    squares = profile.astype(np.float64)
    squares *= squares
    length = np.sqrt(sum_pairwise(squares))
    if length != 0:
        targets = np.empty(rows.shape[0], np.int32)
        for position in range(rows.shape[0]):
            targets[position] = document[rows[position]] if rows[position] < document.shape[0] else -1
        slots = np.zeros(items.shape[0], np.int32)
        add_content_contributions(
            documents, weights / np.float32(length), slots, targets, indptr, indices, data, total, out
        )
    return out[0]


@compiled_with_gil
def rank_new_rows(
    rows: AnyInts,
    thetas: AnyFloats,
    known: AnyInts,
    excluded: AnyInts,
    min_affinity: float,
    items: AnyInts,
    weights: AnyFloats,
    document: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the positions of the rows that are neither known nor excluded, and their factors: min_affinity + cosine from 0 to 1.

    They are in descending order of θ · factor; ties in their order. The cosine is that of `compare_content`.
    """
    table = make_row_table(known.shape[0] + excluded.shape[0])
    for row in known:
        table[find_table_slot(table, row)] = row
    for row in excluded:
        if row >= 0:
            table[find_table_slot(table, row)] = row
    count = 0
    kept, kept_positions = np.empty(rows.shape[0], np.int32), np.empty(rows.shape[0], np.int64)
    for position in range(rows.shape[0]):
        row = rows[position]
        if table[find_table_slot(table, row)] != row:
            kept[count], kept_positions[count] = row, position
            count += 1
    kept = kept[:count]
    affinity = compare_content(items, weights, document, indptr, indices, data, kept, total, touched, order)
    keys, factors = np.empty(count, np.float32), np.empty(count, np.float32)
    for position in range(count):
        cosine = min(max(affinity[position], np.float32(0)), np.float32(1))
        factors[position] = np.float32(min_affinity) + cosine
        keys[position] = -thetas[kept_positions[position]] * factors[position]
    best_first = np.argsort(keys, kind="mergesort")
    return kept_positions[best_first], factors[best_first]
