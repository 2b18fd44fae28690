"""Recency, frequency and monetary value as quintiles, and the ten groups that recency and frequency make."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
