"""Recency, frequency and monetary value as quintiles, and the ten groups that recency and frequency make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from customers.lifecycle.scoring.rfm.kernels import below_borders, pass_facts
from customers.lifecycle.scoring.stages.order_gaps import DAY

BINS = 5

GROUPS: tuple[str, ...] = (
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

# the group of each cell: a row for each R from 1 to 5, in it F from 1 to 5
CELLS: tuple[tuple[str, ...], ...] = (
    ("hibernating", "hibernating", "at_risk", "at_risk", "cant_lose"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "cant_lose"),
    ("about_to_sleep", "about_to_sleep", "need_attention", "loyal", "loyal"),
    ("promising", "potential_loyalists", "potential_loyalists", "loyal", "loyal"),
    ("new", "potential_loyalists", "potential_loyalists", "champions", "champions"),
)


@dataclass(frozen=True)
class Rfm:
    """Scores of n customers, each an int64 array of shape (n,) with values 1–5, 5 the best; ``group`` indexes GROUPS."""

    r: Ints
    f: Ints
    m: Ints
    group: Ints


def grouped(r: Ints, f: Ints, m: Ints) -> Rfm:
    codes = np.array([[GROUPS.index(group) for group in row] for row in CELLS], dtype=np.int64)
    return Rfm(r=r, f=f, m=m, group=codes[r - 1, f - 1])


def quintiles(value: npt.NDArray[Any]) -> Ints:
    """The fifth, 1 (least) to 5 (most), that each value's rank falls in; shape (n,).

    The customers stand in the order of their first orders and, where they are the same, of their ids. Ranks ascend by value, and
    among equal ones in that order, so no two are equal and five bins exist whenever n ≥ 5. With n = 5q + s the first s bins hold
    q + 1 customers and the others q: SQL's NTILE(5) over value, first order, id. Only the borders between fifths are looked for,
    which takes linear time where sorting does not.
    """
    n = len(value)
    if not n:
        return np.empty(0, np.int64)
    size, larger = divmod(n, BINS)
    below = np.arange(1, BINS) * size + np.minimum(np.arange(1, BINS), larger)  # how many rank below each border
    last = np.maximum(below - 1, 0)
    borders = np.partition(value, np.unique(last))[last]
    return below_borders(value, borders, below) + 1


@dataclass(frozen=True)
class RfmFigures:
    """What is scored, an int64 array of shape (m,) each, one entry for everybody with an order in the window.

    In the order of first_order and, where it is the same, of the customers. row: of each among the customers measured.
    """

    row: Ints
    first_order: Ints
    last_order: Ints
    orders: Ints
    revenue: Ints

    def scores(self) -> Rfm:
        """Recency is scored by the moment of the last order, so that the latest is 5."""
        r, f, m = (quintiles(value) for value in (self.last_order, self.orders, self.revenue))
        return grouped(r, f, m)

    def cells(self) -> Ints:
        """R and F of each as one number from 1 (R 1, F 1) to 25 (R 5, F 5), shape (m,)."""
        return BINS * (quintiles(self.last_order) - 1) + quintiles(self.orders)


def measure_rfm(
    *,
    start: Ints,
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    moments: Sequence[int],
    window_days: int | None = None,
) -> Iterator[RfmFigures]:
    """Recency, frequency and revenue of the `window_days` before each moment, or of all time before it; one after the other.

    The n customers stand by ascending id; customer i has the facts start[i] to start[i + 1], by ascending moment: orders that count
    and returns with moment (microseconds), net amount in minor units (below 0 for a return) and whether it is an order. ``moments``
    ascend. In the window is moment − window ≤ at < moment. Returns in the window take from its revenue, but who only
    returned is left out. first_order is the first of all, so that the same customers win ties in every window.

    Errors: ValueError for arrays of different length, a window that is not above 0, or moments that do not ascend.
    """
    if len({array.shape for array in (at, amount, is_order)}) != 1 or (len(start) and start[-1] != len(at)):
        raise ValueError("The arrays of measure_rfm describe different numbers of orders; give one entry an order.")
    if window_days is not None and window_days <= 0:
        raise ValueError(f"window_days must be above 0, got {window_days}")
    if any(late < early for early, late in pairwise(moments)):
        raise ValueError("The moments of measure_rfm must ascend; sort them.")
    return _measured(start, at, amount, is_order, moments, window_days)


def group_of(cell: int) -> str:
    """The group of a cell of `RfmFigures.cells`, "" for 0."""
    return CELLS[(cell - 1) // BINS][(cell - 1) % BINS] if cell else ""


def _measured(
    start: Ints,
    at: Ints,
    amount: Ints,
    is_order: npt.NDArray[np.bool_],
    moments: Sequence[int],
    window_days: int | None,
) -> Iterator[RfmFigures]:
    begun = np.concatenate(([0], np.cumsum(is_order, dtype=np.int64)))
    buyers = np.flatnonzero(begun[start[1:]] > begun[start[:-1]])
    first = at[is_order][begun[start[buyers]]]
    order = np.argsort(first, kind="stable")  # ids ascend already
    row, first = buyers[order], first[order]
    begins, end, place = in_rows(row, start)
    facts = at[place], amount[place], is_order[place]
    until, since = Passed.none(begins), Passed.none(begins)
    for moment in moments:
        n = int(np.searchsorted(first, moment))  # who ordered before the moment stands first
        pass_facts(*facts, end[:n], moment, *until.of(n))
        if window_days is None:
            yield RfmFigures(
                row[:n], first[:n], until.last[:n].copy(), until.orders[:n].copy(), until.revenue[:n].copy()
            )
            continue
        pass_facts(*facts, end[:n], moment - window_days * DAY, *since.of(n))
        orders = until.orders[:n] - since.orders[:n]
        inside = np.flatnonzero(orders)
        revenue = until.revenue[inside] - since.revenue[inside]
        yield RfmFigures(row[inside], first[inside], until.last[inside], orders[inside], revenue)


def in_rows(row: Ints, start: Ints) -> tuple[Ints, Ints, Ints]:
    """The facts of these customers one after the other, so that passing them reads memory in its order: where those of each begin and
    end, shape (m,), and the place of every fact among all."""
    lengths = (start[1:] - start[:-1])[row]
    end = np.cumsum(lengths)
    begins = end - lengths
    return begins, end, np.arange(lengths.sum()) + np.repeat(start[row] - begins, lengths)


@dataclass(frozen=True)
class Passed:
    """How far into the facts of each customer a moment reaches, and what they add up to until there; int64 arrays of shape (m,)."""

    place: Ints
    last: Ints
    orders: Ints
    revenue: Ints

    @classmethod
    def none(cls, place: Ints) -> "Passed":
        return cls(place.copy(), *(np.zeros(len(place), np.int64) for _ in range(3)))

    def of(self, n: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Of the first n customers, to be written to."""
        return self.place[:n], self.last[:n], self.orders[:n], self.revenue[:n]
