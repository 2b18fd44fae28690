"""The loop over customers and what they did, compiled by Numba; what it adds up is written in ``interests``."""

import numba
import numpy as np
import numpy.typing as npt

type Floats = npt.NDArray[np.float64]
type Ints = npt.NDArray[np.int64]

compiled = numba.njit(nogil=True, cache=True)


@compiled
def grouped(
    customer: Ints, code: Ints, at: Floats, weight: Floats, as_of: float, n_customers: int
) -> tuple[Ints, Ints]:
    """start (n + 1,), and the facts that count by customer, in their order: sorted by counting, in linear time."""
    start = np.zeros(n_customers + 1, np.int64)
    for fact in range(len(customer)):
        if at[fact] < as_of and code[fact] >= 0 and weight[fact] > 0:
            start[customer[fact] + 1] += 1
    for i in range(n_customers):
        start[i + 1] += start[i]
    filled = start[:-1].copy()
    order = np.empty(start[n_customers], np.int64)
    for fact in range(len(customer)):
        if at[fact] < as_of and code[fact] >= 0 and weight[fact] > 0:
            order[filled[customer[fact]]] = fact
            filled[customer[fact]] += 1
    return start, order


@compiled
def add_up(
    start: Ints, order: Ints, code: Ints, at: Floats, weight: Floats, as_of: float, half_life: float, n_codes: int,
    most: int, beside: float,
) -> tuple[Ints, Ints, Floats, Floats, Ints, Floats, Floats, Ints, Floats]:  # fmt: skip
    """The columns of ``Interests``. beside: what each code lends to each of its two neighbours in the circle of codes, 0 for none."""
    n = len(start) - 1
    room = min(n * most, len(order) * (3 if beside > 0 else 1))
    line_start = np.zeros(n + 1, np.int64)
    line_code, line_evidence = np.empty(room, np.int64), np.empty(room, np.int64)
    line_share, line_weight, line_newest = np.empty(room), np.empty(room), np.empty(room)
    totals, facts, breadths = np.zeros(n), np.zeros(n, np.int64), np.zeros(n)
    sums, lent, newest = np.zeros(n_codes), np.zeros(n_codes), np.empty(n_codes)
    evidence = np.zeros(n_codes, np.int64)
    seen = np.empty(n_codes, np.int64)
    lines = 0
    for i in range(n):
        first, stop = start[i], start[i + 1]
        latest = -np.inf
        for place in range(first, stop):
            latest = max(latest, at[order[place]])
        kinds, total = 0, 0.0
        for place in range(first, stop):
            fact = order[place]
            c = code[fact]
            if evidence[c] == 0:
                seen[kinds] = c
                kinds += 1
                newest[c] = at[fact]
            value = weight[fact] * 2.0 ** ((at[fact] - latest) / half_life)
            sums[c] += value
            total += value
            evidence[c] += 1
            newest[c] = max(newest[c], at[fact])
        if beside > 0 and kinds > 0:
            kinds = 0
            for c in range(n_codes):
                lent[c] = (1.0 - 2.0 * beside) * sums[c] + beside * (sums[c - 1] + sums[(c + 1) % n_codes])
                if evidence[c] == 0:
                    newest[c] = latest
            for c in range(n_codes):
                sums[c] = lent[c]
                if lent[c] > 0:
                    seen[kinds] = c
                    kinds += 1
        surprise, kept = 0.0, 0
        faded = 2.0 ** ((latest - as_of) / half_life) if stop > first else 0.0
        for k in range(kinds):
            c = seen[k]
            share = sums[c] / total
            if share > 0:
                surprise -= share * np.log(share)
            place = lines + kept
            while place > lines and _before(share, newest[c], c, place - 1, line_share, line_newest, line_code):
                place -= 1
            if place - lines >= most:
                continue
            kept = min(kept + 1, most)
            for later in range(lines + kept - 1, place, -1):
                line_code[later], line_evidence[later] = line_code[later - 1], line_evidence[later - 1]
                line_share[later], line_weight[later] = line_share[later - 1], line_weight[later - 1]
                line_newest[later] = line_newest[later - 1]
            line_code[place], line_evidence[place] = c, evidence[c]
            line_share[place], line_weight[place], line_newest[place] = share, sums[c] * faded, newest[c]
        lines += kept
        line_start[i + 1] = lines
        totals[i], facts[i] = total * faded, stop - first
        breadths[i] = np.exp(surprise) if kinds > 0 else 0.0
        for place in range(first, stop):
            c = code[order[place]]
            sums[c], evidence[c] = 0.0, 0
        if beside > 0:
            sums[:] = 0.0
    return (
        line_start, line_code[:lines].copy(), line_share[:lines].copy(), line_weight[:lines].copy(),
        line_evidence[:lines].copy(), line_newest[:lines].copy(), totals, facts, breadths,
    )  # fmt: skip


@compiled
def _before(share: float, newest: float, code: int, place: int, shares: Floats, newests: Floats, codes: Ints) -> bool:
    """Whether a code comes before the one at a place: the greater share, then the newer fact, then the lower code."""
    if share != shares[place]:
        return share > shares[place]
    if newest != newests[place]:
        return newest > newests[place]
    return code < codes[place]
