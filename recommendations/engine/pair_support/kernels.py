"""Compiled counts of pairs of products: orders with both, people with both, and the lower confidence bound."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.formula_kernels import limit_single_share
from recommendations.engine.linear_algebra.heap_kernels import drain_heap, push_entry, ranks_before
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil


@compiled
def bound_confidence(pairs: float, first: float, share: float, prior: float, z: float) -> float:
    """Return the lower bound of P(second | first); see `support.bound_lifts`."""
    if share <= 0 or first <= 0:
        return 0.0
    n = first + prior / share
    return max(limit_single_share(min((pairs + prior) / n, 1.0), n, -z), 0.0)


@compiled
def count_top_pairs(
    rows: AnyInts,
    item_indptr: AnyInts,
    item_baskets: AnyInts,
    basket_indptr: AnyInts,
    basket_items: AnyInts,
    basket_user: AnyInts,
    share: AnyFloats,
    damping_factors: AnyFloats,
    min_count: int,
    prior: float,
    z: float,
    out_columns: AnyInts,
    out_values: AnyFloats,
    out_orders: AnyInts,
    out_people: AnyInts,
    out_counts: AnyInts,
) -> None:
    """Write the k pairs with the largest bound · damping factor of each row, best first, with their counts.

    Pairs of fewer than `min_count` baskets or people are left out. Baskets are numbered by user, so that the baskets of one
    user follow each other. k is the width of `out_columns`.
    """
    n_items = share.shape[0]
    orders = np.zeros(n_items, np.int32)
    people = np.zeros(n_items, np.int32)
    last_user = np.full(n_items, -1, np.int64)
    order = np.empty(n_items, np.int32)
    k = out_columns.shape[1]
    heap_values, heap_ties = np.empty(k, np.float32), np.empty(k, np.int64)
    heap_columns = np.empty(k, np.int32)
    for row in rows:
        count = 0
        for p in range(item_indptr[row], item_indptr[row + 1]):
            basket = item_baskets[p]
            user = basket_user[basket]
            for q in range(basket_indptr[basket], basket_indptr[basket + 1]):
                column = basket_items[q]
                if orders[column] == 0:
                    order[count] = column
                    count += 1
                orders[column] += 1
                if last_user[column] != user:
                    last_user[column] = user
                    people[column] += 1
        n_first = np.float64(item_indptr[row + 1] - item_indptr[row])
        size = 0
        for index in range(count):
            column = order[index]
            if column == row or orders[column] < min_count or people[column] < min_count:
                continue
            seen = np.float64(people[column])
            # orders of the same person are not independent: the evidence is one order of each person
            bound = bound_confidence(seen, n_first * seen / orders[column], share[column], prior, z)
            value = np.float32(bound * damping_factors[column])
            if value > 0 and (size < k or ranks_before(value, np.int64(column), heap_values[0], heap_ties[0])):
                size = push_entry(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
        out_counts[row] = size
        drain_heap(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])
        for index in range(size):
            out_orders[row, index] = orders[out_columns[row, index]]
            out_people[row, index] = people[out_columns[row, index]]
        for index in range(count):
            column = order[index]
            orders[column], people[column], last_user[column] = 0, 0, -1


@compiled
def score_counted_pairs(
    row: AnyInts,
    column: AnyInts,
    orders: AnyInts,
    people: AnyInts,
    baskets_with: AnyInts,
    share: AnyFloats,
    damping_factors: AnyFloats,
    prior: float,
    z: float,
    out_values: AnyFloats,
) -> None:
    """Write the value of each pair as `count_top_pairs` computes it."""
    for pair in range(row.shape[0]):
        seen = np.float64(people[pair])
        first = np.float64(baskets_with[row[pair]]) * seen / orders[pair]
        bound = bound_confidence(seen, first, share[column[pair]], prior, z)
        out_values[pair] = np.float32(bound * damping_factors[column[pair]])


@compiled
def count_pair_people(
    rows: AnyInts,
    pair_indptr: AnyInts,
    pair_columns: AnyInts,
    item_indptr: AnyInts,
    item_entries: AnyInts,
    entry_user: AnyInts,
    user_indptr: AnyInts,
    entry_item: AnyInts,
    first: AnyFloats,
    last: AnyFloats,
    in_order: bool,
    out_people: AnyInts,
) -> None:
    """Write how many users have both items of each given pair; with `in_order` the second one at some time after the first.

    An entry is a distinct pair of user and item with the times of its first and last interaction, sorted by user.
    """
    slots = np.full(item_indptr.shape[0] - 1, -1, np.int64)
    for row in rows:
        start, stop = pair_indptr[row], pair_indptr[row + 1]
        if start == stop:
            continue
        for p in range(start, stop):
            slots[pair_columns[p]] = p
        for q in range(item_indptr[row], item_indptr[row + 1]):
            entry = item_entries[q]
            user, begin = entry_user[entry], first[entry]
            for other in range(user_indptr[user], user_indptr[user + 1]):
                slot = slots[entry_item[other]]
                if slot >= 0 and (not in_order or last[other] > begin):
                    out_people[slot] += 1
        for p in range(start, stop):
            slots[pair_columns[p]] = -1


@compiled_with_gil
def find_counts(
    indptr: AnyInts,
    indices: AnyInts,
    orders: AnyInts,
    people: AnyInts,
    lift: AnyFloats,
    firsts: AnyInts,
    seconds: AnyInts,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the values of three columns for the pairs (firsts[i], seconds[i]) of a CSR matrix; 0 for a pair that it does not store."""
    n = firsts.shape[0]
    pair_orders, pair_people, pair_lift = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.float32)
    for pair in range(n):
        first = firsts[pair]
        if 0 <= first < indptr.shape[0] - 1:
            for entry in range(indptr[first], indptr[first + 1]):
                if indices[entry] == seconds[pair]:
                    pair_orders[pair], pair_people[pair], pair_lift[pair] = orders[entry], people[entry], lift[entry]
                    break
    return pair_orders, pair_people, pair_lift


@compiled_with_gil
def grade_counts(
    orders: AnyInts, people: AnyInts, lift: AnyFloats, minimum: int, min_people: int
) -> npt.NDArray[np.int8]:
    """Return 1 for pairs of at least `min_people`, 2 if they have `minimum` orders or people and a lift above 1 too, otherwise 0."""
    levels = np.zeros(people.shape[0], np.int8)
    for pair in range(people.shape[0]):
        if people[pair] >= min_people:
            has_enough = orders[pair] >= minimum or people[pair] >= minimum
            levels[pair] = 2 if has_enough and lift[pair] > 1.0 else 1
    return levels


@compiled_with_gil
def grade_pairs(
    indptr: AnyInts,
    indices: AnyInts,
    orders: AnyInts,
    people: AnyInts,
    lift: AnyFloats,
    firsts: AnyInts,
    seconds: AnyInts,
    sources: AnyInts,
    source: int,
    minimum: int,
    min_people: int,
    specific_lift: float,
    levels: AnyInts,
    is_general: Flags,
) -> None:
    """Write the level of each pair of a source as `grade_counts` does, and whether enough people have it with a lift below the specific one.

    A pair needs two different items. sources: of the pairs.
    """
    for pair in range(firsts.shape[0]):
        first = firsts[pair]
        if sources[pair] != source or first < 0 or first == seconds[pair]:
            continue
        found_orders, found_people, found_lift = np.int32(0), np.int32(0), np.float32(0)
        if first < indptr.shape[0] - 1:
            for entry in range(indptr[first], indptr[first + 1]):
                if indices[entry] == seconds[pair]:
                    found_orders, found_people, found_lift = orders[entry], people[entry], lift[entry]
                    break
        levels[pair] = 0
        if found_people >= min_people:
            has_enough = found_orders >= minimum or found_people >= minimum
            levels[pair] = 2 if has_enough and found_lift > 1.0 else 1
        is_general[pair] = found_people >= minimum and found_lift < specific_lift
