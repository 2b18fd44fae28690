"""Sessions: how many there are, how long they last and how they end. A pause of 30 minutes begins a new one; midnight does not."""

from dataclasses import dataclass
from datetime import date, datetime

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.engines import SECOND
from customers.analytics.expressions.matching import EventMatch, build_match
from customers.analytics.expressions.parameters import DateRange, require_between
from customers.analytics.expressions.periods import PeriodUnit, build_day, get_period_start
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.session_numbers import GAP_MINUTES
from customers.analytics.expressions.tables import AnalyticsTables


@dataclass(frozen=True, kw_only=True)
class SessionParameters(DateRange):
    """Which sessions are counted.

    Attributes:
        goal: sessions with such an event are conversions; without one, none are counted.
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


def build_sessions(tables: AnalyticsTables, parameters: SessionParameters) -> ir.Table:
    """Return the sessions: customer_id, started_at, seconds, events and is_converted.

    A session is a run of events between two pauses. Numbering all events and, in the same window, looking at the neighbors finds
    the first and the last event of each; only these are looked at again.
    """
    matches = (EventMatch(), parameters.goal) if parameters.goal else (EventMatch(),)
    events = tables.select_events(parameters, *matches)
    goal = build_match(events, parameters.goal, tables.engine) if parameters.goal else ibis.literal(False)
    events = events.select("customer_id", "at", "id", goal=goal.cast("int8"))
    window = ibis.window(group_by=events.customer_id, order_by=[events["at"], events.id])
    until_now = ibis.window(group_by=events.customer_id, order_by=[events["at"], events.id], rows=(None, 0))
    columns = {
        "number": ibis.row_number().over(window),
        "previous_at": events["at"].lag().over(window),
        "next_at": events["at"].lead().over(window),
    }
    if parameters.goal:
        columns["goals"] = events.goal.sum().over(until_now)
    rows = events.mutate(**columns)
    gap = parameters.gap_minutes * 60 * SECOND
    is_first = ibis.coalesce(rows["at"] - rows.previous_at > gap, True)
    is_last = ibis.coalesce(rows.next_at - rows["at"] > gap, True)
    rows = rows.mutate(is_first=is_first, is_last=is_last).filter(ibis._.is_first | ibis._.is_last)
    # what is left are first and last events in turn: the row after a first event is the last one of its session
    window = ibis.window(group_by=rows.customer_id, order_by=rows.number)
    following = {"end_at": rows["at"].lead().over(window), "end_number": rows.number.lead().over(window)}
    if parameters.goal:
        following["end_goals"] = rows.goals.lead().over(window)
    rows = rows.mutate(**following).filter(ibis._.is_first)
    end_at = ibis.ifelse(rows.is_last, rows["at"], rows.end_at)
    end_number = ibis.ifelse(rows.is_last, rows.number, rows.end_number)
    converted = ibis.literal(False)
    if parameters.goal:
        converted = ibis.ifelse(rows.is_last, rows.goals, rows.end_goals) - rows.goals + rows.goal > 0
    return rows.select(
        "customer_id",
        started_at=rows["at"],
        seconds=(end_at - rows["at"]) / SECOND,
        events=end_number - rows.number + 1,
        is_converted=converted.cast("int64"),
    )


def run_sessions(tables: AnalyticsTables, parameters: SessionParameters) -> SessionResult:
    """Count the sessions, in total and by the day on which they began."""
    with tables.materialize(build_sessions(tables, parameters)) as sessions:
        people = tables.engine.count_distinct(sessions.customer_id)
        total = tables.fetch(
            sessions.agg(
                sessions=sessions.count(),
                people=people,
                events=sessions.events.sum(),
                bounces=(sessions.events == 1).cast("int64").sum(),
                mean=sessions.seconds.mean(),
                median=tables.engine.quantile(sessions.seconds, 0.5),
                conversions=sessions.is_converted.sum(),
            )
        )[0]
        day = build_day(sessions.started_at, tables.zone, parameters.since, parameters.until)
        dated = sessions.mutate(day=day)
        days = dated.group_by("day").agg(
            sessions=dated.count(),
            people=tables.engine.count_distinct(dated.customer_id),
            conversions=dated.is_converted.sum(),
        )
        rows = tables.fetch(days.order_by("day"))
    count = total["sessions"]
    return SessionResult(
        as_of=tables.as_of,
        sessions=count,
        people=total["people"],
        events_per_session=divide(total["events"] or 0, count),
        bounces=total["bounces"] or 0,
        bounce_rate=divide(total["bounces"] or 0, count),
        mean_seconds=total["mean"],
        median_seconds=total["median"],
        conversions=total["conversions"] or 0,
        conversion=divide(total["conversions"] or 0, count) if parameters.goal else None,
        days=tuple(
            SessionDay(
                day=get_period_start(row["day"], PeriodUnit.DAY),
                sessions=row["sessions"],
                people=row["people"],
                conversions=row["conversions"],
            )
            for row in rows
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
    sessions = build_sessions(tables, parameters)
    if selection.day is not None:
        day = build_day(sessions.started_at, tables.zone, parameters.since, parameters.until)
        sessions = sessions.filter(day == (selection.day - date(1970, 1, 1)).days)
    if selection.is_converted is not None:
        sessions = sessions.filter(sessions.is_converted == int(selection.is_converted))
    if selection.is_bounce:
        sessions = sessions.filter(sessions.events == 1)
    return sessions.select("customer_id").distinct()
