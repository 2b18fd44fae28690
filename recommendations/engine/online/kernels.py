"""Compiled loops of the online scorers, each for one history at a time."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.heap_kernels import drain_heap, push_entry, ranks_before
from recommendations.engine.linear_algebra.jit import compiled_with_gil
from recommendations.engine.linear_algebra.set_kernels import fill_row_table, find_table_slot


@compiled_with_gil
def sum_history(
    items: AnyInts,
    weights: AnyFloats,
    orders: AnyFloats,
    as_of: float,
    half_life: float,
    recency: float,
    weighting: int,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the distinct items of one history and their summed weights, without items whose sum is 0.

    half_life: in the unit of `orders`, 0 for none. recency: factor for each moment back from the newest, below 0 for none.
    weighting: 0 raw, 1 binary, 2 ln(1 + x) of the sums. total and touched must be 0 and False, and are so afterwards.
    """
    count = 0
    factor, newest = 1.0, np.inf
    for p in range(items.shape[0] - 1, -1, -1):  # from the newest entry, where the recency factor is 1
        weight = weights[p]
        if half_life > 0:
            weight = np.float32(weight * 2.0 ** (-max(as_of - orders[p], 0.0) / half_life))
        if recency >= 0:
            if orders[p] != newest and newest != np.inf:
                factor *= recency
            newest = orders[p]
            weight = np.float32(weight * factor)
        item = items[p]
        if not touched[item]:
            touched[item] = True
            order[count] = item
            count += 1
        total[item] += weight
    out_items = np.empty(count, np.int32)
    values = np.empty(count, np.float32)
    filled = 0
    for index in range(count):
        item = order[index]
        value = total[item]
        total[item] = 0
        touched[item] = False
        if value != 0:
            out_items[filled] = item
            values[filled] = np.float32(1) if weighting == 1 else (np.log1p(value) if weighting == 2 else value)
            filled += 1
    return out_items[:filled], values[:filled]


@compiled_with_gil
def multiply_row(
    items: AnyInts,
    weights: AnyFloats,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return one sparse row times a CSR matrix: (columns, values). total and touched must be 0 and False, and are so afterwards."""
    count = 0
    for p in range(items.shape[0]):
        weight = weights[p]
        for q in range(indptr[items[p]], indptr[items[p] + 1]):
            column = indices[q]
            if not touched[column]:
                touched[column] = True
                order[count] = column
                count += 1
            total[column] += weight * data[q]
    columns = np.empty(count, np.int32)
    values = np.empty(count, np.float32)
    for index in range(count):
        column = order[index]
        columns[index] = column
        values[index] = total[column]
        total[column] = 0
        touched[column] = False
    return columns, values


@compiled_with_gil
def add_scaled(
    columns: AnyInts, values: AnyFloats, factor: float, total: AnyFloats, touched: Flags, order: AnyInts, count: int
) -> int:
    """Add factor · value where the value is positive; `order` lists the columns with a score so far, `count` of them."""
    for index in range(columns.shape[0]):
        if values[index] > 0:
            column = columns[index]
            if not touched[column]:
                touched[column] = True
                order[count] = column
                count += 1
            total[column] += np.float32(factor) * values[index]
    return count


@compiled_with_gil
def add_normalized(
    columns: AnyInts,
    values: AnyFloats,
    share: float,
    tiny: float,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
    count: int,
) -> tuple[int, float]:
    """Add share · value / highest value as `add_scaled` does; return the new count and the factor, 0 without a score.

    tiny: replaces a highest value below it as the divisor.
    """
    highest = np.float32(0)
    for value in values:
        highest = max(highest, value)
    if not highest > 0:
        return count, 0.0
    factor = share / max(np.float64(highest), tiny)
    return add_scaled(columns, values, factor, total, touched, order, count), factor


@compiled_with_gil
def clear_sums(total: AnyFloats, touched: Flags, order: AnyInts, count: int) -> None:
    """Set the listed columns of total to 0 and of touched to False."""
    for index in range(count):
        total[order[index]] = 0
        touched[order[index]] = False


@compiled_with_gil
def assign_slots(items: AnyInts, slots: AnyInts) -> npt.NDArray[np.int32]:
    """Return the distinct items in ascending order, -1 at the end; the slot of each item becomes its index among them."""
    different = np.unique(items)
    base = np.empty(different.shape[0] + 1, np.int32)
    for position in range(different.shape[0]):
        base[position] = different[position]
        slots[different[position]] = position
    base[-1] = -1
    return base


@compiled_with_gil
def select_top_online(
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
    count: int,
    static_scores: AnyFloats,
    static_order: AnyInts,
    allowed: Flags,
    excluded: AnyInts,
    excluded_flags: Flags,
    factors: AnyFloats,
    largest: float,
    n: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the n best columns by (total + static) · factors, best first (ties: lower column), positive, allowed and not excluded.

    order[:count] are the columns where total is not 0. static_order: the columns with a positive static value, largest first; only as
    many as can be among the best are read, so the size of the catalog does not matter. Without factors their length is 0; largest:
    the maximum of the factors, 1 without. excluded_flags must be False, and is so afterwards.
    """
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    size = 0
    has_factors = factors.shape[0] > 0
    for p in range(excluded.shape[0]):
        if excluded[p] >= 0:
            excluded_flags[excluded[p]] = True
    for index in range(count):
        column = order[index]
        value = total[column] + static_scores[column]
        if has_factors:
            value *= factors[column]
        if value > 0 and allowed[column] and not excluded_flags[column]:
            if size == n and not ranks_before(value, np.int64(column), heap_values[0], heap_ties[0]):
                continue
            size = push_entry(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
    for index in range(static_order.shape[0]):
        column = static_order[index]
        value = static_scores[column]
        # Static scores descend, so no later column can enter the heap either.
        if size == n and value * np.float32(largest) < heap_values[0]:
            break
        if has_factors:
            value *= factors[column]
        if value > 0 and allowed[column] and not touched[column] and not excluded_flags[column]:
            if size == n and not ranks_before(value, np.int64(column), heap_values[0], heap_ties[0]):
                continue
            size = push_entry(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
    for p in range(excluded.shape[0]):
        if excluded[p] >= 0:
            excluded_flags[excluded[p]] = False
    columns = np.empty(size, np.int32)
    values = np.empty(size, np.float32)
    drain_heap(heap_values, heap_ties, heap_columns, size, columns, values)
    return columns, values


@compiled_with_gil
def select_top_among(
    rows: AnyInts,
    total: AnyFloats,
    static_scores: AnyFloats,
    allowed: Flags,
    excluded: AnyInts,
    factors: AnyFloats,
    n: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return what `select_top_online` does, but only of the given rows, which are different."""
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    size = 0
    barred = fill_row_table(excluded)
    for column in rows:
        value = total[column] + static_scores[column]
        if factors.shape[0] > 0:
            value *= factors[column]
        if value > 0 and allowed[column] and barred[find_table_slot(barred, column)] != column:
            if size == n and not ranks_before(value, np.int64(column), heap_values[0], heap_ties[0]):
                continue
            size = push_entry(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
    columns = np.empty(size, np.int32)
    values = np.empty(size, np.float32)
    drain_heap(heap_values, heap_ties, heap_columns, size, columns, values)
    return columns, values


@compiled_with_gil
def add_linear_contributions(
    items: AnyInts,
    rows: AnyInts,
    weights: AnyFloats,
    factor: float,
    slots: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    positions: AnyInts,
    out: AnyFloats,
) -> None:
    """Add factor · weight · entry of the item's row to out[slots[item], positions[column]], for positions ≥ 0."""
    for p in range(items.shape[0]):
        weight = factor * weights[p]
        slot = slots[items[p]]
        for q in range(indptr[rows[p]], indptr[rows[p] + 1]):
            position = positions[indices[q]]
            if position >= 0:
                out[slot, position] += weight * data[q]


@compiled_with_gil
def expand_documents(
    documents: AnyInts, values: AnyFloats, indptr: AnyInts, items: AnyInts
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the items of each document, items[indptr[d]:indptr[d + 1]], with its value, if positive."""
    count = 0
    for p in range(documents.shape[0]):
        if values[p] > 0:
            count += indptr[documents[p] + 1] - indptr[documents[p]]
    out_items = np.empty(count, np.int32)
    out_values = np.empty(count, np.float32)
    filled = 0
    for p in range(documents.shape[0]):
        if values[p] > 0:
            for q in range(indptr[documents[p]], indptr[documents[p] + 1]):
                out_items[filled] = items[q]
                out_values[filled] = values[p]
                filled += 1
    return out_items, out_values


@compiled_with_gil
def add_content_contributions(
    rows: AnyInts,
    weights: AnyFloats,
    slots: AnyInts,
    targets: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    buffer: AnyFloats,
    out: AnyFloats,
) -> None:
    """Add weights[h] · (vector of row h · vector of target m) to out[slots[h], m]. buffer: one entry per term, 0 before and after."""
    for m in range(targets.shape[0]):
        if targets[m] < 0:
            continue
        # The dense copy of the target makes each cosine one pass over the sparse vector of the history's item.
        for q in range(indptr[targets[m]], indptr[targets[m] + 1]):
            buffer[indices[q]] = data[q]
        for h in range(rows.shape[0]):
            cosine = np.float32(0)
            for q in range(indptr[rows[h]], indptr[rows[h] + 1]):
                cosine += data[q] * buffer[indices[q]]
            out[slots[h], m] += weights[h] * cosine
        for q in range(indptr[targets[m]], indptr[targets[m] + 1]):
            buffer[indices[q]] = 0


@compiled_with_gil
def add_neighbor_contributions(
    nearest: AnyInts,
    shares: AnyFloats,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    unit_indptr: AnyInts,
    unit_indices: AnyInts,
    unit_data: AnyFloats,
    history_values: AnyFloats,
    slots: AnyInts,
    positions: AnyInts,
    out: AnyFloats,
) -> None:
    """Split each neighbor's part of a score over the items that it shares with the history, by their part of the similarity.

    out[slots[j], positions[i]] += shares[v] · x_vi · u_vj own_j / Σ_j u_vj own_j; own is 0 for items that the history lacks.
    """
    for v in range(nearest.shape[0]):
        neighbor = nearest[v]
        # Most neighbors have none of the explained items; they need no similarity.
        is_wanted = False
        for q in range(indptr[neighbor], indptr[neighbor + 1]):
            if positions[indices[q]] >= 0:
                is_wanted = True
                break
        if not is_wanted:
            continue
        total_similarity = 0.0
        for q in range(unit_indptr[neighbor], unit_indptr[neighbor + 1]):
            total_similarity += unit_data[q] * history_values[unit_indices[q]]
        if not total_similarity > 0:
            continue
        for q in range(indptr[neighbor], indptr[neighbor + 1]):
            position = positions[indices[q]]
            if position >= 0:
                share = shares[v] * data[q] / total_similarity
                for p in range(unit_indptr[neighbor], unit_indptr[neighbor + 1]):
                    common = unit_data[p] * history_values[unit_indices[p]]
                    if common != 0:
                        out[slots[unit_indices[p]], position] += share * common
