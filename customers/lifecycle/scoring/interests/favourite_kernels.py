"""The loops over customers' order lines, compiled by Numba; what they find is written in ``favourites``."""

import numba
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints

type Bytes = npt.NDArray[np.uint8]

compiled = numba.njit(nogil=True, cache=True)

OPEN, CLOSE, COMMA, SPACE, DOT, ZERO = 91, 93, 44, 32, 46, 48
ITEM_BYTES = 14  # of a pair beside its name: [NAME, 0.1234] and what parts it from the next
ROW_BYTES = 14  # how many fields, and the id with its length
FIELD_BYTES = 7  # length, version, brackets


@compiled
def by_customer(row: Ints, n: int) -> tuple[Ints, Ints]:
    """start (n + 1,), and the entries of each row in their order; those of row -1 are left out."""
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
def dearest(fact: Ints, code: Ints, total: Ints, n: int) -> Ints:
    """The code of each fact's entry with the largest total, of equal ones the lowest, shape (n,); -1 where none has a code."""
    found, best = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    for entry in range(len(fact)):
        place = fact[entry]
        if place < 0 or code[entry] < 0:
            continue
        better = total[entry] > best[place] or (total[entry] == best[place] and code[entry] < found[place])
        if found[place] < 0 or better:
            found[place], best[place] = code[entry], total[entry]
    return found


@compiled
def most_frequent(start: Ints, code: Ints, n_codes: int, most: int) -> tuple[Ints, Ints, Ints]:
    """start (n + 1,), code and count of each customer's most frequent codes ≥ 0, the lower code first where counts are equal."""
    n = len(start) - 1
    counts = np.zeros(n_codes, np.int64)
    seen = np.empty(n_codes, np.int64)
    starts = np.zeros(n + 1, np.int64)
    room = min(n * most, len(code))
    codes, times = np.empty(room, np.int64), np.empty(room, np.int64)
    k = 0
    for i in range(n):
        different = 0
        for entry in range(start[i], start[i + 1]):
            c = code[entry]
            if c >= 0:
                if counts[c] == 0:
                    seen[different] = c
                    different += 1
                counts[c] += 1
        first = k
        for place in range(different):
            c = seen[place]
            at = k
            while at > first and (times[at - 1] < counts[c] or (times[at - 1] == counts[c] and codes[at - 1] > c)):
                at -= 1
            if at - first < most:
                if k - first < most:
                    k += 1
                for later in range(k - 1, at, -1):
                    codes[later], times[later] = codes[later - 1], times[later - 1]
                codes[at], times[at] = c, counts[c]
        for place in range(different):
            counts[seen[place]] = 0
        starts[i + 1] = k
    return starts, codes[:k].copy(), times[:k].copy()


@compiled
def merged(
    start: Ints, code: Ints, count: Ints, other_start: Ints, other_code: Ints, other_count: Ints
) -> tuple[Ints, Ints, Ints]:
    """Both lists of each customer as one in the same order."""
    n = len(start) - 1
    starts = start + other_start
    codes, counts = np.empty(starts[n], np.int64), np.empty(starts[n], np.int64)
    for i in range(n):
        a, b = start[i], other_start[i]
        for k in range(starts[i], starts[i + 1]):
            ours = b == other_start[i + 1]
            if not ours and a < start[i + 1]:
                ours = count[a] > other_count[b] or (count[a] == other_count[b] and code[a] < other_code[b])
            if ours:
                codes[k], counts[k] = code[a], count[a]
                a += 1
            else:
                codes[k], counts[k] = other_code[b], other_count[b]
                b += 1
    return starts, codes, counts


@compiled
def _put(out: Bytes, at: int, value: int, size: int) -> int:
    """The lowest bytes of a whole number, the highest of them first."""
    for place in range(size):
        out[at + place] = (value >> (8 * (size - 1 - place))) & 255
    return at + size


@compiled
def _put_share(out: Bytes, at: int, share: int) -> int:
    """Ten-thousandths as 0.1234."""
    out[at], out[at + 1] = ZERO + share // 10_000, DOT
    for place in range(4):
        out[at + 2 + place] = ZERO + share // 10 ** (3 - place) % 10
    return at + 6


@compiled
def put_pairs(
    out: Bytes, at: int, i: int, start: Ints, code: Ints, count: Ints, total: Ints, names: Bytes, name_start: Ints
) -> int:
    """A field of a binary COPY with the customer's pairs of name and share as jsonb; where it ends."""
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
        at = _put_share(out, at + 2, (20_000 * count[k] + total[i]) // (2 * total[i]))
        out[at] = CLOSE
        at += 1
    out[at] = CLOSE
    _put(out, length_at, at + 1 - length_at - 4, 4)
    return at + 1


@compiled
def put_head(out: Bytes, at: int, fields: int, identity: int) -> int:
    """The beginning of a row of a binary COPY whose first field is a bigint."""
    at = _put(out, at, fields, 2)
    at = _put(out, at, 8, 4)
    return _put(out, at, identity, 8)
