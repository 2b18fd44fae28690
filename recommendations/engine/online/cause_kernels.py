"""Compiled loops that find the cause of each product of one request, and group products with the same cause."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.jit import compiled_with_gil


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

    slots, sources: of the main causes, see `find_largest_contributions`. has_pairs: of each source. What a visit or the row itself
    causes, or a source without pairs, stays.
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
