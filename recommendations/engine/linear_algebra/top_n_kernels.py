"""Compiled selection of the n best columns of each row of a score matrix."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.heap_kernels import compute_tie_break, drain_heap, push_entry, ranks_before
from recommendations.engine.linear_algebra.jit import compiled


@compiled
def select_top_dense(
    scores: AnyFloats,
    excluded_indptr: AnyInts,
    excluded_indices: AnyInts,
    allowed: Flags,
    seed: int,
    first_row: int,
    out_columns: AnyInts,
    out_values: AnyFloats,
) -> None:
    """Select the n best columns of each row of a dense matrix; NaN, -inf, excluded and disallowed columns never appear."""
    n_rows, n_columns = scores.shape
    n = out_columns.shape[1]
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    open_columns = allowed.copy()
    for row in range(n_rows):
        for p in range(excluded_indptr[row], excluded_indptr[row + 1]):
            open_columns[excluded_indices[p]] = False
        size = 0
        for column in range(n_columns):
            value = scores[row, column]
            # The comparison with the worst of the n values fails for most columns, so it comes first. NaN fails the last one.
            if (size < n or value >= heap_values[0]) and open_columns[column] and value > -np.inf:
                tie = compute_tie_break(seed, first_row + row, column)
                if size == n and not ranks_before(value, tie, heap_values[0], heap_ties[0]):
                    continue
                size = push_entry(heap_values, heap_ties, heap_columns, size, value, tie, column)
        drain_heap(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])
        # Only the excluded columns are reset: a copy of `allowed` per row would cost a pass over the catalog.
        for p in range(excluded_indptr[row], excluded_indptr[row + 1]):
            open_columns[excluded_indices[p]] = allowed[excluded_indices[p]]


@compiled
def compute_tie_breaks(columns: AnyInts, seed: int, first_row: int, out: AnyInts) -> None:
    """Write the tie-break of each column of a matrix; that of a missing one (-1) has no meaning."""
    n_rows, width = columns.shape
    for row in range(n_rows):
        for position in range(width):
            out[row, position] = compute_tie_break(seed, first_row + row, max(columns[row, position], 0))


@compiled
def select_top_sparse(
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    excluded_indptr: AnyInts,
    excluded_indices: AnyInts,
    allowed: Flags,
    seed: int,
    first_row: int,
    out_columns: AnyInts,
    out_values: AnyFloats,
) -> None:
    """Select the n best columns of each row of a sparse matrix: only stored entries can appear."""
    n_rows = indptr.shape[0] - 1
    n = out_columns.shape[1]
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    open_columns = allowed.copy()
    for row in range(n_rows):
        for p in range(excluded_indptr[row], excluded_indptr[row + 1]):
            open_columns[excluded_indices[p]] = False
        size = 0
        for q in range(indptr[row], indptr[row + 1]):
            column = indices[q]
            value = data[q]
            # The comparison with the worst of the n values fails for most columns, so it comes first. NaN fails the last one.
            if (size < n or value >= heap_values[0]) and open_columns[column] and value > -np.inf:
                tie = compute_tie_break(seed, first_row + row, column)
                if size == n and not ranks_before(value, tie, heap_values[0], heap_ties[0]):
                    continue
                size = push_entry(heap_values, heap_ties, heap_columns, size, value, tie, column)
        drain_heap(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])
        # Only the excluded columns are reset: a copy of `allowed` per row would cost a pass over the catalog.
        for p in range(excluded_indptr[row], excluded_indptr[row + 1]):
            open_columns[excluded_indices[p]] = allowed[excluded_indices[p]]
