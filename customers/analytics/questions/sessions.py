"""Sessions: how many there are, how long they last and how they end. A pause of 30 minutes begins a new one; midnight does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from config.foundation.calendars.local_clock import get_local_clock
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch, build_match
from customers.analytics.expressions.parameters import DateRange, require_between
from customers.analytics.expressions.periods import (
    SECOND,
    PeriodUnit,
    get_period_start,
    number_period,
)
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.sorted_events import (
    GAP_MINUTES,
    Flags,
    Integers,
    make_people,
    mark_changes,
    number_visits,
    read_sorted_events,
)
from customers.analytics.expressions.tables import AnalyticsTables


@dataclass(frozen=True, kw_only=True)
class SessionParameters(DateRange):
    """Which sessions are counted.

    Attributes:
        goal: sessions with such an event, or with such an order until ``gap_minutes`` after their last event, are conversions; without
            one, none are counted.
    """

    gap_minutes: int = GAP_MINUTES
    goal: EventMatch | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("gap_minutes", self.gap_minutes, 1, 24 * 60)


@dataclass(frozen=True, kw_only=True)
class SessionDay:
    """The sessions that began on a day."""

    day: date
    sessions: int
    people: int
    conversions: int


@dataclass(frozen=True, kw_only=True)
class SessionResult:
    """All sessions, and those of each day.

    Attributes:
        bounces: sessions of a single event. mean_seconds, median_seconds: from the first to the last event.
    """

    as_of: datetime
    sessions: int
    people: int
    events_per_session: float | None
    bounces: int
    bounce_rate: float | None
    mean_seconds: float | None
    median_seconds: float | None
    conversions: int
    conversion: float | None
    days: tuple[SessionDay, ...]


@dataclass(frozen=True)
class SessionArrays:
    """The sessions of some people, by person and start.

    Attributes: of length (sessions,)
        customer: IDs. day: the number of the local day on which the session began. seconds: from the first to the last event.
        events: their number. is_converted: whether one of them, or an order that belongs to the session, is the goal.
    """

    customer: Integers
    day: Integers
    seconds: npt.NDArray[np.float64]
    events: Integers
    is_converted: Flags


def build_coded_events(tables: AnalyticsTables, parameters: SessionParameters) -> ir.Table:
    """Return customer_id, at and code: the bits is_order and is_goal."""
    events = tables.select_visits(parameters, parameters.gap_minutes, *filter(None, [parameters.goal]))
    goal = build_match(events, parameters.goal, tables.engine) if parameters.goal else ibis.literal(False)
    is_order = events.name == ORDER_EVENT
    return events.select("customer_id", "at", code=is_order.cast("int64") * 2 + goal.cast("int64"))


def read_sessions(tables: AnalyticsTables, parameters: SessionParameters) -> Iterator[SessionArrays]:
    """Yield the sessions, all of a person in the same part."""
    events = build_coded_events(tables, parameters)
    low = tables.get_bounds(parameters)[0]
    for part in read_sorted_events(tables, parameters, events, bits=2):
        is_order, is_goal = part.code >= 2, (part.code & 1).astype(bool)
        session = number_visits(part, is_order, parameters.gap_minutes)
        is_visit = ~is_order & (session >= 0)
        visits = part.select(is_visit)
        starts = np.flatnonzero(mark_changes(session[is_visit]))
        count = np.diff(starts, append=len(visits.at))
        seconds = (visits.at[starts + count - 1] - visits.at[starts]) / SECOND
        day = get_local_clock(tables.zone).count_days(visits.at[starts] + low)
        converted = np.zeros(len(starts), bool)
        converted[session[is_goal & (session >= 0)]] = True
        yield SessionArrays(visits.customer[starts], day, seconds, count, converted)


def run_sessions(tables: AnalyticsTables, parameters: SessionParameters) -> SessionResult:
    """Count the sessions, in total and by the day on which they began."""
    first = number_period(parameters.since, PeriodUnit.DAY)
    last = number_period(parameters.until, PeriodUnit.DAY)
    # a column per day: sessions, people and conversions
    days = np.zeros((3, last - first + 1), np.int64)
    people = events = bounces = 0
    seconds: list[npt.NDArray[np.float64]] = []
    for part in read_sessions(tables, parameters):
        is_new = mark_changes(part.customer)
        people += int(is_new.sum())
        events += int(part.events.sum())
        bounces += int((part.events == 1).sum())
        seconds.append(part.seconds)
        for row, of_row in enumerate(
            (part.day, part.day[is_new | mark_changes(part.day)], part.day[part.is_converted])
        ):
            days[row] += np.bincount(of_row - first, minlength=days.shape[1])
    lengths = np.concatenate(seconds)
    count, conversions = len(lengths), int(days[2].sum())
    # days without sessions are zeros, as in trends, but not days in the future
    today = number_period(tables.as_of.astimezone(tables.zone).date(), PeriodUnit.DAY)
    days = days[:, : max(min(last, today) - first + 1, 0)]
    return SessionResult(
        as_of=tables.as_of,
        sessions=count,
        people=people,
        events_per_session=divide(events, count),
        bounces=bounces,
        bounce_rate=divide(bounces, count),
        mean_seconds=float(lengths.mean()) if count else None,
        median_seconds=float(np.median(lengths)) if count else None,
        conversions=conversions,
        conversion=divide(conversions, count) if parameters.goal else None,
        days=tuple(
            SessionDay(
                day=get_period_start(first + position, PeriodUnit.DAY),
                sessions=sessions,
                people=of_day,
                conversions=converted,
            )
            for position, (sessions, of_day, converted) in enumerate(days.T.tolist())
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SessionSelection:
    """The sessions of a day (None for all), and only those with or without the goal, or with a single event."""

    day: date | None = None
    is_converted: bool | None = None
    is_bounce: bool = False


def select_session_people(
    tables: AnalyticsTables, parameters: SessionParameters, selection: SessionSelection
) -> ir.Table:
    """Return the customer_id of the people with such sessions."""
    customers = []
    for part in read_sessions(tables, parameters):
        selected = np.ones(len(part.customer), bool)
        if selection.day is not None:
            selected &= part.day == number_period(selection.day, PeriodUnit.DAY)
        if selection.is_converted is not None:
            selected &= part.is_converted == selection.is_converted
        if selection.is_bounce:
            selected &= part.events == 1
        customers.append(part.customer[selected])
    return make_people(customers)
