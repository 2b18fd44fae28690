"""Activity: how many people are new, returning, resurrecting or dormant in each period, and how often they are active.

new: the first period with such an event in all data. returning: also active in the period before. resurrecting: active earlier, but not
in the period before. dormant: active in the period before, but not in this one. Stickiness counts the days on which a person is active in
a week or month, and the daily people as a share of those of the last 7 and 30 days (DAU/WAU, DAU/MAU).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

import ibis
import ibis.expr.types as ir
from django.utils.translation import gettext as _

from customers.analytics.expressions.matching import EventMatch
from customers.analytics.expressions.parameters import DateRange, ParameterError, require_between, require_one_of
from customers.analytics.expressions.periods import (
    EPOCH,
    PeriodUnit,
    build_day,
    build_period,
    get_period_start,
    is_complete,
    number_period,
)
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables

STATES = ("new", "returning", "resurrecting", "dormant")
WEEK_DAYS, MONTH_DAYS = 7, 30


@dataclass(frozen=True, kw_only=True)
class ActivityParameters(DateRange):
    """What counts as being active, and by which periods."""

    event: EventMatch = field(default_factory=EventMatch)
    interval: PeriodUnit = PeriodUnit.WEEK

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("interval", self.interval, (PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH))


@dataclass(frozen=True, kw_only=True)
class ActivityPeriod:
    """The people of a period by state; quick_ratio: (new + resurrecting) / dormant."""

    start: date
    new: int
    returning: int
    resurrecting: int
    dormant: int
    quick_ratio: float | None
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class ActivityResult:
    """The periods, oldest first."""

    as_of: datetime
    periods: tuple[ActivityPeriod, ...]


def build_states(tables: AnalyticsTables, parameters: ActivityParameters) -> ir.Table:
    """Return customer_id, period and state: one row for each person and period in which they have a state."""
    low, high = (number_period(day, parameters.interval) for day in (parameters.since, parameters.until))
    # whether someone is new depends on all data
    events = tables.select_events(None, parameters.event, segment=parameters.segment)
    events = events.filter(events["at"] < tables.get_bounds(parameters)[1])
    day = build_day(events["at"], tables.zone, parameters.since, parameters.until)
    active = events.select("customer_id", period=build_period(day, parameters.interval)).distinct()
    window = ibis.window(group_by=active.customer_id, order_by=active.period)
    rows = active.mutate(before=active.period.lag().over(window), after=active.period.lead().over(window))
    state = ibis.cases(
        (rows.before.isnull(), "new"), (rows.before == rows.period - 1, "returning"), else_="resurrecting"
    )
    present = rows.select("customer_id", "period", state=state)
    left = rows.filter(rows.after.isnull() | (rows.after > rows.period + 1))
    absent = left.select("customer_id", period=left.period + 1, state=ibis.literal("dormant"))
    states = present.union(absent)
    return states.filter(states.period.between(low, high))


def run_activity(tables: AnalyticsTables, parameters: ActivityParameters) -> ActivityResult:
    """Count the people of each period and state; periods that have not begun are left out."""
    states = build_states(tables, parameters)
    counts: dict[int, Counter[str]] = {}
    for row in tables.fetch(states.group_by("period", "state").agg(people=states.count())):
        counts.setdefault(row["period"], Counter())[row["state"]] = row["people"]
    last = min(parameters.until, tables.as_of.astimezone(tables.zone).date())
    numbers = range(number_period(parameters.since, parameters.interval), number_period(last, parameters.interval) + 1)
    periods = []
    for number in numbers:
        people = counts.get(number, Counter())
        periods.append(
            ActivityPeriod(
                start=get_period_start(number, parameters.interval),
                **{state: people[state] for state in STATES},
                quick_ratio=divide(people["new"] + people["resurrecting"], people["dormant"]),
                is_complete=is_complete(
                    number, parameters.interval, until=parameters.until, as_of=tables.as_of, zone=tables.zone
                ),
            )
        )
    return ActivityResult(as_of=tables.as_of, periods=tuple(periods))


@dataclass(frozen=True, kw_only=True)
class ActivitySelection:
    """The people of a state in the period in which a day lies."""

    day: date
    state: str

    def __post_init__(self) -> None:
        require_one_of("state", self.state, STATES)


def select_activity_people(
    tables: AnalyticsTables, parameters: ActivityParameters, selection: ActivitySelection
) -> ir.Table:
    """Return the customer_id of the people of a state in a period."""
    states = build_states(tables, parameters)
    number = number_period(selection.day, parameters.interval)
    return states.filter((states.period == number) & (states.state == selection.state)).select("customer_id")


@dataclass(frozen=True, kw_only=True)
class StickinessParameters(DateRange):
    """What counts as being active; interval: week or month, in which active days are counted."""

    event: EventMatch = field(default_factory=EventMatch)
    interval: PeriodUnit = PeriodUnit.WEEK

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("interval", self.interval, (PeriodUnit.WEEK, PeriodUnit.MONTH))


@dataclass(frozen=True, kw_only=True)
class ActiveDays:
    """How many people were active on this many days of a week or month; a person counts once in each such period."""

    days: int
    people: int
    share: float | None


@dataclass(frozen=True, kw_only=True)
class ActiveUsers:
    """The people of a day, of the 7 and of the 30 days up to it."""

    day: date
    daily: int
    weekly: int
    monthly: int
    daily_of_weekly: float | None
    daily_of_monthly: float | None


@dataclass(frozen=True, kw_only=True)
class StickinessResult:
    """The distribution of active days, and the people of each day in comparison with those of the last 7 and 30."""

    as_of: datetime
    distribution: tuple[ActiveDays, ...]
    days: tuple[ActiveUsers, ...]


def build_active_days(tables: AnalyticsTables, parameters: StickinessParameters, *, before: int = 0) -> ir.Table:
    """Return customer_id and day, once each. before: the number of earlier days to include."""
    low, high = tables.get_bounds(parameters)
    events = tables.select_events(None, parameters.event, segment=parameters.segment)
    # one more day, because days are an hour longer or shorter when clocks change
    events = events.filter((events["at"] >= low - (before + 1) * 86_400_000_000) & (events["at"] < high))
    day = build_day(events["at"], tables.zone, parameters.since, parameters.until)
    days = events.select("customer_id", day=day).distinct()
    return days.filter(days.day >= (parameters.since - EPOCH).days - before)


def count_periods_of_days(days: ir.Table, parameters: StickinessParameters) -> ir.Table:
    """Return customer_id, period and active_days."""
    rows = days.mutate(period=build_period(days.day, parameters.interval))
    return rows.group_by("customer_id", "period").agg(active_days=rows.count())


def run_stickiness(tables: AnalyticsTables, parameters: StickinessParameters) -> StickinessResult:
    """Count active days per person and period, and daily, weekly and monthly people."""
    with tables.materialize(build_active_days(tables, parameters, before=MONTH_DAYS - 1)) as days:
        first = (parameters.since - EPOCH).days
        periods = count_periods_of_days(days.filter(days.day >= first), parameters)
        distribution = tables.fetch(periods.group_by("active_days").agg(people=periods.count()))
        window = ibis.window(group_by=days.customer_id, order_by=days.day)
        with_next = days.mutate(next_day=days.day.lead().over(window))
        lengths = {length: _count_changes(with_next, length, tables) for length in (1, WEEK_DAYS, MONTH_DAYS)}
    total = sum(row["people"] for row in distribution)
    people = {row["active_days"]: row["people"] for row in distribution}
    last = min(parameters.until, tables.as_of.astimezone(tables.zone).date())
    counts = {length: _sum_changes(changes, first, (last - EPOCH).days) for length, changes in lengths.items()}
    users = []
    for position in range((last - EPOCH).days - first + 1):
        daily, weekly, monthly = (counts[length][position] for length in (1, WEEK_DAYS, MONTH_DAYS))
        users.append(
            ActiveUsers(
                day=get_period_start(first + position, PeriodUnit.DAY),
                daily=daily,
                weekly=weekly,
                monthly=monthly,
                daily_of_weekly=divide(daily, weekly),
                daily_of_monthly=divide(daily, monthly),
            )
        )
    return StickinessResult(
        as_of=tables.as_of,
        distribution=tuple(
            ActiveDays(days=number, people=people.get(number, 0), share=divide(people.get(number, 0), total))
            for number in range(1, max(people, default=0) + 1)
        ),
        days=tuple(users),
    )


def _count_changes(days: ir.Table, length: int, tables: AnalyticsTables) -> dict[int, int]:
    """Return by how much the number of people active in the last ``length`` days changes on each day.

    An active day counts until the next one of the person, at most ``length`` days, so that nobody is counted twice.
    """
    end = ibis.least(ibis.coalesce(days.next_day, days.day + length), days.day + length)
    starts = days.select(day=days.day, change=ibis.literal(1, "int64"))
    ends = days.select(day=end, change=ibis.literal(-1, "int64"))
    changes = starts.union(ends)
    rows = tables.fetch(changes.group_by("day").agg(change=changes.change.sum()))
    return {row["day"]: row["change"] for row in rows}


def _sum_changes(changes: dict[int, int], first: int, last: int) -> list[int]:
    count = sum(change for day, change in changes.items() if day < first)
    counts = []
    for day in range(first, last + 1):
        count += changes.get(day, 0)
        counts.append(count)
    return counts


@dataclass(frozen=True, kw_only=True)
class StickinessSelection:
    """People by the days on which they were active.

    Attributes:
        active_days: those with so many active days in a period: in the one in which ``day`` lies, or, without a day, in any.
        day, last_days: without ``active_days``, those who were active in the last days up to this one.
    """

    day: date | None = None
    active_days: int | None = None
    last_days: int = 1

    def __post_init__(self) -> None:
        if self.day is None and self.active_days is None:
            raise ParameterError("day", _("choose a day, or a number of active days."))
        require_between("last_days", self.last_days, 1, MONTH_DAYS)


def select_stickiness_people(
    tables: AnalyticsTables, parameters: StickinessParameters, selection: StickinessSelection
) -> ir.Table:
    """Return the customer_id of those people. Raises ParameterError: the day is outside the days of the question."""
    if selection.day is not None and not parameters.since <= selection.day <= parameters.until:
        raise ParameterError(
            "day",
            _("%(day)s is not between %(since)s and %(until)s.")
            % {"day": selection.day, "since": parameters.since, "until": parameters.until},
        )
    if selection.active_days is None:
        assert selection.day is not None
        days = build_active_days(tables, parameters, before=MONTH_DAYS - 1)
        last = (selection.day - EPOCH).days
        days = days.filter(days.day.between(last - selection.last_days + 1, last))
        return days.select("customer_id").distinct()
    periods = count_periods_of_days(build_active_days(tables, parameters), parameters)
    periods = periods.filter(periods.active_days == selection.active_days)
    if selection.day is not None:
        periods = periods.filter(periods.period == number_period(selection.day, parameters.interval))
    return periods.select("customer_id").distinct()
