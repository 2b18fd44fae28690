"""Parses the values of comparisons; each problem has its path, the value and the fix."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from config.foundation.number_formats import get_sentence_space
from config.foundation.shop.profile import get_time_zone
from config.foundation.text_encoding import make_encodable
from customers.segments.conditions.condition_tree import ConditionProblem, Period
from customers.segments.conditions.fields import OPERATORS, ConditionField, FieldType, Operand

MAX_VALUES = 1000  # of one comparison
MAX_VALUES_IN_ALL = 20_000  # of a condition; compiling and planning 300,000 takes two to five seconds
MAX_TEXT = 500
MAX_NUMBER = 10**11
MAX_PATH = 300  # characters of the path of a problem, which may contain keys of the request
MAX_COMPARED = 100  # characters of an unknown name that are compared with the valid ones
MAX_DAYS = 36_500
MAX_PROBLEMS = 100  # reported of one condition, which can have 300,000 invalid values
MAX_PROBLEMS_WITH_SUGGESTIONS = 20  # comparing a name with the valid ones takes a tenth of a millisecond


def format_json(value: object) -> str:
    """Return a value as JSON, truncated to a readable length."""
    text = make_encodable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 60 else f"{text[:59]}…"


def suggest_similar(name: str, names: Iterable[str]) -> str:
    """Return "Did you mean …?", for the end of another sentence, with the most similar names, or an empty text."""
    close = get_close_matches(name[:MAX_COMPARED], list(names), n=3, cutoff=0.5)
    return get_sentence_space() + _("Did you mean %(names)s?") % {"names": ", ".join(close)} if close else ""


class ValueParser:
    """Parses values and collects their problems."""

    def __init__(self) -> None:
        self.problems: list[ConditionProblem] = []
        self.n_values = 0

    def add_problem(self, path: str, code: str, message: str) -> None:
        """Add a problem; those after the first MAX_PROBLEMS are not reported."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(ConditionProblem(make_encodable(path)[:MAX_PATH], code, make_encodable(message)))

    def parse_value(self, raw: Mapping[Any, Any], field: ConditionField, op: str, path: str) -> Any:
        path = f"{path}.value"
        if "value" not in raw:
            self.add_problem(
                path, "required", _("%(field)s %(op)s requires a value.") % {"field": field.name, "op": op}
            )
            return None
        value = raw["value"]
        match OPERATORS[op].takes:
            case Operand.DAYS:
                return self.parse_integer(value, path, low=0, high=MAX_DAYS)
            case Operand.MANY:
                return self.parse_list(value, field, op, path)
            case Operand.RANGE:
                return self.parse_range(value, field, op, path)
        return self.parse_single(value, field, op, path)

    def parse_list(self, raw: object, field: ConditionField, op: str, path: str) -> list[Any]:
        if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_VALUES:
            self.add_problem(
                path,
                "type",
                _("%(value)s is not valid for %(field)s %(op)s; use a list of 1 to %(limit)d values.")
                % {"value": format_json(raw), "field": field.name, "op": op, "limit": MAX_VALUES},
            )
            return []
        if self.n_values <= MAX_VALUES_IN_ALL < self.n_values + len(raw):
            self.add_problem(
                path,
                "too_large",
                _("The condition has too many values; use at most %(limit)d in all its lists.")
                % {"limit": MAX_VALUES_IN_ALL},
            )
        self.n_values += len(raw)
        if self.n_values > MAX_VALUES_IN_ALL:
            return []
        return [self.parse_single(item, field, op, f"{path}[{index}]") for index, item in enumerate(raw)]

    def parse_range(self, raw: object, field: ConditionField, op: str, path: str) -> tuple[Any, Any] | None:
        if not isinstance(raw, list) or len(raw) != 2:
            self.add_problem(
                path,
                "type",
                _("%(value)s is not a range; use a list of the minimum and the maximum.") % {"value": format_json(raw)},
            )
            return None
        low, high = (self.parse_single(item, field, op, f"{path}[{index}]") for index, item in enumerate(raw))
        if low is None or high is None:
            return None
        is_reversed = low.start > high.start if isinstance(low, Period) else low > high
        if is_reversed:
            self.add_problem(
                path,
                "range",
                _("The first value is greater than the second. Swap them."),
            )
        return low, high

    def parse_single(self, raw: object, field: ConditionField, op: str, path: str) -> Any:
        match field.kind:
            case FieldType.NUMBER | FieldType.INTEGER:
                return self.parse_numeric(raw, field, path)
            case FieldType.CHOICE:
                return self.parse_choice(raw, field, path)
            case FieldType.MOMENT | FieldType.FUTURE_MOMENT:
                return self.parse_time(raw, path)
            case FieldType.FLAG:
                return self.parse_flag(raw, path)
            case FieldType.TRAIT:
                return self.parse_trait(raw, field, op, path)
        return self.parse_text(raw, path)

    def parse_numeric(self, raw: object, field: ConditionField, path: str) -> Decimal | None:
        number = parse_number(raw)
        low, high = field.low, field.high
        expected = _("a number") if field.kind == FieldType.NUMBER else _("a whole number")
        if low is not None and high is not None:
            is_number = field.kind == FieldType.NUMBER
            template = (
                _("a number from %(low)d to %(high)d") if is_number else _("a whole number from %(low)d to %(high)d")
            )
            expected = template % {"low": low, "high": high}
        is_valid_type = number is not None and (field.kind == FieldType.NUMBER or number == number.to_integral_value())
        if (
            number is None
            or not is_valid_type
            or (low is not None and number < low)
            or (high is not None and number > high)
        ):
            self.add_problem(
                path,
                "number",
                _("%(value)s is not valid for %(field)s; use %(expected)s.")
                % {"value": format_json(raw), "field": field.name, "expected": expected},
            )
            return None
        return number

    def parse_integer(self, raw: object, path: str, *, low: int, high: int) -> int | None:
        if isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high:
            return raw
        self.add_problem(
            path,
            "number",
            _("%(value)s is not valid; use a whole number from %(low)d to %(high)d.")
            % {"value": format_json(raw), "low": low, "high": high},
        )
        return None

    def parse_choice(self, raw: object, field: ConditionField, path: str) -> str | None:
        values = [value for value, _label in field.choices]
        if isinstance(raw, str) and raw in values:
            return raw
        self.add_problem(
            path,
            "choice",
            _("Unknown %(field)s %(value)s; valid: %(values)s.")
            % {"value": format_json(raw), "field": field.name, "values": ", ".join(values)}
            + (suggest_similar(str(raw), values) if len(self.problems) < MAX_PROBLEMS_WITH_SUGGESTIONS else ""),
        )
        return None

    def parse_flag(self, raw: object, path: str) -> bool | None:
        if isinstance(raw, bool):
            return raw
        self.add_problem(path, "flag", _("%(value)s is not valid; use true or false.") % {"value": format_json(raw)})
        return None

    def parse_text(self, raw: object, path: str) -> str | None:
        if isinstance(raw, str) and 0 < len(raw) <= MAX_TEXT and "\0" not in raw and is_encodable(raw):
            return raw
        self.add_problem(
            path,
            "text",
            _("%(value)s is not valid; use a string of 1 to %(limit)d characters.")
            % {"value": format_json(raw), "limit": MAX_TEXT},
        )
        return None

    def parse_trait(self, raw: object, field: ConditionField, op: str, path: str) -> Any:
        """Parse a text, number or flag; an order operator requires a number, ``contains`` a text."""
        if op in ("lt", "lte", "gt", "gte"):
            return self.parse_numeric(raw, ConditionField(field.name, "", "", FieldType.NUMBER), path)
        if op == "contains" or isinstance(raw, str):
            return self.parse_text(raw, path)
        if isinstance(raw, bool):
            return raw
        number = parse_number(raw)
        if number is None:
            self.add_problem(
                path,
                "type",
                _("%(value)s is not valid for %(field)s; use a string, a number, true or false.")
                % {"value": format_json(raw), "field": field.name},
            )
        return number

    def parse_time(self, raw: object, path: str) -> Period | None:
        period = parse_period(raw) if isinstance(raw, str) else None
        if period is None:
            self.add_problem(
                path,
                "moment",
                _("%(value)s is not a valid date; use a format such as 2026-11-24 or 2026-11-24T10:00:00+01:00.")
                % {"value": format_json(raw)},
            )
        return period


def parse_number(raw: object) -> Decimal | None:
    """Return an exact number below ``MAX_NUMBER``, or None."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    # compared first: a huge integer does not fit into the float that isfinite() needs
    if not abs(raw) < MAX_NUMBER or not math.isfinite(raw):
        return None
    return Decimal(str(raw))


def is_encodable(text: str) -> bool:
    """Return whether PostgreSQL can store the text; it cannot store unpaired surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def parse_period(raw: str) -> Period | None:
    """Parse a date, which is the whole day, or a time; both in the shop's time zone by default."""
    zone = get_time_zone()
    try:
        day = parse_date(raw)
        if day is not None:
            return Period(
                datetime.combine(day, time(), zone).astimezone(UTC),
                datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC),
            )
        moment = parse_datetime(raw)
        if moment is None:
            return None
        start = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        return Period(start, start + timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return None  # the format is right but there is no such day, such as 2026-02-30
