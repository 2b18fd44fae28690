"""The loops over customers' order lines, compiled by Numba.

``favorites`` documents the results.
"""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from config.foundation.kernels.compilation import make_jit

type Bytes = npt.NDArray[np.uint8]

compiled = make_jit(nogil=True)

OPEN, CLOSE, COMMA, SPACE, DOT, ZERO = 91, 93, 44, 32, 46, 48
ITEM_BYTES = 14  # bytes of a pair without its name: [NAME, 0.1234] and the separator
ROW_BYTES = 14  # the number of fields, and the id with its length
FIELD_BYTES = 7  # length, jsonb version, brackets


@compiled
def group_by_customer(row: Ints, n: int) -> tuple[Ints, Ints]:
    """Return start (n + 1,) and the entries of each row in their order.

    Entries of row -1 are left out.
    """
    start = np.zeros(n + 1, np.int64)
    for entry in range(len(row)):
        if row[entry] >= 0:
            start[row[entry] + 1] += 1
    for i in range(n):
        start[i + 1] += start[i]
    filled = start[:-1].copy()
    order = np.empty(start[n], np.int64)
    for entry in range(len(row)):
        if row[entry] >= 0:
            order[filled[row[entry]]] = entry
            filled[row[entry]] += 1
    return start, order


@compiled
def find_top_codes(fact: Ints, code: Ints, total: Ints, n: int) -> Ints:
    """Return the code with the largest total of each fact, ties: the lowest, shape (n,).

    The code is -1 where no entry has one.
    """
    top, best_total = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    for entry in range(len(fact)):
        row = fact[entry]
        if row < 0 or code[entry] < 0:
            continue
        better = total[entry] > best_total[row] or (total[entry] == best_total[row] and code[entry] < top[row])
        if top[row] < 0 or better:
            top[row], best_total[row] = code[entry], total[entry]
    return top


@compiled
def rank_codes(start: Ints, code: Ints, n_codes: int, limit: int) -> tuple[Ints, Ints, Ints]:
    """Return start (n + 1,), code and count of each customer's most frequent codes ≥ 0.

    Of equal counts, the lower code comes first.
    """
    n = len(start) - 1
    counts = np.zeros(n_codes, np.int64)
    seen_codes = np.empty(n_codes, np.int64)
    starts = np.zeros(n + 1, np.int64)
    room = min(n * limit, len(code))
    codes, times = np.empty(room, np.int64), np.empty(room, np.int64)
    k = 0
    for i in range(n):
        different = 0
        for entry in range(start[i], start[i + 1]):
            c = code[entry]
            if c >= 0:
                if counts[c] == 0:
                    seen_codes[different] = c
                    different += 1
                counts[c] += 1
        # Insertion into the short ranked list: `limit` is small, so this beats sorting all codes.
        first = k
        for index in range(different):
            c = seen_codes[index]
            position = k
            while position > first and (
                times[position - 1] < counts[c] or (times[position - 1] == counts[c] and codes[position - 1] > c)
            ):
                position -= 1
            if position - first < limit:
                if k - first < limit:
                    k += 1
                for later in range(k - 1, position, -1):
                    codes[later], times[later] = codes[later - 1], times[later - 1]
                codes[position], times[position] = c, counts[c]
        # Reset only the counters that were used, so that the cost does not depend on the number of codes.
        for index in range(different):
            counts[seen_codes[index]] = 0
        starts[i + 1] = k
    return starts, codes[:k].copy(), times[:k].copy()


@compiled
def merge_ranked_codes(
    start: Ints, code: Ints, count: Ints, other_start: Ints, other_code: Ints, other_count: Ints
) -> tuple[Ints, Ints, Ints]:
    """Merge both ranked lists of each customer into one with the same order."""
    n = len(start) - 1
    starts = start + other_start
    codes, counts = np.empty(starts[n], np.int64), np.empty(starts[n], np.int64)
    for i in range(n):
        a, b = start[i], other_start[i]
        for k in range(starts[i], starts[i + 1]):
            take_first = b == other_start[i + 1]
            if not take_first and a < start[i + 1]:
                take_first = count[a] > other_count[b] or (count[a] == other_count[b] and code[a] < other_code[b])
            if take_first:
                codes[k], counts[k] = code[a], count[a]
                a += 1
            else:
                codes[k], counts[k] = other_code[b], other_count[b]
                b += 1
    return starts, codes, counts


@compiled
def _write_integer(out: Bytes, at: int, value: int, size: int) -> int:
    """Write the lowest bytes of an integer, big-endian; return the next position."""
    for index in range(size):
        out[at + index] = (value >> (8 * (size - 1 - index))) & 255
    return at + size


@compiled
def _write_share(out: Bytes, at: int, share: int) -> int:
    """Write ten-thousandths as 0.1234; return the next position."""
    out[at], out[at + 1] = ZERO + share // 10_000, DOT
    for digit in range(4):
        out[at + 2 + digit] = ZERO + share // 10 ** (3 - digit) % 10
    return at + 6


@compiled
def write_pairs(
    out: Bytes, at: int, i: int, start: Ints, code: Ints, count: Ints, total: Ints, names: Bytes, name_start: Ints
) -> int:
    """Write a field of a binary COPY with the customer's pairs of name and share as jsonb.

    Return its end.
    """
    length_at = at
    at += 4
    out[at], out[at + 1] = 1, OPEN
    at += 2
    for k in range(start[i], start[i + 1]):
        if k > start[i]:
            out[at], out[at + 1] = COMMA, SPACE
            at += 2
        out[at] = OPEN
        at += 1
        for byte in range(name_start[code[k]], name_start[code[k] + 1]):
            out[at] = names[byte]
            at += 1
        out[at], out[at + 1] = COMMA, SPACE
        # Round half up in integers: floats would round differently on other machines.
        at = _write_share(out, at + 2, (20_000 * count[k] + total[i]) // (2 * total[i]))
        out[at] = CLOSE
        at += 1
    out[at] = CLOSE
    _write_integer(out, length_at, at + 1 - length_at - 4, 4)
    return at + 1


@compiled
def write_row_header(out: Bytes, at: int, fields: int, identity: int) -> int:
    """Write the beginning of a binary COPY row whose first field is a bigint.

    Return the next position.
    """
    at = _write_integer(out, at, fields, 2)
    at = _write_integer(out, at, 8, 4)
    return _write_integer(out, at, identity, 8)
