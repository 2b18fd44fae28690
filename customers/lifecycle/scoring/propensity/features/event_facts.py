"""What propensities are learnt from: orders and visits as plain arrays, sorted by customer and moment."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints

type Matrix = npt.NDArray[np.float32]

DAY = 86_400_000_000  # microseconds
UNKNOWN = -1  # a category or session that is not known


@dataclass(frozen=True, eq=False)
class Orders:
    """The order lines of n customers: customer i has the lines start[i] to start[i + 1], by moment. Lines of one customer and one
    moment are one order; a line that is a return is none.

    start: (n + 1,). at: (m,), microseconds. value: (m,), 0 or more, what was paid, or for a return given back. is_return: (m,).
    units, discount: (m,) or None where the shop doesn't know them; discount is what was taken off the price.
    category: (m,), below n_categories, `UNKNOWN` where a line has none; or None.
    """

    start: Ints
    at: Ints
    value: Floats
    is_return: Flags
    units: Floats | None = None
    discount: Floats | None = None
    category: Ints | None = None
    n_categories: int = 0

    @property
    def n_customers(self) -> int:
        return len(self.start) - 1

    def customer(self) -> Ints:
        """The customer of each line, shape (m,)."""
        return np.repeat(np.arange(self.n_customers), np.diff(self.start))

    def taken(self, rows: Ints) -> "Orders":
        """The lines of the customers `rows`, who become customers 0 to len(rows) − 1."""
        lines = np.diff(self.start)[rows]
        start = np.concatenate(([0], np.cumsum(lines))).astype(np.int64)
        chosen = np.arange(start[-1]) + np.repeat(self.start[rows] - start[:-1], lines)
        columns = {
            name: None if column is None else column[chosen]
            for name, column in (("units", self.units), ("discount", self.discount), ("category", self.category))
        }
        return Orders(
            start,
            self.at[chosen],
            self.value[chosen],
            self.is_return[chosen],
            n_categories=self.n_categories,
            **columns,
        )


@dataclass(frozen=True, eq=False)
class Visits:
    """The events of n customers, laid out as `Orders`. kind: (m,), below len(kinds). session: (m,), any number, `UNKNOWN` for an
    event that belongs to none. kinds: their names, which become names of columns."""

    start: Ints
    at: Ints
    kind: Ints
    session: Ints
    kinds: tuple[str, ...]


def collect_orders(
    *,
    n_customers: int,
    customer: npt.NDArray[np.integer],
    at: Ints,
    value: npt.NDArray[Any],
    is_return: Flags | None = None,
    units: npt.NDArray[Any] | None = None,
    discount: npt.NDArray[Any] | None = None,
    category: npt.NDArray[np.integer] | None = None,
    n_categories: int = 0,
) -> Orders:
    """Lines in any order; each array has shape (m,). customer: rows 0 to n_customers − 1. Values below 0 make a line a return.

    Errors: ValueError for arrays of different length, customers or categories out of range, and values that are not finite.
    """
    columns = {"at": at, "value": value, "is_return": is_return, "units": units, "discount": discount}
    for name, column in {**columns, "category": category}.items():
        if column is not None and column.shape != customer.shape:
            raise ValueError(f"{name} has shape {column.shape} and customer {customer.shape}; give one entry a line")
    for name in ("value", "units", "discount"):
        column = columns[name]
        if column is not None and not np.isfinite(column).all():
            raise ValueError(f"{name} holds a number that is not finite; leave such lines out")
    _check_range("customer", customer, 0, n_customers)
    if category is not None:
        _check_range("category", category, UNKNOWN, n_categories)
    start, order = _laid_out(customer, at, n_customers)

    def sorted_as[T: np.generic](column: npt.NDArray[Any], kind: type[T]) -> npt.NDArray[T]:
        return np.ascontiguousarray(column if order is None else column[order], dtype=kind)

    paid = sorted_as(value, np.float64)
    returned = paid < 0 if is_return is None else sorted_as(is_return, np.bool_) | (paid < 0)
    return Orders(
        start=start,
        at=sorted_as(at, np.int64),
        value=np.abs(paid),
        is_return=returned,
        units=None if units is None else np.abs(sorted_as(units, np.float64)),
        discount=None if discount is None else np.maximum(sorted_as(discount, np.float64), 0.0),
        category=None if category is None else sorted_as(category, np.int64),
        n_categories=n_categories,
    )


def collect_visits(
    *,
    n_customers: int,
    customer: npt.NDArray[np.integer],
    at: Ints,
    kind: npt.NDArray[np.integer],
    kinds: tuple[str, ...],
    session: npt.NDArray[np.integer] | None = None,
) -> Visits:
    """Events in any order; each array has shape (m,). Errors: ValueError as for `collect_orders`."""
    session = np.full(len(customer), UNKNOWN) if session is None else session
    for name, column in {"at": at, "kind": kind, "session": session}.items():
        if column.shape != customer.shape:
            raise ValueError(f"{name} has shape {column.shape} and customer {customer.shape}; give one entry an event")
    _check_range("customer", customer, 0, n_customers)
    _check_range("kind", kind, 0, len(kinds))
    start, order = _laid_out(customer, at, n_customers)
    columns = (column if order is None else column[order] for column in (at, kind, session))
    moment, code, visit = (np.ascontiguousarray(column, dtype=np.int64) for column in columns)
    return Visits(start=start, at=moment, kind=code, session=visit, kinds=kinds)


def _laid_out(customer: npt.NDArray[np.integer], at: Ints, n_customers: int) -> tuple[Ints, Ints | None]:
    """Where each customer's lines start, and the order that sorts them; None where they are sorted."""
    start = np.concatenate(([0], np.cumsum(np.bincount(customer, minlength=n_customers)))).astype(np.int64)
    step = customer[1:] == customer[:-1]
    if not len(customer) or bool(((customer[1:] > customer[:-1]) | (step & (at[1:] >= at[:-1]))).all()):
        return start, None
    return start, np.lexsort((at, customer))


def _check_range(name: str, codes: npt.NDArray[np.integer], low: int, high: int) -> None:
    if len(codes) and not (codes.min() >= low and codes.max() < high):
        raise ValueError(f"{name} must be from {low} to {high - 1}, got {codes.min()} to {codes.max()}")
