"""Segment conditions that describe the people behind a figure, where that is possible."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.utils.timezone import localtime

from customers.analytics.expressions.matching import EventMatch
from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period
from customers.analytics.questions.funnel import DAY, FunnelParameters, FunnelSelection
from customers.analytics.questions.trends import TrendParameters, TrendSelection
from customers.segments.conditions.fields import FIELDS, FieldType

type Condition = dict[str, Any]

ANYTHING = "any"


def build_condition(question: str, parameters: Any, selection: Any, *, today: date) -> Condition | None:
    """Return the condition of a dynamic segment of these people; None if no condition can describe them."""
    parts = BUILDERS[question](parameters, selection, today) if question in BUILDERS else None
    if parts is None:
        return None
    if parameters.segment:
        parts.append({"field": "segment", "op": "in", "value": [parameters.segment]})
    return {"all": parts}


def find_field(match: EventMatch) -> str | None:
    """Return the field of conditions that counts these events."""
    if match.filters or not match.meaning:
        return None
    names = [
        name
        for name, field in FIELDS.items()
        if field.kind == FieldType.EVENT and (field.meaning, field.about) == (match.meaning, ANYTHING)
    ]
    return names[0] if names else None


def limit_days(since: date, until: date, *, today: date) -> Condition:
    """Return the days of a condition: the last days if the period lasts until today, else two dates."""
    if since < today <= until:
        return {"within_days": (today - since).days}
    return {"between": [since.isoformat(), until.isoformat()]}


def build_funnel_condition(
    parameters: FunnelParameters, selection: FunnelSelection, today: date
) -> list[Condition] | None:
    """Return the condition of the first two steps, of both only until today; others cannot be described."""
    fields = [find_field(step) for step in parameters.steps[: selection.step]]
    is_simple = parameters.order == "ordered" and not parameters.exclusions and selection.group is None
    if not is_simple or None in fields or selection.step > 2:
        return None
    days = limit_days(parameters.since, parameters.until, today=today)
    first: Condition = {"field": fields[0], "op": "at_least", "times": 1, **days}
    if selection.step == 1:
        return [first]
    gap, rest = divmod(parameters.window_seconds, DAY)
    # after a period in the past, the second step can follow, but all events of a condition are limited to the same days
    if parameters.until < today or rest or fields[0] == fields[1]:
        return None
    both: Condition = {"sequence": [{"field": name} for name in fields], "gap_days": gap, **days}
    return [first, {"not": both}] if selection.is_dropped else [both]


def build_trend_condition(
    parameters: TrendParameters, selection: TrendSelection, today: date
) -> list[Condition] | None:
    """Return the condition of a day, week or month; groups and hours cannot be described."""
    field = find_field(parameters.series[selection.series].event)
    if field is None or selection.group is not None or (selection.start and parameters.interval == PeriodUnit.HOUR):
        return None
    days: DateRange = parameters
    since, until = days.since, days.until
    if selection.start is not None:
        number = number_period(localtime(selection.start).date(), parameters.interval)
        since = max(since, get_period_start(number, parameters.interval))
        until = min(until, get_period_start(number + 1, parameters.interval) - timedelta(days=1))
    return [{"field": field, "op": "at_least", "times": 1, **limit_days(since, until, today=today)}]


type ConditionBuilder = Callable[[Any, Any, date], list[Condition] | None]
BUILDERS: dict[str, ConditionBuilder] = {
    "funnel": build_funnel_condition,
    "trends": build_trend_condition,
}


def register_condition(question: str, builder: ConditionBuilder) -> None:
    """Add a question some of whose people a condition can describe."""
    BUILDERS[question] = builder
