"""Compiled products of sparse and dense matrices."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine.linear_algebra.heap_kernels import drain_heap, push_entry, ranks_before
from recommendations.engine.linear_algebra.jit import compiled, compiled_contracted


@compiled
def multiply_rows(
    a_indptr: AnyInts,
    a_indices: AnyInts,
    a_data: AnyFloats,
    b_indptr: AnyInts,
    b_indices: AnyInts,
    b_data: AnyFloats,
    n_columns: int,
    start: int,
    stop: int,
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """Compute rows start…stop of A·B: (entries per row, columns, values), columns in the order of their first term."""
    # Gustavson's algorithm: dense sums of one row, of which only the touched columns are read and cleared again.
    total = np.zeros(n_columns, np.float32)
    touched = np.zeros(n_columns, np.bool_)
    order = np.empty(n_columns, np.int32)
    counts = np.zeros(stop - start, np.int32)
    columns = np.empty(max(1024, n_columns), np.int32)
    values = np.empty(columns.shape[0], np.float32)
    filled = 0
    for row in range(start, stop):
        count = 0
        for p in range(a_indptr[row], a_indptr[row + 1]):
            middle = a_indices[p]
            factor = a_data[p]
            for q in range(b_indptr[middle], b_indptr[middle + 1]):
                column = b_indices[q]
                if not touched[column]:
                    touched[column] = True
                    order[count] = column
                    count += 1
                total[column] += factor * b_data[q]
        if filled + count > columns.shape[0]:
            capacity = 2 * (filled + count)  # doubling keeps the cost of copying proportional to the result
            grown_columns = np.empty(capacity, np.int32)
            grown_columns[:filled] = columns[:filled]
            columns = grown_columns
            grown_values = np.empty(capacity, np.float32)
            grown_values[:filled] = values[:filled]
            values = grown_values
        for index in range(count):
            column = order[index]
            columns[filled] = column
            values[filled] = total[column]
            filled += 1
            total[column] = 0
            touched[column] = False
        counts[row - start] = count
    return counts, columns[:filled].copy(), values[:filled].copy()


@compiled
def multiply_top_k(
    a_indptr: AnyInts,
    a_indices: AnyInts,
    a_data: AnyFloats,
    b_indptr: AnyInts,
    b_indices: AnyInts,
    b_data: AnyFloats,
    n_columns: int,
    rows: AnyInts,
    skip: AnyInts,
    shrinkage: np.float32,
    min_terms: int,
    out_columns: AnyInts,
    out_values: AnyFloats,
    out_counts: AnyInts,
) -> None:
    """Write the k largest positive entries of the given rows of A·B, best first, without column skip[row].

    Entries summed over fewer than `min_terms` terms are left out. With shrinkage λ > 0 an entry summed over n terms is multiplied by
    n / (n + λ). k is the width of `out_columns`.
    """
    needs_counts = shrinkage > 0 or min_terms > 1  # counting the terms costs another array access per product
    total = np.zeros(n_columns, np.float64)
    terms = np.zeros(n_columns if needs_counts else 0, np.int32)
    touched = np.zeros(n_columns, np.bool_)
    order = np.empty(n_columns, np.int32)
    k = out_columns.shape[1]
    heap_values = np.empty(k, np.float32)
    heap_ties = np.empty(k, np.int64)
    heap_columns = np.empty(k, np.int32)
    for row in rows:
        count = 0
        for p in range(a_indptr[row], a_indptr[row + 1]):
            middle = a_indices[p]
            factor = a_data[p]
            for q in range(b_indptr[middle], b_indptr[middle + 1]):
                column = b_indices[q]
                if not touched[column]:
                    touched[column] = True
                    order[count] = column
                    count += 1
                total[column] += factor * b_data[q]
                if needs_counts:
                    terms[column] += 1
        size = 0
        for index in range(count):
            column = order[index]
            value = np.float32(total[column])
            if needs_counts:
                value = (
                    value * terms[column] / (terms[column] + shrinkage) if terms[column] >= min_terms else np.float32(0)
                )
                terms[column] = 0
            total[column] = 0
            touched[column] = False
            # Values equal to the smallest kept one are common; checking here saves a call for each.
            is_wanted = size < k or ranks_before(value, np.int64(column), heap_values[0], heap_ties[0])
            if is_wanted and value > 0 and column != skip[row]:
                size = push_entry(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
        out_counts[row] = size
        drain_heap(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])


@compiled_contracted
def _add_four_rows(
    target: AnyFloats, a: AnyFloats, b: AnyFloats, c: AnyFloats, d: AnyFloats, factors: AnyFloats
) -> None:
    """Add factors · the four rows to target, which is loaded and stored once for four products."""
    factor_1, factor_2, factor_3, factor_4 = factors[0], factors[1], factors[2], factors[3]
    for position in range(target.shape[0]):
        target[position] += (
            factor_1 * a[position] + factor_2 * b[position] + factor_3 * c[position] + factor_4 * d[position]
        )


@compiled_contracted
def multiply_dense(left: AnyFloats, right: AnyFloats, out: AnyFloats) -> None:
    """Add left · right to out for dense float32 matrices; unlike in BLAS, a row's result does not depend on the other rows."""
    tile = 1024  # five float32 rows of this length, 20 KB, fit into the first-level cache
    fours = left.shape[1] // 4 * 4
    for first in range(0, right.shape[1], tile):
        last = min(first + tile, right.shape[1])
        for row in range(left.shape[0]):
            target = out[row, first:last]
            for middle in range(0, fours, 4):
                _add_four_rows(
                    target,
                    right[middle, first:last],
                    right[middle + 1, first:last],
                    right[middle + 2, first:last],
                    right[middle + 3, first:last],
                    left[row, middle : middle + 4],
                )
            for middle in range(fours, left.shape[1]):
                factor, source = left[row, middle], right[middle, first:last]
                for position in range(target.shape[0]):
                    target[position] += factor * source[position]
