"""Compiled search for the sessions nearest to a history, in an index of items and their newest sessions."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil, inlined

ROUNDING_MARGIN = 1.0001  # float32 sums may exceed their exact value by this factor
SHORT_HISTORY = 128  # up to this length, a linear search for repeated items is faster than an array over all items


@compiled_with_gil
def compute_session_strengths(
    indptr: AnyInts, items: AnyInts, weights: AnyFloats, factors: AnyFloats, decay: float, longest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the distinct items of each history, newest first, with weight · decay^(positions back) · factors[item]."""
    out_indptr = np.zeros(indptr.shape[0], np.int64)
    out_items = np.empty(items.shape[0], np.int32)
    out_strengths = np.empty(items.shape[0], np.float32)
    # For one short history, comparing with the items so far is less work than an array over all items.
    is_short = longest <= SHORT_HISTORY and indptr.shape[0] == 2
    # touched[item] holds the last row with the item, so that the array is never cleared between rows.
    touched = np.full(0 if is_short else factors.shape[0], -1, np.int32)
    filled = 0
    for row in range(indptr.shape[0] - 1):
        factor = 1.0
        first = max(indptr[row], indptr[row + 1] - longest)
        for p in range(indptr[row + 1] - 1, first - 1, -1):
            item = items[p]
            is_repeated = False
            if is_short:
                for earlier in range(filled):
                    is_repeated = is_repeated or out_items[earlier] == item
            else:
                is_repeated = touched[item] == row
            if not is_repeated and weights[p] > 0:
                if not is_short:
                    touched[item] = row
                out_items[filled] = item
                out_strengths[filled] = factor * weights[p] * factors[item]
                filled += 1
            factor *= decay
        out_indptr[row + 1] = filled
    return out_indptr, out_items[:filled].copy(), out_strengths[:filled].copy()


@inlined
def _find_slot(table: AnyInts, bits: int, session: int) -> int:
    """Return the row of a session in the first 2^bits rows of the table, or the free row for it; Fibonacci hashing, linear probing."""
    slot = np.int64((np.uint64(session) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))
    while table[slot, 0] != 0 and table[slot, 3] != session:
        slot = (slot + 1) & ((1 << bits) - 1)
    return int(slot)


@inlined
def count_index_entries(shared: AnyInts, item_starts: AnyInts) -> int:
    """Return how many index entries the items of a history have."""
    entries = 0
    for position in range(shared.shape[0]):
        entries += item_starts[shared[position] + 1] - item_starts[shared[position]]
    return entries


@inlined
def count_table_bits(entries: int) -> int:
    """Return the bits for which a table of 2^bits rows is at most half full, so that probing stays short."""
    bits = 4
    while (1 << bits) < 2 * entries:
        bits += 1
    return bits


@compiled
def _select_kth_largest(values: AnyFloats, k: int) -> np.floating:
    """Return the k-th largest of non-negative float32 values by radix selection on 11, 11 and 10 bits.

    The bits of non-negative floats have the order of the floats. Equal values do not slow it down, unlike selection by pivots.
    """
    bits = values.view(np.uint32)
    counts = np.zeros(2048, np.int32)
    prefix = np.uint32(0)
    for shift, width in ((21, 11), (10, 11), (0, 10)):
        counts[:] = 0
        # Only values that start with the digits found so far count. Two shifts, because a shift by 32 bits is undefined.
        for index in range(bits.shape[0]):
            if bits[index] >> np.uint32(shift + width - 1) >> np.uint32(1) == prefix:
                counts[(bits[index] >> np.uint32(shift)) & np.uint32((1 << width) - 1)] += 1
        digit = (1 << width) - 1
        while counts[digit] < k:
            k -= counts[digit]
            digit -= 1
        prefix = (prefix << np.uint32(width)) | np.uint32(digit)
    # Numba reinterprets bits only through the view of an array.
    result = np.full(1, prefix, np.uint32)
    return result.view(np.float32)[0]


@inlined
def _find_kth_bucket(counts: AnyInts, k: int) -> int:
    """Return the bucket of the k-th largest value, from the number of values per bucket; -1 if there are fewer than k."""
    digit = counts.shape[0] - 1
    while digit >= 0 and counts[digit] < k:
        k -= counts[digit]
        digit -= 1
    return digit


@compiled
def _bound_kth_nearest(
    k: int,
    user: int,
    table: AnyInts,
    used: AnyInts,
    session_factors: AnyFloats,
    session_users: AnyInts,
) -> np.floating:
    """Return a lower bound of the k-th largest value of a session; 0 if it is unknown.

    Looks only at the 2k sessions with the largest sums, and rounds down to 2 bits of the mantissa: the buckets are the 11 highest bits of
    a float32.
    """
    sums = table.view(np.float32)
    counts = np.zeros(1024, np.int32)  # the sign bit is 0, so 10 of the 11 highest bits vary
    for index in range(used.shape[0]):
        counts[table[used[index], 1] >> 21] += 1
    lowest = _find_kth_bucket(counts, min(2 * k, used.shape[0]))
    counts[:] = 0
    value = np.empty(1, np.float32)
    bits = value.view(np.int32)
    for index in range(used.shape[0]):
        slot = used[index]
        if table[slot, 1] >> 21 >= lowest:
            session = table[slot, 3]
            if not (user >= 0 and session_users[session] == user):
                value[0] = sums[slot, 1] * session_factors[session]
                counts[bits[0] >> 21] += 1
    bits[0] = max(_find_kth_bucket(counts, k), 0) << 21
    return value[0]


@compiled
def _sum_shared_strengths(
    shared: AnyInts,
    strengths: AnyFloats,
    user: int,
    k: int,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    table: AnyInts,
    used: AnyInts,
) -> tuple[int, np.floating]:
    """Sum into the table the strengths of the items that each session shares with the history.

    Returns how many slots of `used` are filled, and a lower bound of the k-th largest value of a session. The strongest items come
    first: once all weaker items together could not lift a new session above the bound, they only add to the sessions in the table.
    """
    sums = table.view(np.float32)  # the same memory: column 1 of the int32 table holds float32 sums
    bits = count_table_bits(count_index_entries(shared, item_starts))
    remaining_strength = 0.0
    for position in range(shared.shape[0]):
        remaining_strength += strengths[position]
    added_strength = 0.0
    count, next_bound_at = 0, k
    lower_bound = np.float32(0)
    for position in np.argsort(-strengths):
        strength = strengths[position]
        # Computing the bound takes a pass over the table, so it is renewed only after the table has doubled.
        if 2 * remaining_strength < added_strength and count >= next_bound_at:
            lower_bound = _bound_kth_nearest(k, user, table, used[:count], session_factors, session_users)
            next_bound_at = 2 * count
        # An upper bound of the value of a session that only shares this item and weaker ones.
        accepts_new = count < k or remaining_strength * largest * ROUNDING_MARGIN >= lower_bound
        remaining_strength -= strength
        added_strength += strength
        for p in range(item_starts[shared[position]], item_starts[shared[position] + 1]):
            session = item_sessions[p]
            slot = _find_slot(table, bits, session)
            if table[slot, 0] != 0:
                sums[slot, 1] += strength
                # The history is newest first, so the smallest position is the newest shared item.
                table[slot, 2] = min(table[slot, 2], position)
            elif accepts_new:
                table[slot, 0] = 1
                sums[slot, 1] = strength
                table[slot, 2] = position
                table[slot, 3] = session
                used[count] = slot
                count += 1
    if count > 4 * k:
        lower_bound = _bound_kth_nearest(k, user, table, used[:count], session_factors, session_users)
    return count, lower_bound


@compiled
def _collect_candidates(
    count: int,
    lower_bound: np.floating,
    user: int,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    table: AnyInts,
    used: AnyInts,
    matches: AnyFloats,
) -> int:
    """Compute the values of the sessions that can be among the nearest and mark every used slot of the table as free.

    Moves the slots of the candidates to the front of `used`, their values to the front of `matches`; returns their number.
    """
    sums = table.view(np.float32)
    candidates = 0
    for index in range(count):
        slot = used[index]
        table[slot, 0] = 0
        # Most sessions fail this test, which reads only the table; the session factors are scattered in memory.
        if sums[slot, 1] * np.float32(largest) >= lower_bound:
            session = table[slot, 3]
            value = np.float32(sums[slot, 1] * session_factors[session])
            if value >= lower_bound and value > 0 and not (user >= 0 and session_users[session] == user):
                matches[candidates] = value
                used[candidates] = slot
                candidates += 1
    return candidates


@compiled
def _find_cutoff(
    k: int, candidates: int, table: AnyInts, used: AnyInts, matches: AnyFloats
) -> tuple[np.floating, np.int32]:
    """Return the k-th largest value and, of the sessions with exactly that value, the oldest one to keep; for candidates > k."""
    lowest = _select_kth_largest(matches[:candidates], k)
    better = 0
    tied = np.empty(candidates, np.int32)
    ties = 0
    for index in range(candidates):
        if matches[index] > lowest:
            better += 1
        elif matches[index] == lowest:
            tied[ties] = table[used[index], 3]
            ties += 1
    # Sessions are numbered by their end, so of equal values the k - better largest numbers are the newest.
    return lowest, np.partition(tied[:ties], ties - (k - better))[ties - (k - better)]


@compiled
def find_nearest_sessions(
    shared: AnyInts,
    strengths: AnyFloats,
    user: int,
    k: int,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    table: AnyInts,
    used: AnyInts,
    matches: AnyFloats,
) -> tuple[AnyInts, AnyFloats, AnyInts]:
    """Return the k sessions nearest to one history (ties: the newer ones): (sessions, their v_s, newest_shared).

    newest_shared: the position in `shared` of the newest item in both. Sessions of `user` are left out; the others come in
    the order of the search. largest: the maximum of the session factors. table: int32 rows of (1 if used, sum as
    float32 bits, newest shared position, session), all free before and after, at least 2^`count_table_bits` of the index entries
    of the items; used, matches: at least one entry per index entry. The sums are in a hash table that fits into the processor's
    cache, not in an array over all sessions.
    """
    count, lower_bound = _sum_shared_strengths(
        shared, strengths, user, k, session_factors, largest, session_users, item_starts, item_sessions, table, used
    )
    candidates = _collect_candidates(
        count, lower_bound, user, session_factors, largest, session_users, table, used, matches
    )
    size = min(k, candidates)
    sessions, values, newest_shared = np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.int32)
    lowest, oldest = np.float32(0), np.int32(0)
    if candidates > k:
        lowest, oldest = _find_cutoff(k, candidates, table, used, matches)
    filled = 0
    for index in range(candidates):
        slot = used[index]
        if matches[index] > lowest or (matches[index] == lowest and table[slot, 3] >= oldest):
            sessions[filled] = table[slot, 3]
            values[filled] = matches[index]
            newest_shared[filled] = table[slot, 2]
            filled += 1
    return sessions, values, newest_shared


def make_session_table(entries: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the work arrays for `entries` index entries: hash table, slots in use, values. A history touches only part of them."""
    bits = max(4, int(np.ceil(np.log2(max(2 * entries, 2)))))
    return np.zeros((1 << bits, 4), np.int32), np.empty(entries, np.int32), np.empty(entries, np.float32)
