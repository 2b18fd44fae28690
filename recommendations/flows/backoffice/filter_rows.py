"""The rows of a form with which the properties of an event are filtered: property, comparison and value."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from recommendations.flows.backoffice.flow_labels import FILTER_LABELS

EMPTY_ROWS = 2
VALUELESS = ("is_set", "is_not_set")


class FilterRowsWidget(forms.Widget):
    """Rows of a property, a comparison and a value; a row without a property is left out."""

    template_name = "admin/flows/filter_rows.html"
    use_fieldset = True

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        rows = [
            {"property": item.get("property", ""), "op": item.get("op", "equals"), "value": format_scalar(item)}
            for item in value or []
            if isinstance(item, Mapping)
        ]
        rows += [{"property": "", "op": "equals", "value": ""}] * EMPTY_ROWS
        context["widget"]["rows"] = rows
        context["widget"]["operators"] = list(FILTER_LABELS.items())
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, Any]]:
        columns = [read_list(data, f"{name}_{part}") for part in ("property", "op", "value")]
        return [
            {"property": prop.strip(), "op": op, **({} if op in VALUELESS else {"value": parse_scalar(value.strip())})}
            for prop, op, value in zip(*columns, strict=False)
            if prop.strip() or value.strip()
        ]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_property" not in data


class FilterRowsField(forms.Field):
    widget = FilterRowsWidget


def read_list(data: Any, name: str) -> Sequence[str]:
    return data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])


def parse_scalar(text: str) -> Any:
    """Return a number, true, false or the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float) and math.isfinite(value) else text


def format_scalar(item: Mapping[str, Any]) -> str:
    value = item.get("value", "")
    return value if isinstance(value, str) else json.dumps(value)
