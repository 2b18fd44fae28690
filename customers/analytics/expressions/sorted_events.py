"""The events of each person in order of time, as arrays, from which sessions and paths are computed.

The engine reads and filters; one number per event holds its time and what is known about it. Sorting two arrays of integers takes
a fraction of the time of a window function, which has to carry all columns along.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.periods import SECOND
from customers.analytics.expressions.tables import AnalyticsTables

type Integers = npt.NDArray[np.int64]
type Codes = npt.NDArray[np.int16]
type Flags = npt.NDArray[np.bool_]

# more events are read in parts, each with all events of its people: about 0.6 GB of memory
PART_EVENTS = 12_000_000
# a longer pause begins a new session; midnight does not, because only the pause counts
GAP_MINUTES = 30
MAX_BITS = 63


@dataclass(frozen=True)
class SortedEvents:
    """Events by person, then by time, then by code.

    Attributes:
        customer: (events,) IDs. at: (events,) microseconds since the first moment of the days; negative for events before them.
        code: (events,) what the question knows of an event. length: of the days, in microseconds.
    """

    customer: Integers
    at: Integers
    code: Codes
    length: int

    def find_session_starts(self, gap_minutes: int) -> Flags:
        """Return whether each event begins a session; two events exactly the gap apart are in one session."""
        is_first = mark_changes(self.customer)
        is_first[1:] |= np.diff(self.at) > gap_minutes * 60 * SECOND
        return is_first

    def select(self, chosen: Flags) -> "SortedEvents":
        """Return only the chosen events."""
        return SortedEvents(self.customer[chosen], self.at[chosen], self.code[chosen], self.length)

    def number_sessions(self, gap_minutes: int) -> Integers:
        """Return the number of the session of each event, from 0; -1 for those of sessions that do not begin within the days."""
        is_start = self.find_session_starts(gap_minutes)
        started_at = self.at[is_start]
        is_inside = (started_at >= 0) & (started_at < self.length)
        number = np.where(is_inside, np.cumsum(is_inside) - 1, -1)
        return number[np.cumsum(is_start) - 1]


def number_visits(events: SortedEvents, is_order: Flags, gap_minutes: int) -> Integers:
    """Return the number of the session of each event, from 0; -1 for orders without a session, and for sessions outside the days.

    Only events make sessions: most orders of many shops are placed elsewhere. An order belongs to a session if it is placed between its
    beginning and the gap after its last event, which is the case if the person's event before it is at most the gap away. Of rows
    with the same time, orders come last.
    """
    if not is_order.any():
        return events.number_sessions(gap_minutes)
    visits = np.flatnonzero(~is_order)
    if not len(visits):
        return np.full(len(is_order), -1)
    before = np.maximum(np.cumsum(~is_order) - 1, 0)
    number = events.select(~is_order).number_sessions(gap_minutes)[before]
    pause = events.at - events.at[visits[before]]
    belongs = (events.customer == events.customer[visits[before]]) & (pause >= 0) & (pause <= gap_minutes * 60 * SECOND)
    return np.where(belongs, number, -1)


def read_sorted_events(
    tables: AnalyticsTables, days: DateRange, events: ir.Table, *, bits: int
) -> Iterator[SortedEvents]:
    """Yield the events, all of a person in the same part.

    Args:
        events: with customer_id, at and code. bits: the bits of the largest code, at most 14, because ten years of microseconds take 49.
    """
    low, high = tables.get_bounds(days)
    rows = events.select("customer_id", key=(events["at"] - low) * (1 << bits) + events.code)
    parts = count_parts(tables, days)
    if parts == 1:
        yield sort_events(tables, rows, bits, high - low)
        return
    with tables.materialize(rows) as stored:
        for part in range(parts):
            yield sort_events(tables, stored.filter(stored.customer_id % parts == part), bits, high - low)


def count_parts(tables: AnalyticsTables, days: DateRange) -> int:
    """Return in how many parts the events of the days are read."""
    count = tables.fetch(tables.events.agg(count=tables.events.count()))[0]["count"]  # from the footers of the files
    if count > PART_EVENTS:
        events = tables.select_events(days)
        count = tables.fetch(events.agg(count=events.count()))[0]["count"]
    return -(-count // PART_EVENTS) or 1


def sort_events(tables: AnalyticsTables, rows: ir.Table, bits: int, length: int) -> SortedEvents:
    """Return the rows (customer_id, key) in order."""
    fetched = tables.backend.to_pyarrow(rows)
    customer, key = (fetched[name].to_numpy() for name in ("customer_id", "key"))
    del fetched
    customer, key = sort_by_customer(customer, key)
    code = (key & ((1 << bits) - 1)).astype(np.int16)
    key >>= bits
    return SortedEvents(customer, key, code, length)


def sort_by_customer(customer: Integers, key: Integers) -> tuple[Integers, Integers]:
    """Return both arrays sorted by customer, then by key.

    After sorting by key, the person and the position of an event fit into one number, which is sorted faster than two columns.
    """
    if not len(customer):
        return customer, key.copy()
    order = np.argsort(key)
    key, customer = key[order], customer[order]
    low, position_bits = int(customer.min()), len(customer).bit_length()
    if (int(customer.max()) - low).bit_length() + position_bits > MAX_BITS:
        order = np.argsort(customer, kind="stable")
        return customer[order], key[order]
    packed = (customer - low) << position_bits
    packed |= np.arange(len(packed))
    packed.sort()
    key = key[packed & ((1 << position_bits) - 1)]
    packed >>= position_bits
    packed += low
    return packed, key


def mark_changes(values: npt.NDArray[np.signedinteger[Any]]) -> Flags:
    """Return whether each value differs from the one before; always true for the first one."""
    changes = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def make_people(customers: Sequence[Integers]) -> ir.Table:
    """Return a table with the customer_id of these people, each once."""
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *customers]))
    return ibis.memtable(pa.table({"customer_id": pa.array(ids)}))
