"""Reads a condition tree and checks it: every problem is named by its path, its value and what would be right."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from customers.segments.conditions.fields import FIELDS, OPERATORS, TRAIT_PREFIX, Field, Kind, Takes, find_field

MAX_DEPTH = 12
MAX_NODES = 300
MAX_VALUES = 1000
MAX_TEXT = 500
MAX_NUMBER = 10**11
MAX_DAYS = 36_500
MAX_TIMES = 10_000


@dataclass(frozen=True)
class Problem:
    """Why a tree cannot work, and where. ``path`` reads like ``$.all[1].value``."""

    path: str
    code: str
    message: str


class ConditionError(ValueError):
    """A condition that cannot work."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Period:
    """A moment, or the whole day of a date: from ``start`` up to but not including ``end``."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Comparison:
    """A checked comparison. ``value`` fits the operator; ``times`` and ``days`` belong to what was bought."""

    path: str
    field: Field
    op: str
    value: Any = None
    times: int = 1
    days: int | None = None


@dataclass(frozen=True)
class Group:
    every: bool
    children: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    child: "Node"


Node = Comparison | Group | Not


def read_condition(condition: object) -> Node:
    """The checked tree.

    Raises:
        ConditionError: with all problems found.
    """
    reader = Reader()
    node = reader.read(condition, "$", depth=1)
    if reader.problems or node is None:
        raise ConditionError(reader.problems)
    return node


def shown(value: object) -> str:
    """A value as JSON, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def nearest(name: str, names: Iterable[str]) -> str:
    """ " Did you mean …?" with the nearest names, or nothing."""
    close = get_close_matches(name, list(names), n=3, cutoff=0.5)
    return " " + _("Did you mean %(names)s?") % {"names": ", ".join(close)} if close else ""


class Reader:
    """Walks one tree and collects its problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.nodes = 0

    def refuse(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def read(self, raw: object, path: str, *, depth: int) -> Node | None:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            if self.nodes <= MAX_NODES + 1:
                self.refuse(
                    path,
                    "too_large",
                    _("A condition has at most %(depth)d levels and %(nodes)d parts.")
                    % {"depth": MAX_DEPTH, "nodes": MAX_NODES},
                )
            return None
        if not isinstance(raw, Mapping):
            self.refuse(
                path, "type", _("%(value)s is no condition. Give an object.") % {"value": shown(raw)} + " " + shapes()
            )
            return None
        heads = [head for head in ("all", "any", "not", "field") if head in raw]
        if len(heads) != 1:
            self.refuse(path, "shape", _("%(value)s is no condition.") % {"value": shown(raw)} + " " + shapes())
            return None
        if heads[0] == "field":
            return self.read_comparison(raw, path)
        if extra := sorted(set(map(str, raw)) - set(heads)):
            self.refuse(
                f"{path}.{extra[0]}",
                "unknown_key",
                _("%(key)s has no place beside %(head)s.") % {"key": shown(extra[0]), "head": shown(heads[0])},
            )
        if heads[0] == "not":
            child = self.read(raw["not"], f"{path}.not", depth=depth + 1)
            return Not(child) if child else None
        return self.read_group(raw[heads[0]], f"{path}.{heads[0]}", every=heads[0] == "all", depth=depth)

    def read_group(self, raw: object, path: str, *, every: bool, depth: int) -> Group | None:
        if not isinstance(raw, list):
            self.refuse(path, "type", _("%(value)s is no list. Give a list of conditions.") % {"value": shown(raw)})
            return None
        if not raw and not every:
            self.refuse(path, "empty", _("Nobody fulfils any of no conditions. Give at least one."))
            return None
        children = [self.read(each, f"{path}[{place}]", depth=depth + 1) for place, each in enumerate(raw)]
        return Group(every, tuple(child for child in children if child is not None))

    def read_comparison(self, raw: Mapping[Any, Any], path: str) -> Comparison | None:
        field = self.read_field(raw["field"], f"{path}.field")
        if field is None:
            return None
        op = self.read_operator(raw.get("op"), field, f"{path}.op")
        if op is None:
            return None
        allowed = {"field", "op"}
        if OPERATORS[op].takes != Takes.NOTHING and field.name != "bought.any":
            allowed.add("value")
        if field.kind == Kind.BOUGHT:
            allowed |= {"times", "within_days"}
        for key in sorted(set(map(str, raw)) - allowed):
            self.refuse(
                f"{path}.{key}",
                "unknown_key",
                _("%(key)s has no place here. This comparison takes %(keys)s.")
                % {"key": shown(key), "keys": ", ".join(sorted(allowed))},
            )
        before = len(self.problems)
        value = self.read_value(raw, field, op, path) if "value" in allowed else None
        times = self.read_whole(raw.get("times", 1), f"{path}.times", low=1, high=MAX_TIMES)
        days = raw.get("within_days")
        days = None if days is None else self.read_whole(days, f"{path}.within_days", low=1, high=MAX_DAYS)
        if len(self.problems) > before or times is None:
            return None
        return Comparison(path, field, op, value, times, days)

    def read_field(self, raw: object, path: str) -> Field | None:
        field = find_field(raw) if isinstance(raw, str) and "\0" not in raw else None
        if field is None:
            hint = nearest(str(raw), FIELDS) or " " + _("The fields are %(names)s and %(traits)s.") % {
                "names": ", ".join(FIELDS),
                "traits": f"{TRAIT_PREFIX}…",
            }
            self.refuse(path, "unknown_field", _("There is no field %(value)s.") % {"value": shown(raw)} + hint)
        return field

    def read_operator(self, raw: object, field: Field, path: str) -> str | None:
        if isinstance(raw, str) and raw in field.operators:
            return raw
        self.refuse(
            path,
            "unknown_operator",
            _("%(field)s cannot be compared by %(value)s. Give one of %(operators)s.")
            % {"field": field.name, "value": shown(raw), "operators": ", ".join(field.operators)},
        )
        return None

    def read_value(self, raw: Mapping[Any, Any], field: Field, op: str, path: str) -> Any:
        path = f"{path}.value"
        if "value" not in raw:
            self.refuse(path, "required", _("%(field)s %(op)s needs a value.") % {"field": field.name, "op": op})
            return None
        value = raw["value"]
        match OPERATORS[op].takes:
            case Takes.DAYS:
                return self.read_whole(value, path, low=0, high=MAX_DAYS)
            case Takes.MANY:
                return self.read_many(value, field, op, path)
            case Takes.RANGE:
                return self.read_range(value, field, op, path)
        return self.read_one(value, field, op, path)

    def read_many(self, raw: object, field: Field, op: str, path: str) -> list[Any]:
        if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_VALUES:
            self.refuse(
                path,
                "type",
                _("%(value)s does not fit %(field)s %(op)s. Give a list of 1 to %(limit)d values.")
                % {"value": shown(raw), "field": field.name, "op": op, "limit": MAX_VALUES},
            )
            return []
        return [self.read_one(each, field, op, f"{path}[{place}]") for place, each in enumerate(raw)]

    def read_range(self, raw: object, field: Field, op: str, path: str) -> tuple[Any, Any] | None:
        if not isinstance(raw, list) or len(raw) != 2:
            self.refuse(
                path,
                "type",
                _("%(value)s is no range. Give a list of the lowest and the highest value.") % {"value": shown(raw)},
            )
            return None
        low, high = (self.read_one(each, field, op, f"{path}[{place}]") for place, each in enumerate(raw))
        if low is None or high is None:
            return None
        turned = low.start > high.start if isinstance(low, Period) else low > high
        if turned:
            self.refuse(
                path,
                "range",
                _("In %(value)s the first value is above the second. Turn them round.") % {"value": shown(raw)},
            )
        return low, high

    def read_one(self, raw: object, field: Field, op: str, path: str) -> Any:
        match field.kind:
            case Kind.NUMBER | Kind.WHOLE:
                return self.read_number(raw, field, path)
            case Kind.CHOICE:
                return self.read_choice(raw, field, path)
            case Kind.MOMENT | Kind.COMING:
                return self.read_moment(raw, path)
            case Kind.FLAG:
                return self.read_flag(raw, path)
            case Kind.TRAIT:
                return self.read_trait(raw, field, op, path)
        return self.read_text(raw, path)

    def read_number(self, raw: object, field: Field, path: str) -> Decimal | None:
        number = as_number(raw)
        low, high = field.low, field.high
        wanted = _("a number") if field.kind == Kind.NUMBER else _("a whole number")
        if low is not None and high is not None:
            wanted = _("a whole number from %(low)d to %(high)d") % {"low": low, "high": high}
        whole = number is not None and (field.kind == Kind.NUMBER or number == number.to_integral_value())
        if number is None or not whole or (low is not None and number < low) or (high is not None and number > high):
            self.refuse(
                path,
                "number",
                _("%(value)s does not fit %(field)s. Give %(wanted)s.")
                % {"value": shown(raw), "field": field.name, "wanted": wanted},
            )
            return None
        return number

    def read_whole(self, raw: object, path: str, *, low: int, high: int) -> int | None:
        if isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high:
            return raw
        self.refuse(
            path,
            "number",
            _("%(value)s does not fit. Give a whole number from %(low)d to %(high)d.")
            % {"value": shown(raw), "low": low, "high": high},
        )
        return None

    def read_choice(self, raw: object, field: Field, path: str) -> str | None:
        values = [value for value, _label in field.choices]
        if isinstance(raw, str) and raw in values:
            return raw
        self.refuse(
            path,
            "choice",
            _("%(value)s is no %(field)s. Give one of %(values)s.")
            % {"value": shown(raw), "field": field.name, "values": ", ".join(values)}
            + nearest(str(raw), values),
        )
        return None

    def read_flag(self, raw: object, path: str) -> bool | None:
        if isinstance(raw, bool):
            return raw
        self.refuse(path, "flag", _("%(value)s is neither true nor false.") % {"value": shown(raw)})
        return None

    def read_text(self, raw: object, path: str) -> str | None:
        if isinstance(raw, str) and 0 < len(raw) <= MAX_TEXT and "\0" not in raw and is_encodable(raw):
            return raw
        self.refuse(
            path,
            "text",
            _("%(value)s does not fit. Give a text of 1 to %(limit)d characters.")
            % {"value": shown(raw), "limit": MAX_TEXT},
        )
        return None

    def read_trait(self, raw: object, field: Field, op: str, path: str) -> Any:
        """Text, number or flag; an order needs a number, a search in text needs a text."""
        if op in ("lt", "lte", "gt", "gte"):
            return self.read_number(raw, Field(field.name, "", "", Kind.NUMBER), path)
        if op == "contains" or isinstance(raw, str):
            return self.read_text(raw, path)
        if isinstance(raw, bool):
            return raw
        number = as_number(raw)
        if number is None:
            self.refuse(
                path,
                "type",
                _("%(value)s does not fit %(field)s. Give a text, a number, true or false.")
                % {"value": shown(raw), "field": field.name},
            )
        return number

    def read_moment(self, raw: object, path: str) -> Period | None:
        period = as_period(raw) if isinstance(raw, str) else None
        if period is None:
            self.refuse(
                path,
                "moment",
                _("%(value)s is no date. Give one such as 2026-11-24 or 2026-11-24T10:00:00+01:00.")
                % {"value": shown(raw)},
            )
        return period


def shapes() -> str:
    return _("Give one of %(shapes)s.") % {
        "shapes": '{"all": […]}, {"any": […]}, {"not": {…}}, {"field": …, "op": …, "value": …}'
    }


def as_number(raw: object) -> Decimal | None:
    """An exact number of moderate size, or None."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw) or abs(raw) >= MAX_NUMBER:
        return None
    return Decimal(str(raw))


def is_encodable(text: str) -> bool:
    """False for lone surrogates, which PostgreSQL cannot store."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def as_period(raw: str) -> Period | None:
    """A date is its whole day in the shop's time zone; a moment without a zone is in the shop's."""
    zone = timezone.get_default_timezone()
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
        return None  # well written but no such day, such as 2026-02-30
