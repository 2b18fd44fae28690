"""Loops over customers' order lines by category, compiled by Numba."""

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.kernels.compilation import make_jit
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, UNKNOWN, Matrix

compiled = make_jit(nogil=True)


@compiled
def decay_category_counts(
    rows: Ints,
    start: Ints,
    at: Ints,
    category: Ints,
    is_return: Flags,
    column: Ints,
    as_of: int,
    half_life: float,
    out: Matrix,
) -> None:
    """Add 2^(−age / half-life) per order to out (len(rows), m).

    The weight is spread evenly over the order's lines.
    """
    for row in range(len(rows)):
        i = rows[row]
        line = start[i]
        while line < start[i + 1] and at[line] < as_of:
            # Lines of one moment are one order; the first pass counts those with a category.
            end, lines = line, 0
            while end < start[i + 1] and at[end] == at[line]:
                if not is_return[end] and category[end] != UNKNOWN:
                    lines += 1
                end += 1
            if lines > 0:
                weight = 2.0 ** (-((as_of - at[line]) / DAY) / half_life) / lines
                for other in range(line, end):
                    if not is_return[other] and category[other] != UNKNOWN:
                        out[row, column[category[other]]] += weight
            line = end


@compiled
def write_next_order_shares(
    rows: Ints, start: Ints, at: Ints, category: Ints, is_return: Flags, column: Ints, begin: int, end: int, out: Matrix
) -> None:
    """Write the category shares among the lines of each customer's first order in [begin, end)."""
    for row in range(len(rows)):
        moment, lines = begin - 1, 0
        for line in range(start[rows[row]], start[rows[row] + 1]):
            if at[line] < begin or is_return[line] or category[line] == UNKNOWN:
                continue
            if at[line] >= end or (lines > 0 and at[line] != moment):
                break
            moment = at[line]
            out[row, column[category[line]]] += 1
            lines += 1
        if lines > 0:
            out[row] /= lines


@compiled
def write_last_order_shares(
    rows: Ints, start: Ints, at: Ints, category: Ints, is_return: Flags, column: Ints, as_of: int, out: Matrix
) -> None:
    """Write the category shares among the lines of each customer's last order before as_of."""
    for row in range(len(rows)):
        moment, lines = as_of, 0
        for line in range(start[rows[row] + 1] - 1, start[rows[row]] - 1, -1):
            if at[line] >= as_of or is_return[line] or category[line] == UNKNOWN:
                continue
            if lines > 0 and at[line] != moment:
                break
            moment = at[line]
            out[row, column[category[line]]] += 1
            lines += 1
        if lines > 0:
            out[row] /= lines


@compiled
def mean_log_likelihood(counts: Matrix, actual: Matrix, popularity: Floats, prior: float) -> float:
    """Return the mean log-likelihood over customers.

    It is Σ_c actual_c · ln((counts_c + prior · popularity_c) / (Σ counts + prior)).
    """
    total = 0.0
    for i in range(len(counts)):
        denominator = prior
        for c in range(counts.shape[1]):
            denominator += counts[i, c]
        for c in range(counts.shape[1]):
            if actual[i, c] > 0:
                total += actual[i, c] * np.log((counts[i, c] + prior * popularity[c]) / denominator)
    return total / max(len(counts), 1)
