"""Compiled scores of the items of the nearest sessions, and their attribution to the items of the history."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.algorithms.neighbors.session_search_kernels import (
    count_index_entries,
    count_table_bits,
    find_nearest_sessions,
)
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil, inlined


@compiled
def copy_sessions(
    nearest: AnyInts, session_starts: AnyInts, session_items: AnyInts, session_weights: AnyFloats
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """Copy some sessions one after the other: (starts, items, weights).

    A loop that only copies lets the processor load many of them from memory at the same time.
    """
    starts = np.empty(nearest.shape[0] + 1, np.int64)
    ends = np.empty(nearest.shape[0], np.int64)
    length = 0
    for index in range(nearest.shape[0]):
        starts[index] = session_starts[nearest[index]]
        ends[index] = session_starts[nearest[index] + 1]
    for index in range(nearest.shape[0]):
        length += ends[index] - starts[index]
    items, weights = np.empty(length, np.int32), np.empty(length, np.float32)
    filled = 0
    for index in range(nearest.shape[0]):
        first = starts[index]
        starts[index] = filled
        for position in range(first, ends[index]):
            items[filled] = session_items[position]
            weights[filled] = session_weights[position]
            filled += 1
    starts[nearest.shape[0]] = filled
    return starts, items, weights


@inlined
def _find_last_position(items: AnyInts, first: int, last: int, item: int) -> int:
    """Return the last position of `item` in items[first:last], which must contain it."""
    position = last - 1
    while items[position] != item:
        position -= 1
    return position


@inlined
def _weigh_distance(distance: int, powers: AnyFloats, reach: float, back: float, own: float) -> float:
    """Return ρ(distance) of `SessionKNN`; powers: reach^0, reach^1, …, because a load is cheaper than a power."""
    if distance == 0:
        return own
    steps = distance - 1 if distance > 0 else -distance - 1
    power = powers[steps] if steps < powers.shape[0] else reach**steps
    return power if distance > 0 else back * power


@compiled
def _add_sessions(
    values: AnyFloats,
    newest_shared: AnyInts,
    shared: AnyInts,
    starts: AnyInts,
    items: AnyInts,
    weights: AnyFloats,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
    anchors: AnyInts,
) -> int:
    """Add Σ v_s w_sp ρ(p − a_s) over the positions p of i in the sessions to total[i]; write the a_s to anchors.

    `order` lists the items with a score; returns how many.
    """
    count = 0
    for index in range(values.shape[0]):
        first, last = starts[index], starts[index + 1]
        anchor = _find_last_position(items, first, last, shared[newest_shared[index]])
        anchors[index] = anchor
        for position in range(first, last):
            column = items[position]
            if not touched[column]:
                touched[column] = True
                order[count] = column
                count += 1
            total[column] += (
                values[index] * weights[position] * _weigh_distance(position - anchor, powers, reach, back, own)
            )
    return count


@compiled
def _grow(
    columns: AnyInts, values: AnyFloats, filled: int, capacity: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return arrays of the new capacity that start with the filled part of the old ones."""
    grown_columns, grown_values = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    grown_columns[:filled] = columns[:filled]
    grown_values[:filled] = values[:filled]
    return grown_columns, grown_values


@compiled
def _take_scores(
    order: AnyInts, item_factors: AnyFloats, total: AnyFloats, touched: Flags, columns: AnyInts, scores: AnyFloats
) -> int:
    """Write the items of `order` with a positive score and their scores, clear `total` and `touched`; return how many."""
    filled = 0
    for index in range(order.shape[0]):
        column = order[index]
        value = np.float32(total[column] * item_factors[column])
        total[column] = 0
        touched[column] = False
        if value > 0:
            columns[filled] = column
            scores[filled] = value
            filled += 1
    return filled


@compiled
def score_sessions(
    indptr: AnyInts,
    items: AnyInts,
    strengths: AnyFloats,
    users: AnyInts,
    start: int,
    stop: int,
    item_factors: AnyFloats,
    session_starts: AnyInts,
    session_items: AnyInts,
    session_weights: AnyFloats,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    k: int,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """Score rows start…stop: (entries per row, columns, values); columns are in the order of the sessions."""
    n_items = item_factors.shape[0]
    # One table for all rows, large enough for the row with the most index entries.
    entries = 0
    for row in range(start, stop):
        entries = max(entries, count_index_entries(items[indptr[row] : indptr[row + 1]], item_starts))
    table = np.zeros((1 << count_table_bits(entries), 4), np.int32)
    used, matches = np.empty(entries, np.int32), np.empty(entries, np.float32)
    total = np.zeros(n_items, np.float64)
    touched = np.zeros(n_items, np.bool_)
    order = np.empty(n_items, np.int32)
    counts = np.zeros(stop - start, np.int32)
    out_columns = np.empty(1024, np.int32)
    out_values = np.empty(1024, np.float32)
    filled = 0
    for row in range(start, stop):
        shared = items[indptr[row] : indptr[row + 1]]
        nearest, values, newest_shared = find_nearest_sessions(
            shared, strengths[indptr[row] : indptr[row + 1]], users[row], k, session_factors, largest, session_users,
            item_starts, item_sessions, table, used, matches,
        )  # fmt: skip
        starts, near_items, weights = copy_sessions(nearest, session_starts, session_items, session_weights)
        count = _add_sessions(
            values, newest_shared, shared, starts, near_items, weights, powers, reach, back, own, total, touched, order,
            np.empty(nearest.shape[0], np.int32),
        )  # fmt: skip
        if filled + count > out_columns.shape[0]:
            out_columns, out_values = _grow(out_columns, out_values, filled, 2 * (filled + count))
        row_count = _take_scores(order[:count], item_factors, total, touched, out_columns[filled:], out_values[filled:])
        counts[row - start] = row_count
        filled += row_count
    return counts, out_columns[:filled].copy(), out_values[:filled].copy()


@compiled_with_gil
def score_one_history(
    shared: AnyInts,
    strengths: AnyFloats,
    user: int,
    item_factors: AnyFloats,
    session_starts: AnyInts,
    session_items: AnyInts,
    session_weights: AnyFloats,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    k: int,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
    table: AnyInts,
    used: AnyInts,
    matches: AnyFloats,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> tuple[AnyInts, AnyFloats, AnyInts, AnyInts, AnyInts, AnyInts, AnyFloats]:
    """Score one history as `score_sessions` does, in arrays that the caller reuses.

    Returns (columns, values, nearest sessions, positions of their anchors) and the copied sessions of `copy_sessions`. total and touched
    must be 0 and False, and are so afterwards.
    """
    nearest, values, newest_shared = find_nearest_sessions(
        shared, strengths, user, k, session_factors, largest, session_users, item_starts, item_sessions, table, used, matches,
    )  # fmt: skip
    starts, items, weights = copy_sessions(nearest, session_starts, session_items, session_weights)
    anchors = np.empty(nearest.shape[0], np.int32)
    count = _add_sessions(
        values, newest_shared, shared, starts, items, weights, powers, reach, back, own, total, touched, order, anchors
    )
    columns = np.empty(count, np.int32)
    scores = np.empty(count, np.float32)
    filled = _take_scores(order[:count], item_factors, total, touched, columns, scores)
    return columns[:filled], scores[:filled], nearest, anchors, starts, items, weights


@compiled_with_gil
def attribute_to_sessions(
    nearest: AnyInts,
    anchors: AnyInts,
    starts: AnyInts,
    items: AnyInts,
    weights: AnyFloats,
    shared: AnyInts,
    strengths: AnyFloats,
    item_factors: AnyFloats,
    session_factors: AnyFloats,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
    slots: AnyInts,
    positions: AnyInts,
    strength_by_item: AnyFloats,
    out: AnyFloats,
) -> None:
    """Add to out[slots[shared item], positions[column]] the item's part of v_s times the rest, for sessions of `score_one_history`.

    strength_by_item: one entry per item, 0 before and after. The index of an item lists only its newest sessions; a session belongs to
    it if it is not older than the oldest one there.
    """
    target_values = np.zeros(out.shape[1], out.dtype)
    for position in range(shared.shape[0]):
        strength_by_item[shared[position]] = strengths[position]
    for index in range(nearest.shape[0]):
        session = nearest[index]
        first, last = starts[index], starts[index + 1]
        has_target = False
        for position in range(first, last):
            item = items[position]
            column = positions[item]
            if column >= 0:
                distance_weight = _weigh_distance(position - anchors[index], powers, reach, back, own)
                target_values[column] += weights[position] * distance_weight * item_factors[item]
                has_target = True
        if not has_target:  # most sessions contain none of the few explained items
            continue
        for position in range(first, last):
            item = items[position]
            strength = strength_by_item[item]
            if strength > 0 and session >= item_sessions[item_starts[item + 1] - 1]:
                # v_s counts a shared item once per session, so its part must not be added again.
                is_repeated = False
                for earlier in range(first, position):
                    is_repeated = is_repeated or items[earlier] == item
                if not is_repeated:
                    for column in range(target_values.shape[0]):
                        out[slots[item], column] += strength * session_factors[session] * target_values[column]
        target_values[:] = 0
    for position in range(shared.shape[0]):
        strength_by_item[shared[position]] = 0
