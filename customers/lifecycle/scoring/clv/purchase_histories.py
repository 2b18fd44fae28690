"""Orders become purchase histories (x repeats, t_x last, T age), and equal histories become one row with a weight."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, eq=False)
class Histories:
    """What n customers have bought, all arrays of shape (n,), sorted by customer.

    x: repeats, the days with an order after the first such day. last_days: from the first such day to the last. age_days: from
    the first such day to the last day seen. mean_value: of the repeats, 0 for x = 0.
    """

    customer: Ints
    x: Ints
    last_days: Ints
    age_days: Ints
    mean_value: Floats

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Histories":
        return Histories(
            self.customer[rows], self.x[rows], self.last_days[rows], self.age_days[rows], self.mean_value[rows]
        )


@dataclass(frozen=True, eq=False)
class Groups:
    """g different histories, sorted by x, t_x, T; arrays of shape (g,). `row`: shape (n,), the group of each customer."""

    x: Ints
    t_x: Floats
    age: Floats
    weight: Floats
    row: npt.NDArray[np.intp]
    unit_days: float

    @cached_property
    def by_x(self) -> tuple[Floats, Floats]:
        """The different x and the customers of each."""
        starts = np.flatnonzero(np.r_[True, np.diff(self.x) > 0]) if len(self.x) else np.empty(0, np.intp)
        return self.x[starts].astype(np.float64), np.add.reduceat(self.weight, starts) if len(starts) else self.weight

    @property
    def customers(self) -> float:
        return float(self.weight.sum())

    def scaled(self, scale: float) -> "Groups":
        """The same with times in units `scale` times as long."""
        return replace(self, t_x=self.t_x / scale, age=self.age / scale, unit_days=self.unit_days * scale)


def summarise_purchases(*, customer: Ints, at: Ints, value: Floats | Ints, as_of: int, offset: int = 0) -> Histories:
    """Histories of everybody with an order before `as_of`; what comes at or after it is ignored.

    customer, at, value: shape (m,), an entry an order in any order: customer's id, moment (microseconds since 1970, may be
    negative), net value. offset: microseconds to add to a moment to get the shop's own time, whose midnights part the days.

    The orders of one day are one purchase, and the last day seen is that of the microsecond before as_of. mean_value is the sum of
    the values of later days / x; it counts days of no or negative value like any other. Source: Fader & Hardie, "Creating an RFM
    summary", 2008; `lifetimes.utils.summary_data_from_transaction_data`.
    Errors: ValueError for arrays of different shapes or values that are not finite.
    """
    if not customer.shape == at.shape == value.shape or customer.ndim != 1:
        raise ValueError(
            f"customer has shape {customer.shape}, at {at.shape} and value {value.shape}; give one entry an order"
        )
    if not np.isfinite(value[at < as_of]).all():
        raise ValueError("value must be finite for every order; found one that is not")
    customer, day, value = _in_order(customer, at, value.astype(np.float64), as_of, offset)
    new_customer, starts = _starts(customer, day)
    first = np.flatnonzero(new_customer[starts])
    if not len(first):
        none = np.empty(0, np.int64)
        return Histories(none, none, none, none, np.empty(0))
    last = np.r_[first[1:], len(starts)] - 1
    x = last - first
    value_of = np.add.reduceat(value, starts)
    value_of[first] = 0.0
    first_day = day[starts[first]]
    return Histories(
        customer=customer[starts[first]],
        x=x,
        last_days=day[starts[last]] - first_day,
        age_days=(as_of - 1 + offset) // DAY - first_day,
        mean_value=np.add.reduceat(value_of, first) / np.maximum(x, 1),
    )


def purchase_days(*, customer: Ints, at: Ints, as_of: int, offset: int = 0) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Customer, day since 1970 and whether it is the customer's first, of each purchase before as_of, sorted."""
    customer, day, _ = _in_order(customer, at, np.zeros(len(at)), as_of, offset)
    new_customer, starts = _starts(customer, day)
    return customer[starts], day[starts], new_customer[starts]


def _in_order(customer: Ints, at: Ints, value: Floats, as_of: int, offset: int) -> tuple[Ints, Ints, Floats]:
    """Customer, day and value of each order before as_of, by customer and day."""
    seen = at < as_of
    if not seen.all():
        customer, at, value = customer[seen], at[seen], value[seen]
    day = (at + offset) // DAY
    if not _is_sorted(customer, day):
        order = np.lexsort((day, customer))
        customer, day, value = customer[order], day[order], value[order]
    return customer, day, value


def _starts(customer: Ints, day: Ints) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Whether each order is the first of its customer, and the places of the orders that begin a purchase."""
    new_customer = np.ones(len(customer), np.bool_)
    new_customer[1:] = customer[1:] != customer[:-1]
    new_day = new_customer.copy()
    new_day[1:] |= day[1:] != day[:-1]
    return new_customer, np.flatnonzero(new_day)


def _is_sorted(customer: Ints, day: Ints) -> bool:
    before, after = customer[:-1], customer[1:]
    return bool(np.all((before < after) | ((before == after) & (day[:-1] <= day[1:]))))


def group_histories(*, histories: Histories, unit_days: float = 1.0) -> Groups:
    """Equal (x, t_x, T) as one row. unit_days: the length in days of the unit of the result, 7 for weeks."""
    if not 0 < unit_days < np.inf:
        raise ValueError(f"unit_days must be finite and greater than 0, got {unit_days}")
    x, last, age = histories.x, histories.last_days, histories.age_days
    if len(x) and (x.min() < 0 or last.min() < 0 or np.any(age < last)):
        raise ValueError("histories must have x ≥ 0 and 0 ≤ last_days ≤ age_days")
    days = int(age.max()) + 1 if len(x) else 1
    if len(x) and (int(x.max()) + 1) * days**2 >= 2**63:
        raise ValueError(f"ages of {days} days with {int(x.max())} purchases are too many to group")
    key = (x * days + last) * days + age
    different, row, count = np.unique(key, return_inverse=True, return_counts=True)
    return Groups(
        x=different // days**2,
        t_x=different // days % days / unit_days,
        age=different % days / unit_days,
        weight=count.astype(np.float64),
        row=row,
        unit_days=unit_days,
    )
