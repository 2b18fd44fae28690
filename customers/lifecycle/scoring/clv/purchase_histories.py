"""Summarizes orders as purchase histories (x repeats, t_x last, T age).

Equal histories are grouped into weighted rows.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from config.foundation.calendars.local_clock import LocalClock

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, eq=False)
class PurchaseHistories:
    """The purchases of n customers, all arrays of shape (n,), sorted by customer.

    x: repeats, the days with an order after the first such day. last_days: from the first such day to the last. age_days: from
    the first such day to the last observed day. mean_value: of the repeats, 0 for x = 0.
    """

    customer: Ints
    x: Ints
    last_days: Ints
    age_days: Ints
    mean_value: Floats

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "PurchaseHistories":
        """Return the histories of some rows."""
        return PurchaseHistories(
            self.customer[rows], self.x[rows], self.last_days[rows], self.age_days[rows], self.mean_value[rows]
        )


@dataclass(frozen=True, eq=False)
class HistoryGroups:
    """g distinct histories, sorted by x, t_x, T; arrays of shape (g,).

    `row`: shape (n,), the group of each customer.
    """

    x: Ints
    t_x: Floats
    age: Floats
    weight: Floats
    row: npt.NDArray[np.intp]
    unit_days: float

    @cached_property
    def customers_by_x(self) -> tuple[Floats, Floats]:
        """Return the distinct x and the number of customers of each."""
        starts = np.flatnonzero(np.r_[True, np.diff(self.x) > 0]) if len(self.x) else np.empty(0, np.intp)
        return self.x[starts].astype(np.float64), np.add.reduceat(self.weight, starts) if len(starts) else self.weight

    @property
    def customers(self) -> float:
        """Return the number of customers."""
        return float(self.weight.sum())

    def rescale(self, scale: float) -> "HistoryGroups":
        """Return the groups with times in units `scale` times as long."""
        return replace(self, t_x=self.t_x / scale, age=self.age / scale, unit_days=self.unit_days * scale)


def summarize_purchases(
    *, customer: Ints, at: Ints, value: Floats | Ints, as_of: int, clock: LocalClock
) -> PurchaseHistories:
    """Summarize the histories of all customers with an order before `as_of`.

    Later orders are ignored.
    customer, at, value: shape (m,), one entry per order in any order: customer id, moment (microseconds since 1970, may be
    negative), net value. clock: the shop's, whose midnights separate the days.

    The orders of one day are one purchase, and the last observed day is that of the microsecond before as_of. mean_value is the sum
    of the values of later days / x; days of zero or negative value count like any other. Source: Fader & Hardie, "Creating an RFM
    summary", 2008; `lifetimes.utils.summary_data_from_transaction_data`.
    Errors: ValueError for arrays of different shapes or values that are not finite.
    """
    if not customer.shape == at.shape == value.shape or customer.ndim != 1:
        raise ValueError(
            f"customer has shape {customer.shape}, at {at.shape} and value {value.shape}; pass one entry per order"
        )
    if not np.isfinite(value[at < as_of]).all():
        raise ValueError("value must be finite for every order")
    customer, day, value = _sort_orders(customer, at, value.astype(np.float64), as_of, clock)
    new_customer, starts = _find_starts(customer, day)
    first = np.flatnonzero(new_customer[starts])
    if not len(first):
        empty = np.empty(0, np.int64)
        return PurchaseHistories(empty, empty, empty, empty, np.empty(0))
    last = np.r_[first[1:], len(starts)] - 1
    x = last - first
    value_of = np.add.reduceat(value, starts)
    value_of[first] = 0.0
    first_day = day[starts[first]]
    return PurchaseHistories(
        customer=customer[starts[first]],
        x=x,
        last_days=day[starts[last]] - first_day,
        age_days=clock.get_day(as_of - 1) - first_day,
        mean_value=np.add.reduceat(value_of, first) / np.maximum(x, 1),
    )


def list_purchase_days(
    *, customer: Ints, at: Ints, as_of: int, clock: LocalClock
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Return customer, day since 1970 and whether it is the first, of each purchase.

    Only purchases before as_of count; they are sorted.
    """
    customer, day, _ = _sort_orders(customer, at, np.zeros(len(at)), as_of, clock)
    new_customer, starts = _find_starts(customer, day)
    return customer[starts], day[starts], new_customer[starts]


def _sort_orders(customer: Ints, at: Ints, value: Floats, as_of: int, clock: LocalClock) -> tuple[Ints, Ints, Floats]:
    """Return customer, day and value of each order before as_of, by customer and day."""
    known = at < as_of
    if not known.all():
        customer, at, value = customer[known], at[known], value[known]
    day = clock.count_days(at)
    if not _is_sorted(customer, day):
        order = np.lexsort((day, customer))
        customer, day, value = customer[order], day[order], value[order]
    return customer, day, value


def _find_starts(customer: Ints, day: Ints) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Return which orders are the first of a customer, and which begin a purchase.

    The former are flags, the latter indices.
    """
    new_customer = np.ones(len(customer), np.bool_)
    new_customer[1:] = customer[1:] != customer[:-1]
    new_day = new_customer.copy()
    new_day[1:] |= day[1:] != day[:-1]
    return new_customer, np.flatnonzero(new_day)


def _is_sorted(customer: Ints, day: Ints) -> bool:
    """Return whether the orders are sorted by customer and day."""
    before, after = customer[:-1], customer[1:]
    return bool(np.all((before < after) | ((before == after) & (day[:-1] <= day[1:]))))


def group_histories(*, histories: PurchaseHistories, unit_days: float = 1.0) -> HistoryGroups:
    """Group equal (x, t_x, T) into one row.

    unit_days: length in days of the unit of time, 7 for weeks.
    """
    if not 0 < unit_days < np.inf:
        raise ValueError(f"unit_days must be finite and greater than 0, got {unit_days}")
    x, last, age = histories.x, histories.last_days, histories.age_days
    if len(x) and (x.min() < 0 or last.min() < 0 or np.any(age < last)):
        raise ValueError("histories must have x ≥ 0 and 0 ≤ last_days ≤ age_days")
    days = int(age.max()) + 1 if len(x) else 1
    if len(x) and (int(x.max()) + 1) * days**2 >= 2**63:
        raise ValueError(f"ages of {days} days with {int(x.max())} purchases exceed the range of the grouping key")
    # One integer key per history: np.unique on it is several times as fast as on rows.
    key = (x * days + last) * days + age
    keys, row, count = np.unique(key, return_inverse=True, return_counts=True)
    return HistoryGroups(
        x=keys // days**2,
        t_x=keys // days % days / unit_days,
        age=keys % days / unit_days,
        weight=count.astype(np.float64),
        row=row,
        unit_days=unit_days,
    )
