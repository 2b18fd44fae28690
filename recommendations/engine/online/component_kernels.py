"""Compiled scores of several components of an ensemble in one call, and what each item of the history contributed to them.

A component is a line of two tables, made by `component_group.ComponentGroup`: addresses and lengths of its arrays, and its parameters.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.algorithms.neighbors.session_kernels import attribute_to_sessions, score_one_history
from recommendations.engine.algorithms.neighbors.session_search_kernels import compute_session_strengths
from recommendations.engine.linear_algebra.array_views import view_float32, view_float64, view_int32, view_int64
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil
from recommendations.engine.online.cause_kernels import scale_contributions
from recommendations.engine.online.kernels import (
    add_linear_contributions,
    add_normalized,
    multiply_row,
    sum_history,
)

LINEAR, SESSIONS = 0, 1
# Columns of the table of integers. Both kinds: KIND and N_ITEMS.
KIND, N_ITEMS = 0, 1
INDPTR, INDICES, DATA, N_ROWS, NNZ, ROW_OF_ITEM, WEIGHTING = 2, 3, 4, 5, 6, 7, 8
(
    SESSION_STARTS, SESSION_ITEMS, SESSION_WEIGHTS, SESSION_FACTORS, SESSION_USERS, ITEM_STARTS, ITEM_SESSIONS, ITEM_FACTORS,
    MATCH_FACTORS, POWERS, N_SESSIONS, N_ENTRIES, N_INDEXED, N_POWERS, NEIGHBORS, LONGEST,
) = range(2, 18)  # fmt: skip
N_INTEGERS = 18
# Columns of the table of numbers.
SHARE, HALF_LIFE, RECENCY = 0, 1, 2
DECAY, LARGEST, REACH, BACK, OWN = 1, 2, 3, 4, 5
N_NUMBERS = 6


@compiled
def _weigh_linear(
    integers: AnyInts,
    numbers: AnyFloats,
    items: AnyInts,
    orders: AnyFloats,
    weights: AnyFloats,
    as_of: float,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """Return the distinct items of the history, their rows in the matrix of a linear component, and their weights."""
    distinct, sums = sum_history(
        items, weights, orders, as_of, numbers[HALF_LIFE], numbers[RECENCY], integers[WEIGHTING], total, touched, order
    )
    rows = distinct
    if integers[ROW_OF_ITEM] != 0:
        rows = view_int32(integers[ROW_OF_ITEM], integers[N_ITEMS])[distinct]
    return distinct, rows, sums


@compiled
def _score_linear(
    line: AnyInts,
    numbers: AnyFloats,
    items: AnyInts,
    orders: AnyFloats,
    weights: AnyFloats,
    as_of: float,
    part: AnyFloats,
    part_touched: Flags,
    part_order: AnyInts,
) -> tuple[AnyInts, AnyFloats]:
    """Return the columns and values of a linear component."""
    _items, rows, sums = _weigh_linear(line, numbers, items, orders, weights, as_of, part, part_touched, part_order)
    return multiply_row(
        rows, sums, view_int64(line[INDPTR], line[N_ROWS] + 1), view_int32(line[INDICES], line[NNZ]),
        view_float32(line[DATA], line[NNZ]), part, part_touched, part_order,
    )  # fmt: skip


@compiled
def _score_sessions(
    line: AnyInts,
    numbers: AnyFloats,
    items: AnyInts,
    weights: AnyFloats,
    user: int,
    part: AnyFloats,
    part_touched: Flags,
    part_order: AnyInts,
    table: AnyInts,
    used: AnyInts,
    matches: AnyFloats,
) -> tuple[AnyInts, AnyFloats, AnyInts, AnyFloats]:
    """Return the columns and values of a component of sessions, and the integers and numbers that their attribution needs."""
    _indptr, shared, strengths = compute_session_strengths(
        np.array([0, items.shape[0]]), items, weights, view_float32(line[MATCH_FACTORS], line[N_ITEMS]),
        numbers[DECAY], line[LONGEST],
    )  # fmt: skip
    if shared.shape[0] == 0:
        return np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.float32)
    columns, scores, nearest, anchors, starts, near_items, near_weights = score_one_history(
        shared, strengths, user, view_float32(line[ITEM_FACTORS], line[N_ITEMS]),
        view_int64(line[SESSION_STARTS], line[N_SESSIONS] + 1), view_int32(line[SESSION_ITEMS], line[N_ENTRIES]),
        view_float32(line[SESSION_WEIGHTS], line[N_ENTRIES]), view_float32(line[SESSION_FACTORS], line[N_SESSIONS]),
        numbers[LARGEST], view_int32(line[SESSION_USERS], line[N_SESSIONS]),
        view_int64(line[ITEM_STARTS], line[N_ITEMS] + 1), view_int32(line[ITEM_SESSIONS], line[N_INDEXED]),
        line[NEIGHBORS], view_float64(line[POWERS], line[N_POWERS]), numbers[REACH], numbers[BACK],
        numbers[OWN], table, used, matches, part, part_touched, part_order,
    )  # fmt: skip
    sizes = np.array([shared.shape[0], nearest.shape[0], near_items.shape[0]], np.int32)
    integers = np.concatenate((sizes, shared, nearest, anchors, starts.astype(np.int32), near_items))
    return columns, scores, integers, np.concatenate((strengths, near_weights))


@compiled
def _append(kept: AnyInts | AnyFloats, filled: int, new: AnyInts | AnyFloats) -> npt.NDArray[Any]:
    """Return the kept array, or a larger copy of its filled part, with the new entries after that part."""
    if filled + new.shape[0] > kept.shape[0]:
        grown = np.empty(2 * (filled + new.shape[0]), kept.dtype)
        grown[:filled] = kept[:filled]
        kept = grown
    kept[filled : filled + new.shape[0]] = new
    return kept


@compiled_with_gil
def score_components(
    integers: AnyInts,
    numbers: AnyFloats,
    smallest: float,
    items: AnyInts,
    orders: AnyFloats,
    weights: AnyFloats,
    users: AnyInts,
    as_of: float,
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
    count: int,
    part: AnyFloats,
    part_touched: Flags,
    part_order: AnyInts,
    table: AnyInts,
    used: AnyInts,
    matches: AnyFloats,
) -> tuple[int, AnyFloats, AnyInts, AnyInts, AnyFloats, AnyInts, AnyFloats]:
    """Add the normalized scores of the components to total, one after the other, as `add_normalized` does.

    Returns the new count; the factor of each component, 0 for one without a score; int64 (components + 1, 3): where the scores, and the
    integers and numbers that `attribute_components` needs, of each component begin; and these four arrays: rows, values, integers, numbers.
    """
    n = integers.shape[0]
    factors, starts = np.zeros(n, np.float64), np.zeros((n + 1, 3), np.int64)
    rows, values = np.empty(2048, np.int32), np.empty(2048, np.float32)
    memo, memo_values = np.empty(2048, np.int32), np.empty(2048, np.float32)
    for index in range(n):
        starts[index + 1] = starts[index]
        if integers[index, KIND] == LINEAR:
            columns, scores = _score_linear(
                integers[index], numbers[index], items, orders, weights, as_of, part, part_touched, part_order
            )
        else:
            columns, scores, own_memo, own_values = _score_sessions(
                integers[index], numbers[index], items, weights, users[0], part, part_touched, part_order, table, used, matches,
            )  # fmt: skip
            memo, memo_values = (
                _append(memo, starts[index, 1], own_memo),
                _append(memo_values, starts[index, 2], own_values),
            )
            starts[index + 1, 1] += own_memo.shape[0]
            starts[index + 1, 2] += own_values.shape[0]
        if columns.shape[0] > 0:
            count, factors[index] = add_normalized(
                columns, scores, numbers[index, SHARE], smallest, total, touched, order, count
            )
            rows, values = _append(rows, starts[index, 0], columns), _append(values, starts[index, 0], scores)
            starts[index + 1, 0] += columns.shape[0]
    n_scores, n_memo, n_values = starts[n]
    return count, factors, starts, rows[:n_scores], values[:n_scores], memo[:n_memo], memo_values[:n_values]


@compiled_with_gil
def attribute_components(
    integers: AnyInts,
    numbers: AnyFloats,
    items: AnyInts,
    orders: AnyFloats,
    weights: AnyFloats,
    as_of: float,
    factors: AnyFloats,
    starts: AnyInts,
    rows: AnyInts,
    values: AnyFloats,
    memo: AnyInts,
    memo_values: AnyFloats,
    slots: AnyInts,
    positions: AnyInts,
    part: AnyFloats,
    part_touched: Flags,
    part_order: AnyInts,
    out: AnyFloats,
) -> None:
    """Write to out[number of a component with a factor, slot of an item, position of a row] what the item contributed to its score.

    factors and the arrays after it: of `score_components`. slots, positions: of the items of the history and the rows, -1 for other rows.
    """
    number = 0
    for index in range(integers.shape[0]):
        if not factors[index] > 0:
            continue
        line, parameters = integers[index], numbers[index]
        if line[KIND] == LINEAR:
            distinct, matrix_rows, sums = _weigh_linear(
                line, parameters, items, orders, weights, as_of, part, part_touched, part_order
            )
            add_linear_contributions(
                distinct, matrix_rows, sums, 1.0, slots, view_int64(line[INDPTR], line[N_ROWS] + 1),
                view_int32(line[INDICES], line[NNZ]), view_float32(line[DATA], line[NNZ]), positions, out[number],
            )  # fmt: skip
        else:
            first, first_value = starts[index, 1], starts[index, 2]
            n_shared, n_nearest, n_near = np.int64(memo[first]), np.int64(memo[first + 1]), np.int64(memo[first + 2])
            shared = memo[first + 3 :][:n_shared]
            nearest = memo[first + 3 + n_shared :][:n_nearest]
            anchors = memo[first + 3 + n_shared + n_nearest :][:n_nearest]
            session_starts = memo[first + 3 + n_shared + 2 * n_nearest :][: n_nearest + 1]
            near_items = memo[first + 4 + n_shared + 3 * n_nearest :][:n_near]
            attribute_to_sessions(
                nearest, anchors, session_starts, near_items, memo_values[first_value + n_shared :][:n_near], shared,
                memo_values[first_value:][:n_shared], view_float32(line[ITEM_FACTORS], line[N_ITEMS]),
                view_float32(line[SESSION_FACTORS], line[N_SESSIONS]), view_int64(line[ITEM_STARTS], line[N_ITEMS] + 1),
                view_int32(line[ITEM_SESSIONS], line[N_INDEXED]), view_float64(line[POWERS], line[N_POWERS]),
                parameters[REACH], parameters[BACK], parameters[OWN], slots, positions, part, out[number],
            )  # fmt: skip
        first, last = starts[index, 0], starts[index + 1, 0]
        scale_contributions(rows[first:last], values[first:last], factors[index], positions, out[number])
        number += 1
