"""Compiled counting of item transitions."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.heap_kernels import drain_heap, push_entry
from recommendations.engine.linear_algebra.jit import compiled, inlined


@inlined
def _accumulate(total: AnyFloats, touched: Flags, order: AnyInts, count: int, column: int, value: float) -> int:
    """Add value to total[column] and list a new column in `order`; return how many columns are listed."""
    if not touched[column]:
        touched[column] = True
        order[count] = column
        count += 1
    total[column] += value
    return count


@compiled
def _count_pairs(
    row: int,
    occurrences: AnyInts,
    positions: AnyInts,
    indptr: AnyInts,
    owners: AnyInts,
    items: AnyInts,
    moments: AnyInts,
    roots: AnyFloats,
    dampings: AnyFloats,
    forward: AnyFloats,
    backward: AnyFloats,
    window: int,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> int:
    """Add the weights of all pairs of item `row` to total; return how many columns of `order` are filled."""
    reach = forward.shape[0] - 1
    count = 0
    for q in range(occurrences[row], occurrences[row + 1]):
        item_position = positions[q]
        owner = owners[item_position]
        root = roots[item_position] * dampings[owner]
        for other_position in range(item_position + 1, min(item_position + window, indptr[owner + 1] - 1) + 1):
            # Moments ascend within a history, so all later positions are too far as well.
            distance = moments[other_position] - moments[item_position]
            if distance > reach:
                break
            value = root * roots[other_position] * forward[distance]
            count = _accumulate(total, touched, order, count, items[other_position], value)
        for other_position in range(item_position - 1, max(item_position - window, indptr[owner]) - 1, -1):
            distance = moments[item_position] - moments[other_position]
            if distance > reach:
                break
            value = root * roots[other_position] * backward[distance]
            count = _accumulate(total, touched, order, count, items[other_position], value)
    return count


@compiled
def _weigh_by_similarity(
    row: int,
    order: AnyInts,
    similarity_weight: float,
    v_indptr: AnyInts,
    v_indices: AnyInts,
    v_data: AnyFloats,
    vector: AnyFloats,
    total: AnyFloats,
) -> None:
    """Multiply total of each column in `order` by 1 + similarity_weight · its cosine to item `row`; `vector` is 0 before and after."""
    # The dense copy of one vector makes a cosine as cheap as the other vector is short.
    for p in range(v_indptr[row], v_indptr[row + 1]):
        vector[v_indices[p]] = v_data[p]
    for index in range(order.shape[0]):
        column = order[index]
        cosine = 0.0
        for p in range(v_indptr[column], v_indptr[column + 1]):
            cosine += vector[v_indices[p]] * v_data[p]
        total[column] *= 1.0 + similarity_weight * cosine
    for p in range(v_indptr[row], v_indptr[row + 1]):
        vector[v_indices[p]] = 0


@compiled
def compute_top_transitions(
    rows: AnyInts,
    occurrences: AnyInts,
    positions: AnyInts,
    indptr: AnyInts,
    owners: AnyInts,
    items: AnyInts,
    moments: AnyInts,
    roots: AnyFloats,
    dampings: AnyFloats,
    forward: AnyFloats,
    backward: AnyFloats,
    window: int,
    similarity_weight: float,
    v_indptr: AnyInts,
    v_indices: AnyInts,
    v_data: AnyFloats,
    n_terms: int,
    a_indptr: AnyInts,
    a_indices: AnyInts,
    a_data: AnyFloats,
    row_factors: AnyFloats,
    column_factors: AnyFloats,
    out_columns: AnyInts,
    out_values: AnyFloats,
    out_counts: AnyInts,
) -> None:
    """Write the k largest entries of the given rows of the transition matrix of `transitions.py`, best first.

    Item r occurs at positions[occurrences[r]…occurrences[r + 1]] of the histories; user p has positions indptr[p]…indptr[p + 1].
    forward[d] and backward[d] weigh a pair d moments apart; pairs more than `window` positions apart do not count. V are the items'
    vectors over n_terms terms, A is added to the counted pairs. k is the width of `out_columns`.
    """
    n_columns = column_factors.shape[0]
    total = np.zeros(n_columns, np.float64)
    touched = np.zeros(n_columns, np.bool_)
    order = np.empty(n_columns, np.int32)
    vector = np.zeros(n_terms, np.float32)
    k = out_columns.shape[1]
    heap_values = np.empty(k, np.float32)
    heap_ties = np.empty(k, np.int64)
    heap_columns = np.empty(k, np.int32)
    for row in rows:
        count = _count_pairs(
            row, occurrences, positions, indptr, owners, items, moments, roots, dampings, forward, backward, window,
            total, touched, order,
        )  # fmt: skip
        if similarity_weight > 0:
            _weigh_by_similarity(row, order[:count], similarity_weight, v_indptr, v_indices, v_data, vector, total)
        for p in range(a_indptr[row], a_indptr[row + 1]):
            count = _accumulate(total, touched, order, count, a_indices[p], a_data[p])
        size = 0
        for index in range(count):
            column = order[index]
            value = np.float32(total[column] * row_factors[row] * column_factors[column])
            total[column] = 0  # only touched columns are cleared, so a row costs no pass over the catalog
            touched[column] = False
            if value > 0 and (size < k or value >= heap_values[0]):
                size = push_entry(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
        out_counts[row] = size
        drain_heap(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])
