"""What is entered in a builder, as nested values by field name: ``steps.0.filters.1.property`` is draft["steps"][0]["filters"][1]["property"]."""

import csv
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from customers.analytics.backoffice.building.vocabulary_choices import ANY, MEANING, NAME
from customers.analytics.expressions.matching import (
    MAX_FILTERS,
    MAX_TEXT,
    NUMBER_OPERATORS,
    TEXT_OPERATORS,
    EventMatch,
    check_property,
    format_value,
)
from customers.analytics.expressions.parameters import ParameterError, parse_parameters
from customers.events.event_taxonomy import Meaning

type Draft = dict[str, Any]

MAX_PARTS, MAX_ROWS = 5, 50
WITHOUT_VALUE = ("is_set", "is_not_set")
NO_NAMES = ("ask", "change", "report", "csrfmiddlewaretoken")


@dataclass
class FieldErrors:
    """What is wrong, by the name of the field."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        self.texts.setdefault(name, text)

    def __bool__(self) -> bool:
        return bool(self.texts)


def read_draft(parameters: QueryDict) -> Draft:
    """Return the nested values of a submitted form; names that no form has are left out."""
    root: Draft = {}
    for name, value in parameters.items():
        parts = name.split(".")
        if name in NO_NAMES or len(parts) > MAX_PARTS:
            continue
        node: MutableMapping[str, Any] = root
        for part in parts[:-1]:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                break
            node = child
        else:
            node[parts[-1]] = str(value).replace("\0", "")
    return {name: _make_lists(value) for name, value in root.items()}


def _make_lists(value: Any) -> Any:
    """Return nested values in which numbered entries have become lists."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() and len(key) <= 3 for key in value):
        return [_make_lists(value[key]) for key in sorted(value, key=int)][:MAX_ROWS]
    return {key: _make_lists(child) for key, child in value.items()}


def get_rows(draft: Mapping[str, Any], name: str) -> list[Draft]:
    """Return the rows of a list; empty if it is something else."""
    rows = draft.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def get_row(draft: Mapping[str, Any], name: str) -> Draft:
    row = draft.get(name)
    return row if isinstance(row, dict) else {}


def get_text(draft: Mapping[str, Any], name: str, default: str = "") -> str:
    value = draft.get(name, default)
    return value.strip() if isinstance(value, str) else default


def get_number(draft: Mapping[str, Any], name: str, errors: FieldErrors, *, low: int, high: int, default: int) -> int:
    """Return a whole number between two limits; another value is an error."""
    text = get_text(draft, name) or str(default)
    if text.isdecimal() and len(text) < 10 and low <= int(text) <= high:
        return int(text)
    errors.add(name, _("Enter a whole number from %(low)s to %(high)s.") % {"low": low, "high": high})
    return default


def change_rows(draft: Draft, change: str) -> Draft:
    """Return the draft with a row added ("add:steps") or removed ("remove:steps.1")."""
    action, _colon, path = change.partition(":")
    parts = path.split(".")
    if action not in ("add", "remove") or not path:
        return draft
    number = parts.pop() if action == "remove" else ""
    node: Any = draft
    for part in parts[:-1]:
        node = _step_into(node, part)
    if not isinstance(node, dict):
        return draft
    rows = node.get(parts[-1]) if parts else None
    rows = rows if isinstance(rows, list) else []
    if action == "add" and parts and len(rows) < MAX_ROWS:
        node[parts[-1]] = [*rows, {}]
    elif number.isdecimal() and len(number) < 10 and int(number) < len(rows):
        node[parts[-1]] = rows[: int(number)] + rows[int(number) + 1 :]
    return draft


def _step_into(node: Any, part: str) -> Any:
    if isinstance(node, list):
        return node[int(part)] if part.isdecimal() and len(part) < 10 and int(part) < len(node) else None
    return node.setdefault(part, {}) if isinstance(node, dict) else None


def read_event(row: Mapping[str, Any], prefix: str, errors: FieldErrors) -> dict[str, Any]:
    """Return an event with its conditions as JSON values; what is wrong is added to the errors."""
    event: dict[str, Any] = {}
    choice = get_text(row, "event")
    if choice.startswith(MEANING) and choice.removeprefix(MEANING) in Meaning:
        event["meaning"] = choice.removeprefix(MEANING)
    elif choice.startswith(NAME) and len(choice) <= MAX_TEXT:
        event["name"] = choice.removeprefix(NAME)
    elif choice != ANY:
        errors.add(f"{prefix}.event", _("Choose an event."))
    filters = get_rows(row, "filters")
    if len(filters) > MAX_FILTERS:
        errors.add(f"{prefix}.event", _("Use at most %(count)s conditions.") % {"count": MAX_FILTERS})
    event["filters"] = [
        read_filter(condition, f"{prefix}.filters.{number}", errors)
        for number, condition in enumerate(filters[:MAX_FILTERS])
    ]
    return event


def read_filter(row: Mapping[str, Any], prefix: str, errors: FieldErrors) -> dict[str, Any]:
    """Return a condition on a property as JSON values."""
    name, op, text = get_text(row, "property"), get_text(row, "op", "eq"), get_text(row, "value")
    try:
        check_property("property", name)
    except ParameterError:
        errors.add(f"{prefix}.property", _("Choose a property."))
    if op not in TEXT_OPERATORS + NUMBER_OPERATORS:
        op = "eq"
    condition: dict[str, Any] = {"property": name, "op": op}
    if op in WITHOUT_VALUE:
        return condition
    if not text:
        errors.add(f"{prefix}.value", _("Enter a value."))
    if len(text) > MAX_TEXT:
        errors.add(f"{prefix}.value", _("Enter at most %(count)s characters.") % {"count": MAX_TEXT})
    if op in ("in", "not_in"):
        return condition | {"value": split_values(text)}
    if op in NUMBER_OPERATORS:
        return condition | {"value": read_number(text, f"{prefix}.value", errors)}
    return condition | {"value": text}


def read_number(text: str, name: str, errors: FieldErrors) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e15:  # also for “nan”
        errors.add(name, _("Enter a number, such as 10 or 2.5."))
        return 0.0
    return number


def match_event(row: Mapping[str, Any], *, with_filters: bool = False) -> EventMatch:
    """Return what a row selects so far; every event while it is incomplete."""
    event = read_event(row, "", FieldErrors())
    if not with_filters:
        event.pop("filters")
    try:
        return parse_parameters(EventMatch, event)
    except ParameterError:
        return EventMatch()


def draft_event(event: Mapping[str, Any] | None) -> Draft:
    """Return the row of an event that is given as JSON values."""
    if event is None:
        return {"event": ""}
    choice = f"{MEANING}{event['meaning']}" if event.get("meaning") else ANY
    if event.get("name"):
        choice = f"{NAME}{event['name']}"
    return {"event": choice, "filters": [draft_filter(condition) for condition in event.get("filters", ())]}


def draft_filter(condition: Mapping[str, Any]) -> Draft:
    value = condition.get("value", "")
    text = join_values(value) if isinstance(value, list | tuple) else format_value(value)
    return {"property": condition["property"], "op": condition.get("op", "eq"), "value": text}


def split_values(text: str) -> list[str]:
    """Return the values of a list that is separated by commas; values in double quotes can contain commas."""
    return [value for part in next(csv.reader([text], skipinitialspace=True), []) if (value := part.strip())]


def join_values(values: Iterable[str | float]) -> str:
    """Return a list as `split_values` reads it."""
    texts = map(format_value, values)
    return ", ".join('"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text for text in texts)
