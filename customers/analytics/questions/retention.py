"""Retention: how many of the people who started in a period come back in each later period, and what they spend.

Cohorts: first_time (the period of the first start event in all data), each_time (everyone who starts in a period, so a person can be
in several cohorts) or first_order (the period of the first order). “On” counts the people of a cohort who return in exactly one
period, “on or after” those who return in it or later, up to the last period of the question, so that older cohorts do not have more time.
A cell whose period had not ended yet is incomplete, for “on or after” one whose cohort has not been followed for all periods; means leave
incomplete cells out.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch, build_match
from customers.analytics.expressions.parameters import DateRange, require_between, require_one_of
from customers.analytics.expressions.periods import (
    PeriodUnit,
    build_day,
    build_period,
    get_period_start,
    is_complete,
    number_period,
    to_instant,
)
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables

MAX_PERIODS = 60
COHORTS = ("first_time", "each_time", "first_order")


@dataclass(frozen=True, kw_only=True)
class RetentionParameters(DateRange):
    """What retention counts.

    Attributes:
        start: what puts a person into a cohort; not used for first_order. returning: what counts as coming back.
        interval: day, week or month; the first cohort is the period in which ``since`` lies. periods: their number after the first.
    """

    start: EventMatch = field(default_factory=EventMatch)
    returning: EventMatch = field(default_factory=EventMatch)
    cohort: str = "first_time"
    interval: PeriodUnit = PeriodUnit.WEEK
    periods: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("cohort", self.cohort, COHORTS)
        require_one_of("interval", self.interval, (PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH))
        require_between("periods", self.periods, 1, MAX_PERIODS)


@dataclass(frozen=True, kw_only=True)
class RetentionCell:
    """One cohort in one period.

    Attributes:
        offset: the number of periods since the start. people: who return in it; people_or_after: in it or later, until
            the last period of the question. revenue: of their orders in it. is_complete: whether the period has ended.
        is_complete_or_after: whether the last period of the question has ended; until then, people_or_after can grow.
    """

    offset: int
    people: int
    share: float | None
    people_or_after: int
    share_or_after: float | None
    revenue: float
    is_complete: bool
    is_complete_or_after: bool = False  # results that were stored before this was known lack it


@dataclass(frozen=True, kw_only=True)
class RetentionCohort:
    """The people who started in one period, and their cells; periods that have not begun are left out."""

    start: date
    people: int
    cells: tuple[RetentionCell, ...]


@dataclass(frozen=True, kw_only=True)
class RetentionMean:
    """All cohorts whose period with this offset is complete, weighted by their people; None without any.

    Attributes:
        share_or_after: only of cohorts that have been followed for all periods.
    """

    offset: int
    cohorts: int
    people: int
    share: float | None
    share_or_after: float | None
    revenue_per_person: float | None


@dataclass(frozen=True, kw_only=True)
class RetentionResult:
    """The cohorts by start, and their means by offset. people: everyone who started; with each_time, a person can be in several cohorts."""

    as_of: datetime
    people: int
    cohorts: tuple[RetentionCohort, ...]
    means: tuple[RetentionMean, ...]


@dataclass(frozen=True, kw_only=True)
class _WholePeriods(DateRange):
    """The days of a question from the first day of its first period; with it they may be more than a question can have."""

    def __post_init__(self) -> None:
        """Check nothing: the days of the question have been checked."""


def _include_first_period(parameters: RetentionParameters) -> DateRange:
    """Return the days whose events and sales count: cohorts are of whole periods, also the one in which ``since`` lies."""
    first = get_period_start(number_period(parameters.since, parameters.interval), parameters.interval)
    return _WholePeriods(since=first, until=parameters.until, segment=parameters.segment)


def build_activity(tables: AnalyticsTables, parameters: RetentionParameters) -> ir.Table:
    """Return customer_id, period, is_start and is_return: one row for each person and period with such an event."""
    start, returning = parameters.start, parameters.returning
    if parameters.cohort == "first_order":
        start = EventMatch(name=ORDER_EVENT)
    # the first event of a person may lie before the days of the question
    days = _include_first_period(parameters) if parameters.cohort == "each_time" else None
    events = tables.select_events(days, start, returning, segment=parameters.segment)
    events = events.filter(events["at"] < tables.get_bounds(parameters)[1])
    day = build_day(events["at"], tables.zone, parameters.since, parameters.until)
    rows = events.select(
        "customer_id",
        period=build_period(day, parameters.interval),
        is_start=build_match(events, start, tables.engine).cast("int8"),
        is_return=build_match(events, returning, tables.engine).cast("int8"),
    )
    return rows.group_by("customer_id", "period").agg(is_start=rows.is_start.max(), is_return=rows.is_return.max())


def build_returning_people(tables: AnalyticsTables, parameters: RetentionParameters) -> ir.Table:
    """Return customer_id, cohort and offset: the period in which a person starts (offset NULL), and those of each return."""
    return _pair_periods(build_activity(tables, parameters), parameters)


def _pair_periods(activity: ir.Table, parameters: RetentionParameters) -> ir.Table:
    first = number_period(parameters.since, parameters.interval)
    if parameters.cohort == "each_time":
        starts = activity.filter(activity.is_start == 1).select("customer_id", cohort="period")
        returns = activity.filter(activity.is_return == 1).select("customer_id", "period")
        pairs = starts.inner_join(returns, "customer_id").select("customer_id", "cohort", "period")
    else:
        start = ibis.ifelse(activity.is_start == 1, activity.period, None)
        pairs = activity.mutate(cohort=start.min().over(ibis.window(group_by=activity.customer_id)))
        starts = pairs.filter(pairs.cohort == pairs.period).select("customer_id", "cohort")
        pairs = pairs.filter(pairs.is_return == 1)
    pairs = pairs.filter((pairs.cohort >= first) & (pairs.period >= pairs.cohort))
    returns = pairs.select("customer_id", "cohort", offset=(pairs.period - pairs.cohort).cast("int64"))
    started = starts.filter(starts.cohort >= first).mutate(offset=ibis.null("int64"))
    return started.select("customer_id", "cohort", "offset").union(returns)


def run_retention(tables: AnalyticsTables, parameters: RetentionParameters) -> RetentionResult:
    """Count who comes back by cohort and period, and their revenue."""
    with tables.materialize(build_returning_people(tables, parameters)) as people:
        counts = tables.fetch(people.group_by("cohort", "offset").agg(people=people.count()))
        followed = people.filter(people.offset <= parameters.periods)
        latest = followed.group_by("customer_id", "cohort").agg(offset=followed.offset.max())
        latest = tables.fetch(latest.group_by("cohort", "offset").agg(people=latest.count()))
        revenue = tables.fetch(_build_revenue(people, tables, parameters))
        [total] = tables.fetch(people.agg(people=people.customer_id.nunique(where=people.offset.isnull())))
    sizes = {row["cohort"]: row["people"] for row in counts if row["offset"] is None}
    grid = _Grid(sizes, parameters)
    cohorts = _build_cohorts(
        grid.fill(counts, "people"),
        grid.fill(latest, "people", is_cumulative=True),
        grid.fill(revenue, "revenue"),
        sizes,
        tables,
        parameters,
    )
    return RetentionResult(
        as_of=tables.as_of, people=total["people"], cohorts=cohorts, means=_average_cohorts(cohorts, parameters)
    )


def _build_revenue(people: ir.Table, tables: AnalyticsTables, parameters: RetentionParameters) -> ir.Table:
    """Return the revenue of each cohort and offset."""
    sales = tables.select_sales(_include_first_period(parameters))
    day = build_day(sales["at"], tables.zone, parameters.since, parameters.until)
    sales = sales.mutate(period=build_period(day, parameters.interval))
    by_person = sales.group_by("customer_id", "period").agg(revenue=sales.total.sum())
    starts = people.filter(people.offset.isnull()).select("customer_id", "cohort")
    joined = starts.inner_join(by_person, "customer_id")
    joined = joined.filter(joined.period >= joined.cohort).mutate(offset=ibis._.period - ibis._.cohort)
    return joined.group_by("cohort", "offset").agg(revenue=joined.revenue.sum())


class _Grid:
    """Turns rows of cohort, offset and value into an array (cohorts, offsets)."""

    def __init__(self, sizes: dict[int, int], parameters: RetentionParameters) -> None:
        self.position = {cohort: position for position, cohort in enumerate(sorted(sizes))}
        self.last = parameters.periods

    def fill(self, rows: list[dict[str, Any]], name: str, *, is_cumulative: bool = False) -> npt.NDArray[np.float64]:
        """Return the values; cumulative ones count those of later offsets too."""
        values = np.zeros((len(self.position), self.last + 1))
        for row in rows:
            if row["offset"] is not None and row["offset"] <= self.last and row["cohort"] in self.position:
                values[self.position[row["cohort"]], row["offset"]] += row[name]
        return values[:, ::-1].cumsum(axis=1)[:, ::-1] if is_cumulative else values


def _build_cohorts(
    people: npt.NDArray[np.float64],
    people_or_after: npt.NDArray[np.float64],
    revenue: npt.NDArray[np.float64],
    sizes: dict[int, int],
    tables: AnalyticsTables,
    parameters: RetentionParameters,
) -> tuple[RetentionCohort, ...]:
    known_until = tables.get_bounds(parameters)[1]

    def has_ended(number: int) -> bool:
        return is_complete(number, parameters.interval, until=parameters.until, as_of=tables.as_of, zone=tables.zone)

    cohorts = []
    for row, (cohort, size) in enumerate(sorted(sizes.items())):
        cells = []
        for offset in range(parameters.periods + 1):
            number = cohort + offset
            if to_instant(get_period_start(number, parameters.interval), tables.zone) >= known_until:
                break
            cells.append(
                RetentionCell(
                    offset=offset,
                    people=int(people[row, offset]),
                    share=divide(people[row, offset], size),
                    people_or_after=int(people_or_after[row, offset]),
                    share_or_after=divide(people_or_after[row, offset], size),
                    revenue=float(revenue[row, offset]),
                    is_complete=has_ended(number),
                    is_complete_or_after=has_ended(cohort + parameters.periods),
                )
            )
        start = get_period_start(cohort, parameters.interval)
        cohorts.append(RetentionCohort(start=start, people=size, cells=tuple(cells)))
    return tuple(cohorts)


def _average_cohorts(
    cohorts: tuple[RetentionCohort, ...], parameters: RetentionParameters
) -> tuple[RetentionMean, ...]:
    means = []
    for offset in range(parameters.periods + 1):
        cells = [
            (cohort.people, cohort.cells[offset])
            for cohort in cohorts
            if offset < len(cohort.cells) and cohort.cells[offset].is_complete
        ]
        people = sum(size for size, _ in cells)
        followed = [(size, cell.people_or_after) for size, cell in cells if cell.is_complete_or_after]
        means.append(
            RetentionMean(
                offset=offset,
                cohorts=len(cells),
                people=people,
                share=divide(sum(cell.people for _, cell in cells), people),
                share_or_after=divide(sum(later for _, later in followed), sum(size for size, _ in followed)),
                revenue_per_person=divide(sum(cell.revenue for _, cell in cells), people),
            )
        )
    return tuple(means)


@dataclass(frozen=True, kw_only=True)
class RetentionSelection:
    """A cohort, or one of its cells.

    Attributes:
        cohort: a day of the period in which its people start. offset: of the cell; None for the whole cohort.
        is_or_after: those who return in the period or later, until the last one of the question. is_lost: the others of the cohort instead.
    """

    cohort: date
    offset: int | None = None
    is_or_after: bool = False
    is_lost: bool = False


def select_retention_people(
    tables: AnalyticsTables, parameters: RetentionParameters, selection: RetentionSelection
) -> ir.Table:
    """Return the customer_id of the people of a cohort or cell. Raises ParameterError: there is no such cell."""
    number, offset = number_period(selection.cohort, parameters.interval), selection.offset
    people = build_returning_people(tables, parameters)
    people = people.filter(people.cohort == number)
    everyone = people.filter(people.offset.isnull()).select("customer_id")
    if offset is None:
        return everyone
    require_between("offset", offset, 0, parameters.periods)
    last = parameters.periods if selection.is_or_after else offset
    is_returning = (people.offset >= offset) & (people.offset <= last)
    returning = people.filter(is_returning).select("customer_id").distinct()
    return everyone.anti_join(returning, "customer_id") if selection.is_lost else returning
