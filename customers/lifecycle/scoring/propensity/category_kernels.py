"""Loops over the lines of customers' orders by category, compiled by Numba."""

import numba
import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, UNKNOWN, Matrix

compiled = numba.njit(nogil=True, cache=True)


@compiled
def count_categories(
    rows: Ints,
    start: Ints,
    at: Ints,
    category: Ints,
    is_return: Flags,
    place: Ints,
    as_of: int,
    half_life: float,
    out: Matrix,
) -> None:
    """out (len(rows), m) += 2^(−age / half-life) for each line of an order, spread evenly over the order's lines."""
    for row in range(len(rows)):
        i = rows[row]
        line = start[i]
        while line < start[i + 1] and at[line] < as_of:
            end, lines = line, 0
            while end < start[i + 1] and at[end] == at[line]:
                if not is_return[end] and category[end] != UNKNOWN:
                    lines += 1
                end += 1
            if lines > 0:
                weight = 2.0 ** (-((as_of - at[line]) / DAY) / half_life) / lines
                for one in range(line, end):
                    if not is_return[one] and category[one] != UNKNOWN:
                        out[row, place[category[one]]] += weight
            line = end


@compiled
def next_order(
    rows: Ints, start: Ints, at: Ints, category: Ints, is_return: Flags, place: Ints, begin: int, end: int, out: Matrix
) -> None:
    """Writes the shares of the categories among the lines of each customer's first order in [begin, end)."""
    for row in range(len(rows)):
        moment, lines = begin - 1, 0
        for line in range(start[rows[row]], start[rows[row] + 1]):
            if at[line] < begin or is_return[line] or category[line] == UNKNOWN:
                continue
            if at[line] >= end or (lines > 0 and at[line] != moment):
                break
            moment = at[line]
            out[row, place[category[line]]] += 1
            lines += 1
        if lines > 0:
            out[row] /= lines


@compiled
def last_order(
    rows: Ints, start: Ints, at: Ints, category: Ints, is_return: Flags, place: Ints, as_of: int, out: Matrix
) -> None:
    """Writes the shares of the categories among the lines of each customer's last order before as_of."""
    for row in range(len(rows)):
        moment, lines = as_of, 0
        for line in range(start[rows[row] + 1] - 1, start[rows[row]] - 1, -1):
            if at[line] >= as_of or is_return[line] or category[line] == UNKNOWN:
                continue
            if lines > 0 and at[line] != moment:
                break
            moment = at[line]
            out[row, place[category[line]]] += 1
            lines += 1
        if lines > 0:
            out[row] /= lines


@compiled
def log_likelihood(counts: Matrix, happened: Matrix, popularity: Floats, prior: float) -> float:
    """Mean over customers of Σ_c happened_c · ln((counts_c + prior · popularity_c) / (Σ counts + prior))."""
    total = 0.0
    for i in range(len(counts)):
        below = prior
        for c in range(counts.shape[1]):
            below += counts[i, c]
        for c in range(counts.shape[1]):
            if happened[i, c] > 0:
                total += happened[i, c] * np.log((counts[i, c] + prior * popularity[c]) / below)
    return total / max(len(counts), 1)
