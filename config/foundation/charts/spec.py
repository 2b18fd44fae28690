"""The spec of a chart: Plotly traces and layout, with colors that the browser takes from the theme.

A color is a hexadecimal one, ``theme:NAME`` (main, other, before, ink, faint, scale), or ``#rrggbb~NAME``: that color with
the opacity NAME of the theme (cell, flow). The names are defined in charts.js, for the light and the dark theme.
"""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

type Trace = dict[str, Any]
type Layout = dict[str, Any]

PHONE_WIDTH = 440  # pixels; below it labels are broken into lines
TABLET_WIDTH = 760
MAX_LABEL_CHARACTERS = 14

TOP_LEGEND: Layout = {"showlegend": True, "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}}


class NarrowVariant(TypedDict):
    """Changes to the traces, one per trace, for a chart of less than ``below`` pixels."""

    below: int
    traces: list[Trace]


class ChartSpec(TypedDict):
    """The input of charts.js. A click on a mark opens the URL in the trace's ``customdata``."""

    traces: list[Trace]
    layout: Layout
    narrow: NotRequired[list[NarrowVariant]]


def build_axis_title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8}


def build_number_axis(title: str = "", *, ticks: int = 6, **options: Any) -> dict[str, Any]:
    """Return an axis of numbers that starts at zero."""
    axis: dict[str, Any] = {"rangemode": "tozero", "nticks": ticks, **options}
    return axis | ({"title": build_axis_title(title)} if title else {})


def build_category_axis(title: str = "", **options: Any) -> dict[str, Any]:
    """Return an axis of names."""
    axis: dict[str, Any] = {"type": "category", "showgrid": False, **options}
    return axis | ({"title": build_axis_title(title)} if title else {})


def break_label(label: str) -> str:
    """Break a long label at its spaces, so that it leaves room for the chart on a phone."""
    lines = [""]
    for word in label.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > MAX_LABEL_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def break_labels(labels: Sequence[str]) -> list[str]:
    return [break_label(label) for label in labels]
