"""Compiled search for the nearest sessions, and the scores of their items."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil, inlined

ROUNDING_MARGIN = 1.0001  # float32 sums may exceed their exact value by this factor
SHORT_HISTORY = 128  # up to this length, a linear search for repeated items is faster than an array over all items


@compiled
def compute_session_strengths(
    indptr: AnyInts, items: AnyInts, weights: AnyFloats, factors: AnyFloats, decay: float, longest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the distinct items of each history, newest first, with weight · decay^(positions back) · factors[item]."""
    out_indptr = np.zeros(indptr.shape[0], np.int64)
    out_items = np.empty(items.shape[0], np.int32)
    out_strengths = np.empty(items.shape[0], np.float32)
    is_short = (
        longest <= SHORT_HISTORY and indptr.shape[0] == 2
    )  # for one short history, comparing with the items so far is less work than an array over all items
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
def _count_entries(shared: AnyInts, item_starts: AnyInts) -> int:
    entries = 0
    for position in range(shared.shape[0]):
        entries += item_starts[shared[position] + 1] - item_starts[shared[position]]
    return entries


@inlined
def _count_table_bits(entries: int) -> int:
    """Return the bits for which a table of 2^bits rows is at most half full."""
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
        for index in range(bits.shape[0]):
            if bits[index] >> np.uint32(shift + width - 1) >> np.uint32(1) == prefix:
                counts[(bits[index] >> np.uint32(shift)) & np.uint32((1 << width) - 1)] += 1
        digit = (1 << width) - 1
        while counts[digit] < k:
            k -= counts[digit]
            digit -= 1
        prefix = (prefix << np.uint32(width)) | np.uint32(digit)
    answer = np.full(1, prefix, np.uint32)
    return answer.view(np.float32)[0]


@inlined
def _find_kth_bucket(counts: AnyInts, k: int) -> int:
    """Return the bucket that holds the k-th largest value, from the number of values per bucket; -1 if there are fewer than k."""
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
    counts = np.zeros(1024, np.int32)
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
    sums = table.view(np.float32)
    bits = _count_table_bits(_count_entries(shared, item_starts))
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
        accepts_new = count < k or remaining_strength * largest * ROUNDING_MARGIN >= lower_bound
        remaining_strength -= strength
        added_strength += strength
        for p in range(item_starts[shared[position]], item_starts[shared[position] + 1]):
            session = item_sessions[p]
            slot = _find_slot(table, bits, session)
            if table[slot, 0] != 0:
                sums[slot, 1] += strength
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
    return lowest, np.partition(tied[:ties], ties - (k - better))[ties - (k - better)]


@compiled
def _find_nearest_sessions(
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

    newest_shared: the position in `shared` of the newest item that both hold. Sessions of `user` are left out; the others come in
    the order in which the search met them. largest: the maximum of the session factors. table: int32 rows of (1 if used, sum as
    float32 bits, newest shared position, session), all free before and after, at least 2^`_count_table_bits` of the index entries
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
    """Return the last position of `item` in items[first:last]."""
    position = last - 1
    while items[position] != item:
        position -= 1
    return position


@inlined
def _distance_weight(distance: int, powers: AnyFloats, reach: float, back: float, own: float) -> float:
    """Return ρ(distance) of `SessionKNN`, with reach^d from a table where the table is long enough."""
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
                values[index] * weights[position] * _distance_weight(position - anchor, powers, reach, back, own)
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
    """Score rows start…stop: (entries per row, columns, values); columns are in the order in which they were met."""
    n_items = item_factors.shape[0]
    entries = 0
    for row in range(start, stop):
        entries = max(entries, _count_entries(items[indptr[row] : indptr[row + 1]], item_starts))
    table = np.zeros((1 << _count_table_bits(entries), 4), np.int32)
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
        nearest, values, newest_shared = _find_nearest_sessions(
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
        kept = _take_scores(order[:count], item_factors, total, touched, out_columns[filled:], out_values[filled:])
        counts[row - start] = kept
        filled += kept
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
    nearest, values, newest_shared = _find_nearest_sessions(
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

    strength_by_item: one entry per item, 0 before and after. The index of an item holds only its newest sessions; a session belongs to
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
                distance_weight = _distance_weight(position - anchors[index], powers, reach, back, own)
                target_values[column] += weights[position] * distance_weight * item_factors[item]
                has_target = True
        if not has_target:
            continue
        for position in range(first, last):
            item = items[position]
            strength = strength_by_item[item]
            if strength > 0 and session >= item_sessions[item_starts[item + 1] - 1]:
                is_repeated = False
                for earlier in range(first, position):
                    is_repeated = is_repeated or items[earlier] == item
                if not is_repeated:
                    for column in range(target_values.shape[0]):
                        out[slots[item], column] += strength * session_factors[session] * target_values[column]
        target_values[:] = 0
    for position in range(shared.shape[0]):
        strength_by_item[shared[position]] = 0


def make_session_table(entries: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the work arrays for `entries` index entries: hash table, slots in use, values. A history touches only part of them."""
    bits = max(4, int(np.ceil(np.log2(max(2 * entries, 2)))))
    return np.zeros((1 << bits, 4), np.int32), np.empty(entries, np.int32), np.empty(entries, np.float32)
