"""Compiled loops over product groups, for one request at a time."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags, Rows
from recommendations.engine.linear_algebra.jit import compiled_with_gil
from recommendations.engine.linear_algebra.set_kernels import FREE, fill_row_table, find_table_slot, make_row_table

ROUNDING = 1e-9  # of a sum of shares


@compiled_with_gil
def collect_members(
    rows: AnyInts, codes: AnyInts, members: AnyInts, starts: AnyInts, ends: AnyInts
) -> npt.NDArray[np.int32]:
    """Return all products of the groups of the rows, each once."""
    table = make_row_table(rows.shape[0])
    first_rows = np.empty(rows.shape[0], np.int32)
    groups, count = 0, 0
    for row in rows:
        slot = find_table_slot(table, codes[row])
        if table[slot] == FREE:
            table[slot] = codes[row]
            first_rows[groups] = row
            groups += 1
            count += ends[row] - starts[row]
    collected = np.empty(count, np.int32)
    filled = 0
    for row in first_rows[:groups]:
        for position in range(starts[row], ends[row]):
            collected[filled] = members[position]
            filled += 1
    return collected


@compiled_with_gil
def replace_by_own(
    rows: Rows,
    codes: AnyInts,
    is_grouped: Flags,
    history_item: AnyInts,
    is_bought: Flags,
    allowed: Flags,
    excluded: AnyInts,
    total: AnyFloats,
    static_scores: AnyFloats,
) -> Rows:
    """Return the rows, each replaced by the product of its group that the history has bought, or else viewed.

    Only products that are allowed, not excluded and have a score (total + static_scores) replace another; of several that were
    bought, the one with the highest score, then the lowest row. codes, is_grouped: see `ProductGroups`. is_bought: of each item
    of the history.
    """
    table = make_row_table(rows.shape[0])
    for row in rows:
        if is_grouped[row]:
            table[find_table_slot(table, codes[row])] = codes[row]
    barred = fill_row_table(excluded)
    best = np.full(table.shape[0], FREE, np.int32)
    best_score = np.zeros(table.shape[0], np.float32)
    best_bought = np.zeros(table.shape[0], np.bool_)
    for position in range(history_item.shape[0]):
        item, bought = history_item[position], is_bought[position]
        slot = find_table_slot(table, codes[item])
        if table[slot] == FREE or not allowed[item] or barred[find_table_slot(barred, item)] == item:
            continue
        score = total[item] + static_scores[item]
        if not score > 0:
            continue
        if bought != best_bought[slot]:
            is_better = bought
        elif score != best_score[slot]:
            is_better = score > best_score[slot]
        else:
            is_better = item < best[slot]
        if is_better:
            best[slot], best_score[slot], best_bought[slot] = item, score, bought
    replaced = rows.copy()
    for position in range(rows.shape[0]):
        if is_grouped[rows[position]]:
            own = best[find_table_slot(table, codes[rows[position]])]
            if own != FREE:
                replaced[position] = own
    return replaced


@compiled_with_gil
def spread_purchased(is_purchased: Flags, share: float) -> npt.NDArray[np.int64]:
    """Return the order of `limit_purchased_share`."""
    n = is_purchased.shape[0]
    order = np.empty(n, np.int64)
    purchased = np.flatnonzero(is_purchased)
    if share >= 1 or not len(purchased):
        for position in range(n):
            order[position] = position
        return order
    filled, next_purchased, credit = 0, 0, 0.0
    for other in range(n):
        if is_purchased[other]:
            continue
        while next_purchased < len(purchased) and purchased[next_purchased] < other:
            if credit + share < 1 - ROUNDING:
                break
            order[filled] = purchased[next_purchased]
            filled += 1
            next_purchased += 1
            credit = max(credit + share - 1, 0.0)
        order[filled] = other
        filled += 1
        credit = 1 - share if credit + share >= 1 - ROUNDING else credit + share
    for position in range(next_purchased, len(purchased)):
        order[filled] = purchased[position]
        filled += 1
    return order


@compiled_with_gil
def count_groups(codes: Rows, groups: Rows, counts: npt.NDArray[np.int64]) -> None:
    """Add to the count of each code how many groups have it; negative codes are left out.

    codes, groups: int32 (n,); the entries of a group follow each other.
    """
    last = np.full(counts.shape[0], -1, np.int32)
    for position in range(codes.shape[0]):
        code = codes[position]
        if code >= 0 and last[code] != groups[position]:
            last[code] = groups[position]
            counts[code] += 1
