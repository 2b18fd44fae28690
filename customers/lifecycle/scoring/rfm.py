"""Recency, frequency and monetary value as quintiles, and the ten groups that recency and frequency make."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from customers.lifecycle.scoring.gaps import DAY

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

    r: npt.NDArray[np.int64]
    f: npt.NDArray[np.int64]
    m: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]


def score_rfm(
    *,
    last_order: npt.NDArray[np.int64],
    orders: npt.NDArray[np.int64],
    revenue: npt.NDArray[np.int64],
    first_order: npt.NDArray[np.int64],
    customer: npt.NDArray[np.int64],
) -> Rfm:
    """Scores everyone who has ordered.

    All arrays have shape (n,): moments of the last and first order (microseconds), number of orders, net revenue (minor
    units), customer id. Recency is scored by the moment of the last order, so that the latest is 5.

    Errors: ValueError when the arrays differ in length.
    """
    if len({array.shape for array in (last_order, orders, revenue, first_order, customer)}) != 1:
        raise ValueError("The arrays of score_rfm describe different numbers of customers; give one entry a customer.")
    r, f, m = (quintiles(value, first_order, customer) for value in (last_order, orders, revenue))
    codes = np.array([[GROUPS.index(group) for group in row] for row in CELLS], dtype=np.int64)
    return Rfm(r=r, f=f, m=m, group=codes[r - 1, f - 1])


def quintiles(
    value: npt.NDArray[Any], first_order: npt.NDArray[np.int64], customer: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The fifth, 1 (least) to 5 (most), that each value's rank falls in; shape (n,).

    Ranks ascend by value, then first order, then customer id, so no two are equal and five bins exist whenever n ≥ 5. With
    n = 5q + s the first s bins hold q + 1 customers and the others q: SQL's NTILE(5) over the same order.
    """
    n = len(value)
    size, larger = divmod(n, BINS)
    rank = np.arange(n)
    border = larger * (size + 1)
    bins = np.where(rank < border, rank // (size + 1), larger + (rank - border) // max(size, 1))
    scores = np.empty(n, dtype=np.int64)
    scores[np.lexsort((customer, first_order, value))] = bins + 1
    return scores


@dataclass(frozen=True)
class RfmFigures:
    """What `score_rfm` scores, an int64 array of shape (m,) each, one entry for everybody with an order in the window."""

    customer: npt.NDArray[np.int64]
    first_order: npt.NDArray[np.int64]
    last_order: npt.NDArray[np.int64]
    orders: npt.NDArray[np.int64]
    revenue: npt.NDArray[np.int64]

    def scores(self) -> Rfm:
        return score_rfm(
            last_order=self.last_order,
            orders=self.orders,
            revenue=self.revenue,
            first_order=self.first_order,
            customer=self.customer,
        )


def measure_rfm(
    *,
    customer: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    amount: npt.NDArray[np.int64],
    is_order: npt.NDArray[np.bool_],
    as_of: int,
    window_days: int | None = None,
) -> RfmFigures:
    """Recency, frequency and revenue of the `window_days` before as_of, or of all time; customers by ascending id.

    One entry an order or return, in any order: customer id, moment and as_of in microseconds, net amount in minor units (below 0 for
    a return), whether it is an order that counts. In the window is as_of − window ≤ at < as_of. Returns in the window take
    from its revenue, but who only returned is left out. first_order is the first of all before as_of, so that the same customers
    win ties in every window.

    Errors: ValueError for arrays of different length or a window that is not above 0.
    """
    if len({array.shape for array in (customer, at, amount, is_order)}) != 1:
        raise ValueError("The arrays of measure_rfm describe different numbers of orders; give one entry an order.")
    if window_days is not None and window_days <= 0:
        raise ValueError(f"window_days must be above 0, got {window_days}")
    ids, row = np.unique(customer, return_inverse=True)
    begins = np.iinfo(np.int64).min if window_days is None else as_of - window_days * DAY
    known = is_order & (at < as_of)
    inside = (at < as_of) & (at >= begins)
    counted = inside & is_order
    first = np.full(len(ids), np.iinfo(np.int64).max)
    last = np.full(len(ids), np.iinfo(np.int64).min)
    revenue = np.zeros(len(ids), np.int64)
    np.minimum.at(first, row[known], at[known])
    np.maximum.at(last, row[counted], at[counted])
    np.add.at(revenue, row[inside], amount[inside])  # exact in whole numbers, as bincount's floats are not
    orders = np.bincount(row[counted], minlength=len(ids))
    bought = orders > 0
    return RfmFigures(ids[bought], first[bought], last[bought], orders[bought], revenue[bought])
