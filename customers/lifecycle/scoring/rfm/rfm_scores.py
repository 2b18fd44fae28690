"""Scores recency, frequency and monetary value as quintiles.

Recency and frequency decide between the ten groups.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from customers.lifecycle.scoring.rfm.kernels import advance_totals, count_borders_below
from customers.lifecycle.scoring.stages.order_gaps import DAY

BINS = 5

RFM_GROUPS: tuple[str, ...] = (
    "champions",
    "loyal",
    "potential_loyalists",
    "new",
    "promising",
    "need_attention",
    "about_to_sleep",
    "cant_lose",
    "at_risk",
    "hibernating",
)

# The group of each cell: one row per R from 1 to 5, one column per F from 1 to 5.
RFM_CELLS: tuple[tuple[str, ...], ...] = (
    ("hibernating", "hibernating", "at_risk", "at_risk", "cant_lose"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "cant_lose"),
    ("about_to_sleep", "about_to_sleep", "need_attention", "loyal", "loyal"),
    ("promising", "potential_loyalists", "potential_loyalists", "loyal", "loyal"),
    ("new", "potential_loyalists", "potential_loyalists", "champions", "champions"),
)


@dataclass(frozen=True)
class RfmScores:
    """Scores of n customers, each an int64 array of shape (n,) with values 1–5, 5 the best.

    ``group`` indexes RFM_GROUPS.
    """

    r: Ints
    f: Ints
    m: Ints
    group: Ints


def build_scores(r: Ints, f: Ints, m: Ints) -> RfmScores:
    """Build the scores with the group of each R and F."""
    codes = np.array([[RFM_GROUPS.index(group) for group in row] for row in RFM_CELLS], dtype=np.int64)
    return RfmScores(r=r, f=f, m=m, group=codes[r - 1, f - 1])


def compute_quintiles(value: npt.NDArray[Any]) -> Ints:
    """Return the quintile, 1 (lowest) to 5 (highest), of each value's rank; shape (n,).

    The customers are ordered by first order and, for equal ones, by id. Ranks ascend by value, and among equal values in that
    order, so no two ranks are equal and five bins exist whenever n ≥ 5. With n = 5q + s the first s bins hold q + 1 customers and
    the others q: SQL's NTILE(5) over value, first order, id. Only the borders between quintiles are selected, which takes linear
    time where sorting does not.
    """
    n = len(value)
    if not n:
        return np.empty(0, np.int64)
    size, larger = divmod(n, BINS)
    below = np.arange(1, BINS) * size + np.minimum(np.arange(1, BINS), larger)  # ranks below each border
    last = np.maximum(below - 1, 0)
    borders = np.partition(value, np.unique(last))[last]
    return count_borders_below(value, borders, below) + 1


@dataclass(frozen=True)
class RfmValues:
    """The values to score, int64 arrays of shape (m,).

    There is one entry per customer with an order in the window.
    Ordered by first_order and then by customer. row: index of each among the measured customers.
    """

    row: Ints
    first_order: Ints
    last_order: Ints
    orders: Ints
    revenue: Ints

    def compute_scores(self) -> RfmScores:
        """Return the scores; recency is scored by the moment of the last order, so the latest is 5."""
        r, f, m = (compute_quintiles(value) for value in (self.last_order, self.orders, self.revenue))
        return build_scores(r, f, m)

    def compute_cells(self) -> Ints:
        """Return R and F as one number from 1 (R 1, F 1) to 25 (R 5, F 5), shape (m,)."""
        return BINS * (compute_quintiles(self.last_order) - 1) + compute_quintiles(self.orders)


def measure_rfm(
    *,
    start: Ints,
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    moments: Sequence[int],
    window_days: int | None = None,
) -> Iterator[RfmValues]:
    """Yield recency, frequency and revenue of the `window_days` before each moment.

    Without a window, all time before it counts.
    The n customers are sorted by id; customer i has the facts start[i] to start[i + 1], by ascending moment: counted orders and
    returns with moment (microseconds), net amount in minor units (below 0 for a return) and whether it is an order. ``moments``
    ascend. The window is moment − window ≤ at < moment. Returns in the window reduce its revenue, but customers with returns
    only are left out. first_order is the first of all time, so that the same customers win ties in every window.

    Errors: ValueError for arrays of different length, a window that is not above 0, or moments that do not ascend.
    """
    if len({array.shape for array in (at, amount, is_order)}) != 1 or (len(start) and start[-1] != len(at)):
        raise ValueError("The arrays of measure_rfm have different lengths; pass one entry per order.")
    if window_days is not None and window_days <= 0:
        raise ValueError(f"window_days must be above 0, got {window_days}")
    if any(late < early for early, late in pairwise(moments)):
        raise ValueError("The moments of measure_rfm must ascend; sort them first.")
    return _iterate_rfm(start, at, amount, is_order, moments, window_days)


def find_rfm_group(cell: int) -> str:
    """Return the group of a cell of `RfmValues.compute_cells`, "" for 0."""
    return RFM_CELLS[(cell - 1) // BINS][(cell - 1) % BINS] if cell else ""


def _iterate_rfm(
    start: Ints,
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    moments: Sequence[int],
    window_days: int | None,
) -> Iterator[RfmValues]:
    """Yield the values of each moment.

    Running totals move from moment to moment, so each fact is read once.
    """
    orders_before = np.concatenate(([0], np.cumsum(is_order, dtype=np.int64)))
    buyers = np.flatnonzero(orders_before[start[1:]] > orders_before[start[:-1]])
    first = at[is_order][orders_before[start[buyers]]]
    order = np.argsort(first, kind="stable")  # stable, since ids ascend already
    row, first = buyers[order], first[order]
    begins, end, position = arrange_facts(row, start)
    facts = at[position], amount[position], is_order[position]
    totals, totals_before_window = RunningTotals.zero(begins), RunningTotals.zero(begins)
    for moment in moments:
        n = int(np.searchsorted(first, moment))  # customers who ordered before the moment come first
        advance_totals(*facts, end[:n], moment, *totals.select_first(n))
        if window_days is None:
            yield RfmValues(
                row[:n], first[:n], totals.last[:n].copy(), totals.orders[:n].copy(), totals.revenue[:n].copy()
            )
            continue
        advance_totals(*facts, end[:n], moment - window_days * DAY, *totals_before_window.select_first(n))
        orders = totals.orders[:n] - totals_before_window.orders[:n]
        has_orders = np.flatnonzero(orders)
        revenue = totals.revenue[has_orders] - totals_before_window.revenue[has_orders]
        yield RfmValues(row[has_orders], first[has_orders], totals.last[has_orders], orders[has_orders], revenue)


def arrange_facts(row: Ints, start: Ints) -> tuple[Ints, Ints, Ints]:
    """Return begin and end of each customer's facts, (m,), and each fact's index among all.

    The facts of consecutive customers become contiguous, so that a pass reads memory sequentially.
    """
    lengths = (start[1:] - start[:-1])[row]
    end = np.cumsum(lengths)
    begins = end - lengths
    return begins, end, np.arange(lengths.sum()) + np.repeat(start[row] - begins, lengths)


@dataclass(frozen=True)
class RunningTotals:
    """Position in the facts of each customer and the totals up to it.

    Both are int64 arrays of shape (m,).
    """

    position: Ints
    last: Ints
    orders: Ints
    revenue: Ints

    @classmethod
    def zero(cls, position: Ints) -> "RunningTotals":
        """Return totals of zero at the given positions."""
        return cls(position.copy(), *(np.zeros(len(position), np.int64) for _ in range(3)))

    def select_first(self, n: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Return views of the first n customers, to be updated in place."""
        return self.position[:n], self.last[:n], self.orders[:n], self.revenue[:n]
