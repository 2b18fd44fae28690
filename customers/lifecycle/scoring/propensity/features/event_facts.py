"""The inputs of propensity models: order lines and visit events as arrays.

They are sorted by customer and moment.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.calendars.local_clock import LocalClock

type Matrix = npt.NDArray[np.float32]

DAY = 86_400_000_000  # microseconds
UNKNOWN = -1  # an unknown category or session


@dataclass(frozen=True, eq=False)
class OrderLines:
    """The order lines of n customers.

    Customer i has the lines start[i] to start[i + 1], by moment.
    Lines of one customer and one moment are one order; return lines are not orders.
    start: (n + 1,). at: (m,), microseconds. value: (m,), 0 or more, the amount paid, or refunded for a return. is_return: (m,).
    clock: the shop's, whose midnights separate the days.
    units, discount: (m,) or None where unknown; discount is the reduction of the price.
    category: (m,), below n_categories, `UNKNOWN` for a line without one; or None.
    """

    start: Ints
    at: Ints
    value: Floats
    is_return: Flags
    clock: LocalClock
    units: Floats | None = None
    discount: Floats | None = None
    category: Ints | None = None
    n_categories: int = 0

    @property
    def n_customers(self) -> int:
        """Return the number of customers."""
        return len(self.start) - 1

    def get_line_customers(self) -> Ints:
        """Return the customer of each line, shape (m,)."""
        return np.repeat(np.arange(self.n_customers), np.diff(self.start))

    def select_customers(self, rows: Ints) -> "OrderLines":
        """Return the lines of the customers `rows`, who become customers 0 to len(rows) − 1."""
        lines = np.diff(self.start)[rows]
        start = np.concatenate(([0], np.cumsum(lines))).astype(np.int64)
        # Each line is as far from its customer's first line in the result as in these lines.
        selected = np.arange(start[-1]) + np.repeat(self.start[rows] - start[:-1], lines)
        columns = {
            name: None if column is None else column[selected]
            for name, column in (("units", self.units), ("discount", self.discount), ("category", self.category))
        }
        return OrderLines(
            start,
            self.at[selected],
            self.value[selected],
            self.is_return[selected],
            self.clock,
            n_categories=self.n_categories,
            **columns,
        )


@dataclass(frozen=True, eq=False)
class VisitEvents:
    """The events of n customers, laid out as `OrderLines`.

    kind: (m,), event type, below len(kinds). session: (m,), any number, `UNKNOWN` for an event without one. kinds: names of the types,
    which become column names.
    """

    start: Ints
    at: Ints
    kind: Ints
    session: Ints
    kinds: tuple[str, ...]


def collect_order_lines(
    *,
    n_customers: int,
    customer: npt.NDArray[np.integer],
    at: Ints,
    value: npt.NDArray[Any],
    clock: LocalClock,
    is_return: Flags | None = None,
    units: npt.NDArray[Any] | None = None,
    discount: npt.NDArray[Any] | None = None,
    category: npt.NDArray[np.integer] | None = None,
    n_categories: int = 0,
) -> OrderLines:
    """Sort order lines, given in any order; each array has shape (m,).

    customer: rows 0 to n_customers − 1. Values below 0 make a line a return.
    Errors: ValueError for arrays of different length, customers or categories out of range, and values that are not finite.
    """
    columns = {"at": at, "value": value, "is_return": is_return, "units": units, "discount": discount}
    for name, column in {**columns, "category": category}.items():
        if column is not None and column.shape != customer.shape:
            raise ValueError(f"{name} has shape {column.shape} and customer {customer.shape}; pass one entry per line")
    for name in ("value", "units", "discount"):
        column = columns[name]
        if column is not None and not np.isfinite(column).all():
            raise ValueError(f"{name} contains a number that is not finite; leave out such lines")
    _check_range("customer", customer, 0, n_customers)
    if category is not None:
        _check_range("category", category, UNKNOWN, n_categories)
    start, order = _sort_rows(customer, at, n_customers)

    def sort_column[T: np.generic](column: npt.NDArray[Any], kind: type[T]) -> npt.NDArray[T]:
        return np.ascontiguousarray(column if order is None else column[order], dtype=kind)

    paid = sort_column(value, np.float64)
    returned = paid < 0 if is_return is None else sort_column(is_return, np.bool_) | (paid < 0)
    return OrderLines(
        start=start,
        at=sort_column(at, np.int64),
        value=np.abs(paid),
        is_return=returned,
        clock=clock,
        units=None if units is None else np.abs(sort_column(units, np.float64)),
        discount=None if discount is None else np.maximum(sort_column(discount, np.float64), 0.0),
        category=None if category is None else sort_column(category, np.int64),
        n_categories=n_categories,
    )


def collect_visit_events(
    *,
    n_customers: int,
    customer: npt.NDArray[np.integer],
    at: Ints,
    kind: npt.NDArray[np.integer],
    kinds: tuple[str, ...],
    session: npt.NDArray[np.integer] | None = None,
) -> VisitEvents:
    """Sort events, given in any order; each array has shape (m,).

    Errors: ValueError as for `collect_order_lines`.
    """
    session = np.full(len(customer), UNKNOWN) if session is None else session
    for name, column in {"at": at, "kind": kind, "session": session}.items():
        if column.shape != customer.shape:
            raise ValueError(f"{name} has shape {column.shape} and customer {customer.shape}; pass one entry per event")
    _check_range("customer", customer, 0, n_customers)
    _check_range("kind", kind, 0, len(kinds))
    start, order = _sort_rows(customer, at, n_customers)
    columns = (column if order is None else column[order] for column in (at, kind, session))
    moment, kinds_of_rows, sessions = (np.ascontiguousarray(column, dtype=np.int64) for column in columns)
    return VisitEvents(start=start, at=moment, kind=kinds_of_rows, session=sessions, kinds=kinds)


def _sort_rows(customer: npt.NDArray[np.integer], at: Ints, n_customers: int) -> tuple[Ints, Ints | None]:
    """Return where each customer's rows start, and the order that sorts them.

    The order is None if they are sorted.
    """
    start = np.concatenate(([0], np.cumsum(np.bincount(customer, minlength=n_customers)))).astype(np.int64)
    step = customer[1:] == customer[:-1]
    if not len(customer) or bool(((customer[1:] > customer[:-1]) | (step & (at[1:] >= at[:-1]))).all()):
        return start, None
    return start, np.lexsort((at, customer))


def _check_range(name: str, codes: npt.NDArray[np.integer], low: int, high: int) -> None:
    """Raise ValueError for codes outside low … high − 1."""
    if len(codes) and not (codes.min() >= low and codes.max() < high):
        raise ValueError(f"{name} must be from {low} to {high - 1}, got {codes.min()} to {codes.max()}")
