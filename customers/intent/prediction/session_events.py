"""The events of people as arrays, and the sessions that they form."""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

from config.foundation.array_types import AnyInts, Flags, Floats, Ints

SECOND = 1_000_000
# the pause after which the next event begins a new session; two events exactly this far apart are in one
GAP_SECONDS = 30 * 60
GAP = GAP_SECONDS * SECOND
UNKNOWN = -1


class EventKind(IntEnum):
    """What an event means for a session."""

    VIEW = 0
    LIST_VIEW = 1
    SEARCH = 2
    CART = 3
    CART_REMOVAL = 4
    WISHLIST = 5
    CART_VIEW = 6
    CHECKOUT = 7
    PURCHASE = 8
    CLICK = 9
    OTHER = 10


class Device(IntEnum):
    """The type of a device."""

    UNKNOWN = 0
    DESKTOP = 1
    MOBILE = 2


@dataclass(frozen=True, eq=False)
class SessionEvents:
    """Events in the order of person, time and ID; arrays of shape (n,).

    Attributes:
        person: row number of the person, ascending. at: microseconds since 1970, ascending for each person.
        kind: of `EventKind`. product, category: numbers, -1 if unknown. device: of `Device`. hour: local hour of the day, 0 … 24.
        is_weekend: in the time zone of the shop.
    """

    person: Ints
    at: Ints
    kind: AnyInts
    product: AnyInts
    category: AnyInts
    device: AnyInts
    hour: Floats
    is_weekend: Flags

    def __len__(self) -> int:
        return len(self.at)

    def select(self, rows: Ints | Flags) -> "SessionEvents":
        """Return some of the events, in the same order."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    @cached_property
    def sessions(self) -> "Sessions":
        """The sessions of the events."""
        return find_sessions(self.person, self.at)


@dataclass(frozen=True, eq=False)
class Sessions:
    """Runs of events of a person without a longer pause than the gap.

    Attributes:
        of_event: (n,), row number of each event's session. first, last: (m,), rows of the first and last event of each session.
    """

    of_event: Ints
    first: Ints
    last: Ints

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def position(self) -> Ints:
        """The position of each event in its session, from 0; shape (n,)."""
        return np.arange(len(self.of_event)) - self.first[self.of_event]


@dataclass(frozen=True, eq=False)
class Orderings:
    """The moments at which people ordered, in the order of person and time; shape (k,)."""

    person: Ints
    at: Ints

    @classmethod
    def sort(cls, person: Ints, at: Ints) -> "Orderings":
        """Return the moments in order."""
        order = np.lexsort((at, person))
        return cls(person[order], at[order])

    def count_until(self, person: Ints, until: Ints, *, inclusive: bool) -> Ints:
        """Return how many orders each person had placed before a moment; ``inclusive`` also counts those at the moment; shapes (q,)."""
        n, q = len(self.at), len(until)
        # at equal moments, the requested one sorts before the orders unless orders at the moment itself count
        rank = np.concatenate((np.ones(n, np.int8), np.full(q, 2 if inclusive else 0, np.int8)))
        people, moments = np.concatenate((self.person, person)), np.concatenate((self.at, until))
        order = np.lexsort((rank, moments, people))
        is_ordering = order < n
        before = np.empty(n + q, np.int64)
        before[order] = np.cumsum(is_ordering)
        start = np.searchsorted(self.person, person)  # the number of orders of all people before
        return before[n:] - start


def find_sessions(person: Ints, at: Ints) -> Sessions:
    """Return the sessions of events in the order of person and time."""
    n = len(at)
    is_first = np.ones(n, np.bool_)
    is_first[1:] = (person[1:] != person[:-1]) | (at[1:] - at[:-1] > GAP)
    first = np.flatnonzero(is_first)
    return Sessions(np.cumsum(is_first) - 1, first, np.append(first[1:], n) - 1 if n else first)


def merge_orderings(events: SessionEvents, orders: Orderings) -> Orderings:
    """Return orders together with purchase events. Most purchases are in both, so use only whether there are any, not their number."""
    rows = np.flatnonzero(events.kind == EventKind.PURCHASE)
    return Orderings.sort(
        np.concatenate((orders.person, events.person[rows])), np.concatenate((orders.at, events.at[rows]))
    )
