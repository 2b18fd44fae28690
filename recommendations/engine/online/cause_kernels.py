"""Compiled loops that find the cause of each product of one request, and group products with the same cause."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.array_views import view_float32, view_int32, view_int64
from recommendations.engine.linear_algebra.jit import compiled_with_gil
from recommendations.engine.pair_support.kernels import grade_pairs


@compiled_with_gil
def scale_contributions(rows: AnyInts, values: AnyFloats, factor: float, positions: AnyInts, out: AnyFloats) -> None:
    """Scale each column of out to sum to factor · value of its row if that is positive, and 0 where nothing contributes."""
    targets = np.zeros(out.shape[1], np.float32)
    for index in range(rows.shape[0]):
        position = positions[rows[index]]
        if position >= 0:
            targets[position] = np.float32(factor) * max(values[index], np.float32(0))
    for column in range(out.shape[1]):
        total = np.float32(0)
        for slot in range(out.shape[0]):
            total += out[slot, column]
        share = targets[column] / total if total > 0 else np.float32(0)
        for slot in range(out.shape[0]):
            out[slot, column] *= share


@compiled_with_gil
def find_largest_contributions(
    parts: AnyFloats,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return per column of (sources, slots, columns) the slot with the largest sum over sources, its main source, and its share.

    The slot is -1 where nothing is positive.
    """
    n_sources, n_slots, n_columns = parts.shape
    slots, sources = np.empty(n_columns, np.int32), np.empty(n_columns, np.int32)
    shares = np.zeros(n_columns, np.float32)
    for column in range(n_columns):
        best, largest, column_total = -1, np.float32(0), np.float32(0)
        for slot in range(n_slots):
            slot_total = np.float32(0)
            for source in range(n_sources):
                slot_total += parts[source, slot, column]
            column_total += slot_total
            if slot_total > largest:
                best, largest = slot, slot_total
        source = 0
        for other in range(1, n_sources):
            if parts[other, best, column] > parts[source, best, column]:
                source = other
        slots[column], sources[column] = best, source
        if column_total > 0:
            shares[column] = largest / column_total
    return slots, sources, shares


@compiled_with_gil
def find_least_contributions(
    parts: AnyFloats,
    slots: AnyInts,
    sources: AnyInts,
    items: AnyInts,
    rows: AnyInts,
    has_pairs: Flags,
    min_share: float,
) -> npt.NDArray[np.float32]:
    """Return per column the smallest contribution with which an item of a history may replace the main cause; inf where none may.

    slots, sources: of the main causes, see `find_largest_contributions`. has_pairs: of each source. A main cause that is a visit, the
    row itself or a source without pairs is not replaced.
    """
    least = np.full(rows.shape[0], np.inf, np.float32)
    for column in range(rows.shape[0]):
        slot, source = slots[column], sources[column]
        if 0 <= slot < items.shape[0] - 1 and has_pairs[source] and items[slot] != rows[column]:
            least[column] = np.float32(min_share) * parts[source, slot, column]
    return least


@compiled_with_gil
def find_specific_slots(
    parts: AnyFloats,
    least: AnyFloats,
    items: AnyInts,
    rows: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    people: AnyInts,
    lift: AnyFloats,
    min_people: int,
    source: int,
    best_lift: AnyFloats,
    best_slot: AnyInts,
    best_source: AnyInts,
) -> None:
    """Raise best_lift of each column to the largest lift of the pairs that contributed to it; set the slot and source of that pair.

    parts: contributions (slots, columns) of one source, whose pairs are stored as CSR with their people and lifts. least: the smallest
    contribution per column that counts. items: of the slots, -1 for none. rows: the items of the columns.
    """
    for column in range(parts.shape[1]):
        row = rows[column]
        if least[column] == np.inf:
            continue
        for slot in range(items.shape[0]):
            item = items[slot]
            value = parts[slot, column]
            if item < 0 or item == row or item >= indptr.shape[0] - 1 or not value > 0 or value < least[column]:
                continue
            for entry in range(indptr[item], indptr[item + 1]):
                if indices[entry] == row:
                    if people[entry] >= min_people and lift[entry] > best_lift[column]:
                        best_lift[column], best_slot[column], best_source[column] = lift[entry], slot, source
                    break


@compiled_with_gil
def replace_causes(
    parts: AnyFloats,
    chosen_slots: AnyInts,
    chosen_sources: AnyInts,
    slots: AnyInts,
    sources: AnyInts,
    shares: AnyFloats,
) -> None:
    """Replace the slots and sources of main causes where others were chosen (≥ 0), and scale the shares to them."""
    for column in range(slots.shape[0]):
        if chosen_slots[column] < 0:
            continue
        largest, chosen = np.float32(0), np.float32(0)
        for source in range(parts.shape[0]):
            largest += parts[source, slots[column], column]
            chosen += parts[source, chosen_slots[column], column]
        slots[column], sources[column] = chosen_slots[column], chosen_sources[column]
        shares[column] *= chosen / largest if largest > 0 else np.float32(1)


@compiled_with_gil
def group_causes(
    rows: AnyInts,
    items: AnyInts,
    sources: AnyInts,
    levels: AnyInts,
    is_general: Flags,
    is_popular: Flags,
    is_related: bool,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group rows by main cause, so that each reason is worded once: the first position of each group, and the group of each row.

    The reason also depends on the row itself if it caused its own score, or, among related products, if its pair supports no claim;
    and on its popularity if no item, or one that is related to everything, caused its score.
    """
    n = rows.shape[0]
    first, numbers, own = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    count = 0
    for position in range(n):
        item = items[position]
        if item == rows[position] or (is_related and item >= 0 and levels[position] == 0):
            own[position] = rows[position]
        elif item < 0 or is_general[position]:
            own[position] = -2 if is_popular[position] else -3
        else:
            own[position] = -1
        number = 0
        while number < count:
            other = first[number]
            if (
                items[other] == item
                and sources[other] == sources[position]
                and levels[other] == levels[position]
                and is_general[other] == is_general[position]
                and own[other] == own[position]
            ):
                break
            number += 1
        if number == count:
            first[count] = position
            count += 1
        numbers[position] = number
    return first[:count], numbers


@compiled_with_gil
def find_last_kinds(items: AnyInts, kinds: AnyInts, wanted: AnyInts) -> npt.NDArray[np.int8]:
    """Return the kind of the newest interaction with each wanted item, from columns that are oldest first; -1 without one."""
    found = np.full(wanted.shape[0], -1, np.int8)
    for index in range(wanted.shape[0]):
        for position in range(items.shape[0] - 1, -1, -1):
            if items[position] == wanted[index]:
                found[index] = kinds[position]
                break
    return found


@compiled_with_gil
def find_reason_causes(
    parts: AnyFloats,
    items: AnyInts,
    rows: AnyInts,
    supports: AnyInts,
    min_share: float,
    specific_lift: float,
    min_people: int,
    minimum: int,
    min_whole_share: float,
    people: AnyInts,
    history_items: AnyInts,
    history_kinds: AnyInts,
    is_related: bool,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the data of the reasons of m rows: int64 (groups, 6), one line for all rows with the same reason, and the line of each row.

    A line has the first row, the item and the source that caused its score, the level and generality of their pair (see `grade_pairs`),
    and the kind of the newest interaction with the item. parts, items: see `ScoredHistory`. supports: see `SupportTable`. people: of each
    item. A cause of at least min_whole_share of the score is never called general.
    """
    n_rows, n_sources = rows.shape[0], parts.shape[0]
    slots, sources, shares = find_largest_contributions(parts)
    if not is_related:
        has_pairs = supports[:n_sources, 0] != 0
        least = find_least_contributions(parts, slots, sources, items, rows, has_pairs, min_share)
        best_lift = np.full(n_rows, np.float32(specific_lift), np.float32)
        chosen_slots, chosen_sources = np.full(n_rows, -1, np.int32), np.full(n_rows, -1, np.int32)
        for source in range(n_sources):
            if has_pairs[source]:
                length, indptr = supports[source, 1], view_int64(supports[source, 2], supports[source, 1] + 1)
                entries = indptr[length]
                find_specific_slots(
                    parts[source], least, items, rows, indptr, view_int32(supports[source, 3], entries),
                    view_int32(supports[source, 5], entries), view_float32(supports[source, 6], entries), min_people,
                    source, best_lift, chosen_slots, chosen_sources,
                )  # fmt: skip
        replace_causes(parts, chosen_slots, chosen_sources, slots, sources, shares)
    causes = np.empty(n_rows, np.int32)
    for position in range(n_rows):
        causes[position] = items[slots[position]] if slots[position] >= 0 else -1
    levels, is_general = np.zeros(n_rows, np.int8), np.zeros(n_rows, np.bool_)
    for source in range(n_sources):
        length = supports[source, 1]
        if length > 0:
            indptr = view_int64(supports[source, 2], length + 1)
            entries = indptr[length]
            grade_pairs(
                indptr, view_int32(supports[source, 3], entries), view_int32(supports[source, 4], entries),
                view_int32(supports[source, 5], entries), view_float32(supports[source, 6], entries), causes, rows,
                sources, source, minimum, min_people, specific_lift, levels, is_general,
            )  # fmt: skip
    is_popular = np.zeros(n_rows, np.bool_)
    for position in range(n_rows):
        is_general[position] = is_general[position] and shares[position] < np.float32(min_whole_share)
        row = rows[position]
        is_popular[position] = 0 <= row < people.shape[0] and people[row] >= minimum
    first, numbers = group_causes(rows, causes, sources, levels, is_general, is_popular, is_related)
    last_kinds = find_last_kinds(history_items, history_kinds, causes[first])
    lines = np.empty((first.shape[0], 6), np.int64)
    for number in range(first.shape[0]):
        position = first[number]
        lines[number, 0], lines[number, 1] = rows[position], causes[position]
        lines[number, 2], lines[number, 3] = sources[position], levels[position]
        lines[number, 4], lines[number, 5] = np.int64(is_general[position]), last_kinds[number]
    return lines, numbers
