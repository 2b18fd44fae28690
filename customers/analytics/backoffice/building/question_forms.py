"""The fields of each question: from a draft to parameters, and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR, PRESETS
from customers.analytics.backoffice.building.drafts import (
    Draft,
    FieldErrors,
    draft_event,
    get_number,
    get_row,
    get_rows,
    get_text,
    read_event,
)
from customers.analytics.expressions.breakdowns import MAX_GROUPS
from customers.analytics.expressions.formulas import LETTERS, parse_formula
from customers.analytics.expressions.matching import check_property
from customers.analytics.expressions.parameters import MAX_DAYS, ParameterError
from customers.analytics.named_days import DEFAULT_RANGE
from customers.analytics.questions.affinity import MAX_ROWS as MAX_PAIRS
from customers.analytics.questions.funnel import DAY, HOUR, MAX_EXCLUSIONS, MAX_STEPS, MIN_STEPS, MINUTE
from customers.analytics.questions.paths import MAX_LEVELS, MAX_TOP
from customers.analytics.questions.products import MAX_ROWS
from customers.analytics.questions.retention import MAX_PERIODS
from customers.analytics.questions.trends import PROPERTY_MEASURES

type Choices = dict[str, str | Promise]

CUSTOM = "custom"
UNITS: dict[str, tuple[int, str | Promise]] = {
    "minute": (MINUTE, gettext_lazy("minutes")),
    "hour": (HOUR, gettext_lazy("hours")),
    "day": (DAY, gettext_lazy("days")),
}
ORDERS: Choices = {
    "ordered": gettext_lazy("In this order, with other events allowed between steps"),
    "strict": gettext_lazy("Directly one after the other"),
    "any": gettext_lazy("In any order"),
}
COHORTS: Choices = {
    "first_order": gettext_lazy("First order"),
    "first_time": gettext_lazy("First time of the start event"),
    "each_time": gettext_lazy("Each time of the start event"),
}
INTERVALS: Choices = {
    "day": pgettext_lazy("interval", "Day"),
    "week": pgettext_lazy("interval", "Week"),
    "month": pgettext_lazy("interval", "Month"),
}
LONG_INTERVALS: Choices = {key: INTERVALS[key] for key in ("week", "month")}
TREND_INTERVALS: Choices = {"hour": pgettext_lazy("interval", "Hour"), **INTERVALS}
MEASURES: Choices = {
    "events": gettext_lazy("Number of events"),
    "people": gettext_lazy("Number of people"),
    "per_person": gettext_lazy("Events per person"),
    "sum": gettext_lazy("Sum of a property"),
    "average": gettext_lazy("Average of a property"),
    "quantile": gettext_lazy("Median of a property"),
}
DIRECTIONS: Choices = {
    "forward": gettext_lazy("What happens after it"),
    "backward": gettext_lazy("What happens before it"),
}
LEVELS: Choices = {"product": gettext_lazy("Products"), "category": gettext_lazy("Categories")}
SORT_LABELS: Choices = {
    "revenue": gettext_lazy("Revenue"),
    "viewed": gettext_lazy("Viewed"),
    "added": gettext_lazy("Added to cart"),
    "bought": gettext_lazy("Bought"),
    "returned": gettext_lazy("Returned"),
    "margin": gettext_lazy("Margin"),
}
RETENTION_MEASURES: Choices = {
    "on": gettext_lazy("People who return in the period"),
    "or_after": gettext_lazy("People who return in the period or later"),
    "revenue": gettext_lazy("Revenue per person"),
}


@dataclass(frozen=True)
class QuestionForm:
    """The fields of a question.

    Attributes:
        lists: names of lists of events, with the smallest and the largest number of rows. events: names of single events; those that
            may be left out are in ``optional``.
        build: returns parameters from a draft. fill: returns the draft of parameters.
    """

    lists: Mapping[str, tuple[int, int]]
    events: tuple[str, ...]
    optional: tuple[str, ...]
    build: Callable[[Draft, FieldErrors], dict[str, Any]]
    fill: Callable[[Mapping[str, Any]], Draft]
    has_breakdown: bool = False


def build_parameters(form: QuestionForm, draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    """Return the parameters of a draft as JSON values; what is wrong is added to the errors."""
    parameters = read_days(draft, errors)
    if segment := get_text(draft, "segment"):
        parameters["segment"] = segment
    for name, (low, high) in form.lists.items():
        rows = get_rows(draft, name)
        if not low <= len(rows) <= high:
            errors.add(name, _("Choose %(low)s to %(high)s events.") % {"low": low, "high": high})
        parameters[name] = [read_event(row, f"{name}.{number}", errors) for number, row in enumerate(rows)]
    for name in form.events:
        row = get_row(draft, name)
        if get_text(row, "event") or name not in form.optional:
            parameters[name] = read_event(row, name, errors)
    if form.has_breakdown and (breakdown := read_breakdown(draft, errors)):
        parameters["breakdown"] = breakdown
    return parameters | form.build(draft, errors)


def fill_draft(form: QuestionForm, parameters: Mapping[str, Any]) -> Draft:
    """Return the draft of parameters that are valid, with their defaults."""
    preset = parameters.get("range") or ""
    draft: Draft = {
        "range": preset or CUSTOM,
        "since": parameters.get("since", ""),
        "until": parameters.get("until", ""),
        "segment": parameters.get("segment", ""),
    }
    for name in form.lists:
        draft[name] = [draft_event(event) for event in parameters.get(name, ())]
    for name in form.events:
        draft[name] = draft_event(parameters.get(name))
    if breakdown := parameters.get("breakdown"):
        draft |= {"breakdown": f"{breakdown['kind']}:{breakdown['name']}", "breakdown_limit": str(breakdown["limit"])}
    return draft | form.fill(parameters)


def read_days(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    """Return the range by name, or its first and last day."""
    preset = get_text(draft, "range", DEFAULT_RANGE)
    if preset in PRESETS:
        return {"range": preset}
    days: dict[str, date] = {}
    for name in ("since", "until"):
        try:
            day = date.fromisoformat(get_text(draft, name))
        except ValueError:
            errors.add(name, _("Enter a date, such as 2026-11-28."))
            continue
        if MIN_YEAR < day.year < MAX_YEAR:
            days[name] = day
        else:
            errors.add(
                name, _("Enter a year between %(first)d and %(last)d.") % {"first": MIN_YEAR + 1, "last": MAX_YEAR - 1}
            )
    if len(days) == 2 and days["until"] < days["since"]:
        errors.add("until", _("The end date is before the start date."))
    elif len(days) == 2 and (days["until"] - days["since"]).days >= MAX_DAYS:
        errors.add("since", _("Choose at most %(count)s days.") % {"count": MAX_DAYS})
    return {name: day.isoformat() for name, day in days.items()}


def read_breakdown(draft: Draft, errors: FieldErrors) -> dict[str, Any] | None:
    kind, _colon, name = get_text(draft, "breakdown").partition(":")
    if not kind:
        return None
    limit = get_number(draft, "breakdown_limit", errors, low=1, high=MAX_GROUPS, default=5)
    return {"kind": kind, "name": name, "limit": limit}


def read_choice(draft: Draft, name: str, choices: Mapping[str, Any], default: str) -> str:
    value = get_text(draft, name, default)
    return value if value in choices else default


def build_funnel(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    order = read_choice(draft, "order", ORDERS, "ordered")
    unit = UNITS[read_choice(draft, "window_unit", UNITS, "day")][0]
    count = get_number(draft, "window_count", errors, low=1, high=366 * DAY // unit, default=14)
    rows = get_rows(draft, "exclusions")
    if len(rows) > MAX_EXCLUSIONS:
        errors.add("exclusions", _("Use at most %(count)s exclusions.") % {"count": MAX_EXCLUSIONS})
    if rows and order == "strict":
        errors.add(
            "exclusions",
            _(
                "Steps that directly follow each other cannot have exclusions. Remove the exclusions, or choose another order."
            ),
        )
    exclusions = [
        {"event": read_event(row, f"exclusions.{number}", errors)} for number, row in enumerate(rows[:MAX_EXCLUSIONS])
    ]
    steps = [repr(read_event(row, "", FieldErrors())) for row in get_rows(draft, "steps")]
    if order == "any" and len(set(steps)) < len(steps):
        errors.add(
            "order",
            _("Two steps are the same, so the steps need a fixed order. Choose another order, or change a step."),
        )
    return {"order": order, "window_seconds": count * unit, "exclusions": exclusions}


def fill_funnel(parameters: Mapping[str, Any]) -> Draft:
    seconds = int(parameters.get("window_seconds", 14 * DAY))
    name, unit = next(
        ((name, unit) for name, (unit, _label) in reversed(UNITS.items()) if seconds % unit == 0), ("minute", MINUTE)
    )
    return {
        "order": parameters.get("order", "ordered"),
        "window_count": str(max(seconds // unit, 1)),
        "window_unit": name,
        "exclusions": [draft_event(exclusion["event"]) for exclusion in parameters.get("exclusions", ())],
    }


def build_retention(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {
        "measure": read_choice(draft, "measure", RETENTION_MEASURES, "on"),
        "cohort": read_choice(draft, "cohort", COHORTS, "first_order"),
        "interval": read_choice(draft, "interval", INTERVALS, "week"),
        "periods": get_number(draft, "periods", errors, low=1, high=MAX_PERIODS, default=8),
    }


def fill_retention(parameters: Mapping[str, Any]) -> Draft:
    return {
        "measure": parameters.get("measure", "on"),
        "cohort": parameters.get("cohort", "first_order"),
        "interval": parameters.get("interval", "week"),
        "periods": str(parameters.get("periods", 8)),
    }


def build_paths(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    label = get_text(draft, "label")
    if label:
        try:
            check_property("label", label)
        except ParameterError:
            errors.add("label", _("Choose a property."))
    return {
        "is_backward": get_text(draft, "direction") == "backward",
        "label": label,
        "levels": get_number(draft, "levels", errors, low=1, high=MAX_LEVELS, default=4),
        "top": get_number(draft, "top", errors, low=1, high=MAX_TOP, default=6),
    }


def fill_paths(parameters: Mapping[str, Any]) -> Draft:
    return {
        "direction": "backward" if parameters.get("is_backward") else "forward",
        "label": parameters.get("label", ""),
        "levels": str(parameters.get("levels", 4)),
        "top": str(parameters.get("top", 6)),
    }


def build_trends(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    rows = get_rows(draft, "series")
    if not 1 <= len(rows) <= len(LETTERS):
        errors.add("series", _("Choose %(low)s to %(high)s events.") % {"low": 1, "high": len(LETTERS)})
    series = [read_series(row, f"series.{number}", errors) for number, row in enumerate(rows)]
    formula = get_text(draft, "formula")
    if formula and series:
        try:
            parse_formula(formula, len(series))
        except ParameterError:
            names = ", ".join(LETTERS[: len(series)])
            errors.add(
                "formula", _("Use %(names)s, numbers, + - * / and parentheses, such as A / B.") % {"names": names}
            )
    return {
        "series": series,
        "formula": formula,
        "interval": read_choice(draft, "interval", TREND_INTERVALS, "day"),
        "is_compared": get_text(draft, "is_compared") == "on",
        "rolling": get_number(draft, "rolling", errors, low=0, high=365, default=0),
    }


def read_series(row: Draft, prefix: str, errors: FieldErrors) -> dict[str, Any]:
    measure = read_choice(row, "measure", MEASURES, "events")
    series: dict[str, Any] = {"event": read_event(row, prefix, errors), "measure": measure}
    if measure in PROPERTY_MEASURES:
        series["property"] = get_text(row, "property") or "value"
        try:
            check_property("property", series["property"])
        except ParameterError:
            errors.add(f"{prefix}.property", _("Choose a property."))
    return series


def fill_trends(parameters: Mapping[str, Any]) -> Draft:
    return {
        "series": [
            draft_event(series["event"])
            | {"measure": series.get("measure", "events"), "property": series.get("property", "value")}
            for series in parameters.get("series", ())
        ],
        "formula": parameters.get("formula", ""),
        "interval": parameters.get("interval", "day"),
        "is_compared": "on" if parameters.get("is_compared") else "",
        "rolling": str(parameters.get("rolling", 0)),
    }


def build_products(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {
        "level": read_choice(draft, "level", LEVELS, "product"),
        "sort": read_choice(draft, "sort", SORT_LABELS, "revenue"),
        "limit": get_number(draft, "limit", errors, low=1, high=MAX_ROWS, default=100),
    }


def fill_products(parameters: Mapping[str, Any]) -> Draft:
    return {
        "level": parameters.get("level", "product"),
        "sort": parameters.get("sort", "revenue"),
        "limit": str(parameters.get("limit", 100)),
    }


def build_sessions(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {}


def fill_sessions(parameters: Mapping[str, Any]) -> Draft:
    return {}


def build_activity(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {"interval": read_choice(draft, "interval", INTERVALS, "week")}


def build_stickiness(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {"interval": read_choice(draft, "interval", LONG_INTERVALS, "week")}


def fill_activity(parameters: Mapping[str, Any]) -> Draft:
    return {"interval": parameters.get("interval", "week")}


AFFINITY_SORTS: Choices = {"people": gettext_lazy("People who bought both"), "lift": gettext_lazy("Lift")}
REPEAT_SORTS: Choices = {"people": gettext_lazy("People"), "share": gettext_lazy("Share of people who order again")}


def build_affinity(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {
        "level": read_choice(draft, "level", LEVELS, "product"),
        "sort": read_choice(draft, "sort", AFFINITY_SORTS, "people"),
        "min_people": get_number(draft, "min_people", errors, low=1, high=1_000_000, default=5),
        "limit": get_number(draft, "limit", errors, low=1, high=MAX_PAIRS, default=50),
    }


def build_repeat(draft: Draft, errors: FieldErrors) -> dict[str, Any]:
    return {
        "level": read_choice(draft, "level", LEVELS, "product"),
        "sort": read_choice(draft, "sort", REPEAT_SORTS, "people"),
        "within_days": get_number(draft, "within_days", errors, low=1, high=730, default=90),
        "min_people": get_number(draft, "min_people", errors, low=1, high=1_000_000, default=5),
        "limit": get_number(draft, "limit", errors, low=1, high=MAX_PAIRS, default=50),
    }


def fill_purchases(parameters: Mapping[str, Any]) -> Draft:
    return {
        "level": parameters.get("level", "product"),
        "sort": parameters.get("sort", "people"),
        "within_days": str(parameters.get("within_days", 90)),
        "min_people": str(parameters.get("min_people", 5)),
        "limit": str(parameters.get("limit", 50)),
    }


FORMS: dict[str, QuestionForm] = {
    "funnel": QuestionForm({"steps": (MIN_STEPS, MAX_STEPS)}, (), (), build_funnel, fill_funnel, has_breakdown=True),
    "retention": QuestionForm({}, ("start", "returning"), ("start",), build_retention, fill_retention),
    "paths": QuestionForm({}, ("anchor", "goal"), ("anchor", "goal"), build_paths, fill_paths),
    "trends": QuestionForm({}, (), (), build_trends, fill_trends, has_breakdown=True),
    "products": QuestionForm({}, (), (), build_products, fill_products),
    "affinity": QuestionForm({}, (), (), build_affinity, fill_purchases),
    "repeat": QuestionForm({}, (), (), build_repeat, fill_purchases),
    "sessions": QuestionForm({}, ("goal",), ("goal",), build_sessions, fill_sessions),
    "activity": QuestionForm({}, ("event",), ("event",), build_activity, fill_activity),
    "stickiness": QuestionForm({}, ("event",), ("event",), build_stickiness, fill_activity),
}
