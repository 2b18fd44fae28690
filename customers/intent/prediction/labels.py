"""Selects the events at which models are trained and evaluated, and labels them with what happened after them in the session."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import AnyInts, Flags, Ints
from customers.intent.prediction.session_events import GAP, UNKNOWN, Orderings, SessionEvents, merge_orderings

# several cuts of a session: all of its first events, fewer of the later ones, so that long sessions do not outweigh the others
CUT_POSITIONS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)


@dataclass(frozen=True, eq=False)
class SessionCuts:
    """Events at which a session is cut, and what happened after them; arrays of shape (q,).

    Attributes:
        rows: of the events. session: row number of the session. started_at: its start in microseconds.
        orders: whether the visitor orders later in this session. has_ordered: whether they ordered before the cut, so that there is nothing
            to predict. leaves: whether there is no further event in this session. pause: microseconds until the next event, 0 without one.
        order_delay: microseconds until the next order of this session, 0 without one.
    """

    rows: Ints
    session: Ints
    started_at: Ints
    orders: Flags
    has_ordered: Flags
    leaves: Flags
    pause: Ints
    order_delay: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: Ints | Flags) -> "SessionCuts":
        """Return some of the cuts."""
        return SessionCuts(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def cut_sessions(events: SessionEvents, orders: Orderings, *, until: int) -> SessionCuts:
    """Return the cuts of all sessions that have ended: their last event is longer ago than the gap.

    until: microseconds up to which everything is known.
    """
    sessions = events.sessions
    ended_at = events.at[sessions.last] if len(events) else np.zeros(0, np.int64)
    is_cut = np.isin(sessions.position + 1, CUT_POSITIONS) & (ended_at[sessions.of_event] + GAP < until)
    rows = np.flatnonzero(is_cut)
    session = sessions.of_event[rows]
    person, start, last = events.person[rows], sessions.first[session], sessions.last[session]
    orderings = merge_orderings(events, orders)
    so_far = orderings.count_until(person, events.at[rows], inclusive=True)
    leaves = rows == last
    # an order without an event on the shop's page belongs to the session if it is placed before the gap after the last event is over
    is_ordering = orderings.count_until(person, events.at[last] + GAP, inclusive=True) > so_far
    next_order = (np.searchsorted(orderings.person, person) + so_far)[is_ordering]
    order_delay = np.zeros(len(rows), np.int64)
    order_delay[is_ordering] = orderings.at[next_order] - events.at[rows][is_ordering]
    return SessionCuts(
        rows=rows,
        session=session,
        started_at=events.at[start],
        orders=is_ordering,
        has_ordered=so_far > orderings.count_until(person, events.at[start], inclusive=False),
        leaves=leaves,
        pause=np.where(leaves, 0, events.at[np.minimum(rows + 1, last)] - events.at[rows]),
        order_delay=order_delay,
    )


@dataclass(frozen=True, eq=False)
class CategorySteps:
    """Events with a known category; the next such event of the session is what is predicted. Arrays of shape (s,).

    Attributes:
        session, category, kind: of each event, in order; sessions are consecutive. started_at: of the session, in microseconds.
    """

    session: Ints
    category: Ints
    started_at: Ints
    kind: AnyInts


def list_category_steps(events: SessionEvents) -> CategorySteps:
    """Return the events with a known category."""
    rows = np.flatnonzero(events.category != UNKNOWN)
    sessions = events.sessions
    session = sessions.of_event[rows]
    return CategorySteps(
        session, events.category[rows].astype(np.int64), events.at[sessions.first[session]], events.kind[rows]
    )
