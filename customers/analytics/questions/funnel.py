"""Funnel: how many people take each of several steps within a time window, and where the others stop.

Rules:
- Each step happens strictly after the one before. Events with the same time stamp have no order, so one can't follow the other.
- The window starts at the first step, which happens within the days; the other steps can follow after the last day. People whose
  window is not over when the data ends can still get further, and are counted.
- A later start of the same person counts too: the attempt that gets furthest is the one that counts, and of several that get
  equally far the one that got there first.
- ordered: other events may happen in between. strict: each step is the very next event of the person (by time, then ID).
  any: all steps within one window in any order; there an event can count for two steps that both describe it.
- An exclusion removes attempts in which its event happens strictly between two steps.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
from django.utils.translation import gettext as _

from customers.analytics.expressions.breakdowns import (
    Breakdown,
    GroupKey,
    add_customer_label,
    add_event_label,
    add_group,
    match_group,
    read_group,
)
from customers.analytics.expressions.matching import EventMatch, build_match
from customers.analytics.expressions.parameters import DateRange, ParameterError, require_between, require_one_of
from customers.analytics.expressions.periods import SECOND
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables

MIN_STEPS, MAX_STEPS = 2, 10
MAX_EXCLUSIONS = 5
MINUTE, HOUR, DAY = 60, 3600, 86_400
MAX_WINDOW = 366 * DAY
# the upper bounds, in seconds, of the classes in which the time to convert is counted
TIME_CLASSES = (
    MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """An event that must not happen between two steps.

    Attributes:
        after_step, before_step: numbers of the steps, from 1; 0 stands for the last step.
    """

    event: EventMatch
    after_step: int = 1
    before_step: int = 0


@dataclass(frozen=True, kw_only=True)
class FunnelParameters(DateRange):
    """What a funnel counts.

    Attributes:
        order: ordered, strict or any. window_seconds: the time from the first to the last step.
    """

    steps: tuple[EventMatch, ...]
    order: str = "ordered"
    window_seconds: int = 14 * DAY
    exclusions: tuple[Exclusion, ...] = ()
    breakdown: Breakdown | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("steps", len(self.steps), MIN_STEPS, MAX_STEPS)
        require_one_of("order", self.order, ("ordered", "strict", "any"))
        require_between("window_seconds", self.window_seconds, 1, MAX_WINDOW)
        require_between("exclusions", len(self.exclusions), 0, MAX_EXCLUSIONS)
        if self.order == "any" and len(set(self.steps)) < len(self.steps):
            raise ParameterError(
                "steps", _("two are the same, which needs an order; choose ordered or strict, or remove one.")
            )
        if self.exclusions and self.order == "strict":
            raise ParameterError("exclusions", _("a strict funnel allows no event in between; remove them."))
        for number, exclusion in enumerate(self.exclusions):
            first, last = exclusion.after_step, exclusion.before_step or len(self.steps)
            if not 1 <= first < last <= len(self.steps):
                raise ParameterError(
                    f"exclusions[{number}]",
                    _("step %(first)s to %(last)s is not valid; choose two steps of 1 to %(number)s.")
                    % {"first": first, "last": last, "number": len(self.steps)},
                )

    @property
    def window(self) -> int:
        """The window in microseconds."""
        return self.window_seconds * SECOND

    @property
    def first_steps(self) -> tuple[EventMatch, ...]:
        """The steps with which an attempt can start."""
        return self.steps if self.order == "any" else self.steps[:1]

    def list_exclusions(self, step: int) -> list[int]:
        """Return the positions of the exclusions that apply between a step and the one before."""
        return [
            number
            for number, exclusion in enumerate(self.exclusions)
            if exclusion.after_step < step <= (exclusion.before_step or len(self.steps))
        ]


@dataclass(frozen=True, kw_only=True)
class FunnelStep:
    """One step: who got there, in comparison with the first step and the one before.

    Attributes:
        dropped: people of the step before who did not get here. median_seconds: from the first step to this one.
    """

    number: int
    name: str
    people: int
    dropped: int
    share_of_first: float | None
    share_of_previous: float | None
    median_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class FunnelGroup:
    """The people at each step in one group of the breakdown."""

    group: GroupKey
    people: tuple[int, ...]
    conversion: float | None
    median_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class TimeClass:
    """How many people took a time from the first to the last step; high is not included, None is the window."""

    low_seconds: int
    high_seconds: int | None
    people: int


@dataclass(frozen=True, kw_only=True)
class FunnelResult:
    """The steps of a funnel, its groups and how long it takes.

    Attributes:
        entered, converted: people at the first and the last step. conversion: their ratio, None without people.
        recent: people at the first step, but not at the last one, whose window is not over.
    """

    as_of: datetime
    entered: int
    converted: int
    conversion: float | None
    median_seconds: float | None
    steps: tuple[FunnelStep, ...]
    groups: tuple[FunnelGroup, ...]
    times: tuple[TimeClass, ...]
    recent: int = 0  # results that were stored by an earlier version have none


def build_attempts(tables: AnalyticsTables, parameters: FunnelParameters) -> ir.Table:
    """Return customer_id, step, started_at and ended_at: one row for each person and step they reached."""
    if parameters.order == "strict":
        return _build_strict_attempts(tables, parameters)
    matches = [*parameters.steps, *(exclusion.event for exclusion in parameters.exclusions)]
    events = tables.select_events(parameters, *matches, tail=parameters.window)
    is_in_days = events["at"] < tables.get_bounds(parameters)[1]
    flags = {
        f"step{number}": build_match(events, step, tables.engine) for number, step in enumerate(parameters.steps, 1)
    }
    flags |= {
        f"excluded{number}": build_match(events, exclusion.event, tables.engine)
        for number, exclusion in enumerate(parameters.exclusions)
    }
    if parameters.order == "any":
        return _build_unordered_attempts(events.select("customer_id", "at", **flags, is_in_days=is_in_days), parameters)
    # only the start is limited to the days; an event of the first step can be another step, too, which has its own flag
    flags["step1"] = flags["step1"] & is_in_days
    return _build_ordered_attempts(events.select("customer_id", "at", **flags), parameters)


def _build_ordered_attempts(events: ir.Table, parameters: FunnelParameters) -> ir.Table:
    first = events.filter(events.step1).select("customer_id", "at", started_at=events["at"])
    attempts = [_select_first_times(first, 1)]
    reached = first
    for step in range(2, len(parameters.steps) + 1):
        reached = _extend_attempts(events, reached, step, parameters)
        attempts.append(_select_first_times(reached, step))
    return ibis.union(*attempts)


def _extend_attempts(events: ir.Table, reached: ir.Table, step: int, parameters: FunnelParameters) -> ir.Table:
    """Return the events of a step that continue an attempt: customer_id, at and started_at.

    Of all attempts that reached the previous step before an event, the one that started last has the most time left, and its
    last event is the latest. If this attempt cannot be continued, no other can, so that only the latest start before an event
    has to be checked, which takes one window function and no join.
    """
    events_of_step = events.filter(events[f"step{step}"]).select(
        "customer_id", "at", started_at=ibis.null("int64"), kind=ibis.literal(1, "int8")
    )
    # people who never take the next step, which is most of them, need no sorting
    before = reached.semi_join(events_of_step, "customer_id").mutate(kind=ibis.literal(0, "int8"))
    rows = before.select("customer_id", "at", "started_at", "kind").union(events_of_step)
    exclusions = parameters.list_exclusions(step)
    if exclusions:
        condition = events[f"excluded{exclusions[0]}"]
        for number in exclusions[1:]:
            condition = condition | events[f"excluded{number}"]
        excluded = events.filter(condition).select(
            "customer_id", "at", started_at=ibis.null("int64"), kind=ibis.literal(2, "int8")
        )
        rows = rows.union(excluded.semi_join(before, "customer_id"))
    earlier = ibis.window(group_by=rows.customer_id, order_by=rows["at"], range=(None, -1))
    columns = {"latest_start": rows.started_at.max().over(earlier)}
    if exclusions:
        columns["latest_step"] = ibis.ifelse(rows.kind == 0, rows["at"], None).max().over(earlier)
        columns["latest_excluded"] = ibis.ifelse(rows.kind == 2, rows["at"], None).max().over(earlier)
    rows = rows.mutate(**columns)
    rows = rows.filter((rows.kind == 1) & (rows.latest_start >= rows["at"] - parameters.window))
    if exclusions:
        rows = rows.filter(rows.latest_excluded.isnull() | (rows.latest_step >= rows.latest_excluded))
    return rows.select("customer_id", "at", started_at="latest_start")


def _select_first_times(reached: ir.Table, step: int) -> ir.Table:
    first = reached.group_by("customer_id").agg(
        started_at=reached.started_at.argmin(reached["at"]) if step > 1 else reached["at"].min(),
        ended_at=reached["at"].min(),
    )
    return first.select("customer_id", "started_at", "ended_at", step=ibis.literal(step, "int8"))


def _build_unordered_attempts(events: ir.Table, parameters: FunnelParameters) -> ir.Table:
    """Return the attempts of a funnel in any order: how many different steps lie within one window that ends at an event.

    After the days, a step within the days must be in the window, too, from which the attempt starts.
    """
    until_now = ibis.window(group_by=events.customer_id, order_by=events["at"], range=(None, 0))
    earlier = ibis.window(group_by=events.customer_id, order_by=events["at"], range=(None, -1))
    steps = range(1, len(parameters.steps) + 1)
    columns = {
        f"last{step}": ibis.ifelse(events[f"step{step}"], events["at"], None).max().over(until_now) for step in steps
    }
    is_start = ibis.or_(*(events[f"step{step}"] for step in steps)) & events.is_in_days
    columns["last_start"] = ibis.ifelse(is_start, events["at"], None).max().over(until_now)
    low = events["at"] - parameters.window
    if parameters.exclusions:
        condition = events.excluded0
        for number in range(1, len(parameters.exclusions)):
            condition = condition | events[f"excluded{number}"]
        low = ibis.greatest(low, ibis.coalesce(ibis.ifelse(condition, events["at"], None).max().over(earlier), low))
    rows = events.mutate(**columns, low=low)
    is_within = {step: ibis.coalesce(rows[f"last{step}"] >= rows.low, False) for step in steps}
    count, start = ibis.literal(0, "int8"), rows["at"]
    for step in steps:
        count = count + is_within[step].cast("int8")
        start = ibis.ifelse(is_within[step], ibis.least(start, rows[f"last{step}"]), start)
    rows = rows.filter(ibis.coalesce(rows.last_start >= rows.low, False))
    start = ibis.ifelse(rows.is_in_days, start, ibis.least(start, rows.last_start))
    rows = rows.select("customer_id", "at", started_at=start, count=count)
    attempts = []
    for step in steps:
        reached = rows.filter(rows["count"] >= step)
        attempts.append(_select_first_times(reached.select("customer_id", "at", "started_at"), step))
    return ibis.union(*attempts)


def _build_strict_attempts(tables: AnalyticsTables, parameters: FunnelParameters) -> ir.Table:
    """Return the attempts of a strict funnel: the steps are the last events of the person, without any other in between."""
    events = tables.select_events(parameters, EventMatch(), *parameters.steps, tail=parameters.window)
    end = tables.get_bounds(parameters)[1]
    mask = ibis.literal(0, "int64")
    for number, event in enumerate(parameters.steps):
        mask = mask + ibis.ifelse(build_match(events, event, tables.engine), 1 << number, 0)
    events = events.select("customer_id", "at", "id", mask=mask)
    window = ibis.window(group_by=events.customer_id, order_by=[events["at"], events.id])
    lags = range(1, len(parameters.steps))
    columns = {f"at{lag}": events["at"].lag(lag).over(window) for lag in lags}
    columns |= {f"mask{lag}": events["mask"].lag(lag).over(window) for lag in lags}
    rows = events.mutate(**columns).rename(at0="at", mask0="mask")
    attempts = []
    for step in range(1, len(parameters.steps) + 1):
        condition = (rows.mask0 & (1 << (step - 1))) != 0
        for lag in range(1, step):
            condition = condition & ((rows[f"mask{lag}"] & (1 << (step - 1 - lag))) != 0)
            condition = condition & (rows[f"at{lag}"] < rows[f"at{lag - 1}"])
        start = rows[f"at{step - 1}"]
        reached = rows.filter(condition & (start >= rows.at0 - parameters.window) & (start < end))
        attempts.append(_select_first_times(reached.select("customer_id", at="at0", started_at=f"at{step - 1}"), step))
    return ibis.union(*attempts)


def build_best_attempts(tables: AnalyticsTables, parameters: FunnelParameters) -> ir.Table:
    """Return customer_id, the furthest step, started_at, ended_at and label: one row per person."""
    return _select_best(build_attempts(tables, parameters), tables, parameters)


def _select_best(attempts: ir.Table, tables: AnalyticsTables, parameters: FunnelParameters) -> ir.Table:
    rank = ibis.row_number().over(ibis.window(group_by=attempts.customer_id, order_by=ibis.desc(attempts.step)))
    best = attempts.mutate(rank=rank).filter(ibis._.rank == 0).drop("rank")
    return _add_label(best, tables, parameters)


def _add_label(best: ir.Table, tables: AnalyticsTables, parameters: FunnelParameters) -> ir.Table:
    """Return the attempts with the label of the person, or of the event with which the attempt started."""
    breakdown = parameters.breakdown
    if breakdown is None:
        return best.mutate(label=ibis.null("string"))
    if breakdown.kind != "event":
        return add_customer_label(best, breakdown, tables)
    starts = add_event_label(tables.select_events(parameters, *parameters.first_steps), breakdown, tables)
    labels = starts.group_by(start_customer="customer_id", start_at="at").agg(label=starts.label.min())
    joined = best.left_join(labels, [best.customer_id == labels.start_customer, best.started_at == labels.start_at])
    return joined.select(*best.columns, "label")


def run_funnel(tables: AnalyticsTables, parameters: FunnelParameters) -> FunnelResult:
    """Count the people at each step, how long they took, and the same by group."""
    with tables.materialize(build_attempts(tables, parameters)) as attempts:
        seconds = (attempts.ended_at - attempts.started_at) / SECOND
        by_step = attempts.mutate(seconds=seconds).group_by("step")
        counts = tables.fetch(by_step.agg(people=ibis._.count(), median=tables.engine.quantile(ibis._.seconds, 0.5)))
        times = _count_times(attempts, tables, parameters)
        groups = _count_groups(attempts, tables, parameters) if parameters.breakdown else ()
        recent = _count_recent(attempts, tables, parameters)
    steps = _compare_steps({row["step"]: row for row in counts}, parameters)
    return FunnelResult(
        as_of=tables.as_of,
        entered=steps[0].people,
        converted=steps[-1].people,
        conversion=steps[-1].share_of_first,
        median_seconds=steps[-1].median_seconds,
        steps=tuple(steps),
        groups=groups,
        times=times,
        recent=recent,
    )


def _count_recent(attempts: ir.Table, tables: AnalyticsTables, parameters: FunnelParameters) -> int:
    """Count the people who started so recently that they can still reach the last step."""
    since = tables.known_until - parameters.window
    if tables.get_bounds(parameters)[1] <= since:
        return 0
    starts = tables.select_events(parameters, *parameters.first_steps)
    people = starts.filter(starts["at"] >= since).select("customer_id").distinct()
    converted = attempts.filter(attempts.step == len(parameters.steps))
    return int(tables.fetch(people.anti_join(converted, "customer_id").agg(people=ibis._.count()))[0]["people"])


def _compare_steps(counts: dict[int, dict[str, Any]], parameters: FunnelParameters) -> list[FunnelStep]:
    people = [counts[number]["people"] if number in counts else 0 for number in range(1, len(parameters.steps) + 1)]
    steps = []
    for number, event in enumerate(parameters.steps, 1):
        here, before = people[number - 1], people[max(number - 2, 0)]
        steps.append(
            FunnelStep(
                number=number,
                name=event.label,
                people=here,
                dropped=before - here,
                share_of_first=divide(here, people[0]),
                share_of_previous=divide(here, before),
                median_seconds=counts[number]["median"] if number > 1 and number in counts else None,
            )
        )
    return steps


def _count_times(attempts: ir.Table, tables: AnalyticsTables, parameters: FunnelParameters) -> tuple[TimeClass, ...]:
    limits = [limit for limit in TIME_CLASSES if limit < parameters.window_seconds]
    converted = attempts.filter(attempts.step == len(parameters.steps))
    duration = converted.ended_at - converted.started_at
    number = ibis.literal(0, "int8")
    for limit in limits:
        number = number + (duration >= limit * SECOND).cast("int8")
    counts = tables.fetch(converted.group_by(number=number).agg(people=ibis._.count()))
    people = {row["number"]: row["people"] for row in counts}
    bounds = zip([0, *limits], [*limits, None], strict=True)
    return tuple(
        TimeClass(low_seconds=low, high_seconds=high, people=people.get(position, 0))
        for position, (low, high) in enumerate(bounds)
    )


def _count_groups(attempts: ir.Table, tables: AnalyticsTables, parameters: FunnelParameters) -> tuple[FunnelGroup, ...]:
    assert parameters.breakdown is not None
    best = _select_best(attempts, tables, parameters)
    best = add_group(best, None, parameters.breakdown.limit)
    seconds = (best.ended_at - best.started_at) / SECOND
    rows = best.mutate(seconds=seconds).group_by("label", "is_other", "step")
    counts = tables.fetch(rows.agg(people=ibis._.count(), median=tables.engine.quantile(ibis._.seconds, 0.5)))
    last = len(parameters.steps)
    groups: dict[GroupKey, list[int]] = {}
    medians: dict[GroupKey, float] = {}
    for row in counts:
        people = groups.setdefault(read_group(row), [0] * last)
        for step in range(row["step"]):
            people[step] += row["people"]
        if row["step"] == last:
            medians[read_group(row)] = row["median"]
    order = sorted(groups, key=lambda key: (key.is_other, key.label is None, -groups[key][0], key.label or ""))
    return tuple(
        FunnelGroup(
            group=key,
            people=tuple(groups[key]),
            conversion=divide(groups[key][-1], groups[key][0]),
            median_seconds=medians.get(key),
        )
        for key in order
    )


@dataclass(frozen=True, kw_only=True)
class FunnelSelection:
    """One bar of a funnel.

    Attributes:
        is_dropped: those who reached the step before but not this one, instead of those who reached it.
        min_seconds, max_seconds: of the last step, only those who took so long; the second one is not included.
    """

    step: int
    is_dropped: bool = False
    group: GroupKey | None = None
    min_seconds: int = 0
    max_seconds: int | None = None


def select_funnel_people(tables: AnalyticsTables, parameters: FunnelParameters, selection: FunnelSelection) -> ir.Table:
    """Return the customer_id of the people of a bar.

    Raises:
        ParameterError: there is no such step, nobody can drop at the first one, or a time is not one of the last step.
    """
    step = selection.step
    require_between("step", step, 2 if selection.is_dropped else 1, len(parameters.steps))
    has_time = bool(selection.min_seconds) or selection.max_seconds is not None
    if has_time and (selection.is_dropped or step < len(parameters.steps)):
        raise ParameterError("step", _("%(step)s has no time; choose the last step.") % {"step": step})
    best = build_best_attempts(tables, parameters)
    if selection.group is not None and parameters.breakdown is not None:
        best = match_group(add_group(best, None, parameters.breakdown.limit), selection.group)
    is_there = best.step == step - 1 if selection.is_dropped else best.step >= step
    best = best.filter(is_there)
    if has_time:
        duration = best.ended_at - best.started_at
        require_between("min_seconds", selection.min_seconds, 0, MAX_WINDOW)
        best = best.filter(duration >= selection.min_seconds * SECOND)
        if selection.max_seconds is not None:
            require_between("max_seconds", selection.max_seconds, 0, MAX_WINDOW)
            best = best.filter(duration < selection.max_seconds * SECOND)
    return best.select("customer_id")
