"""The spec of a chart: Plotly traces and layout, with colors that the browser takes from the theme.

A color is a hexadecimal one, ``theme:NAME`` (main, other, before, ink, faint, scale), or ``#rrggbb~NAME``: that color with
the opacity NAME of the theme (cell, flow). The names are defined in charts.js, for the light and the dark theme.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NotRequired, TypedDict

from babel import numbers
from django.utils.translation import gettext as _

from config.foundation.number_formats import (
    format_count,
    format_full_day,
    format_short_number,
    get_reader_locale,
    join_label,
)

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


class ChartCell(TypedDict):
    """A cell of the table behind a chart, with the page that it opens ("": none)."""

    text: str
    url: str


class ChartTable(TypedDict):
    """The figures of a chart as a table; the first cell of a row is its heading."""

    columns: list[str]
    rows: list[list[ChartCell]]


class ChartBrush(TypedDict):
    """What dragging over bars opens: ``url`` with the start of the first bar and the end of the last one as parameters."""

    url: str
    starts: list[dict[str, str]]
    ends: list[dict[str, str]]


class ChartSpec(TypedDict):
    """A chart: what charts.js draws, and its table and its summary for readers who cannot see it.

    A click on a mark opens the URL in the trace's ``customdata``.
    """

    traces: list[Trace]
    layout: Layout
    narrow: NotRequired[list[NarrowVariant]]
    brush: NotRequired[ChartBrush]
    table: NotRequired[ChartTable]
    summary: NotRequired[str]


def build_chart_table(columns: Sequence[str], rows: Sequence[Sequence[str | tuple[str, str]]]) -> ChartTable:
    """Return the table of a chart; a cell is a text, or a text with the page that it opens."""
    return {
        "columns": list(columns),
        "rows": [
            [{"text": cell, "url": ""} if isinstance(cell, str) else {"text": cell[0], "url": cell[1]} for cell in row]
            for row in rows
        ],
    }


def summarize_values(labels: Sequence[str], values: Sequence[float], texts: Sequence[str]) -> str:
    """Return the number of values, the largest and the smallest one in words."""
    if not values:
        return _("No values.")
    largest, smallest = values.index(max(values)), values.index(min(values))
    if len(values) == 1:
        return _("%(text)s.") % {"text": join_label(labels[0], texts[0])}
    return _("%(count)s values. Largest: %(largest)s, %(most)s. Smallest: %(smallest)s, %(least)s.") % {
        "count": format_count(len(values)),
        "largest": labels[largest],
        "most": texts[largest],
        "smallest": labels[smallest],
        "least": texts[smallest],
    }


def format_chart_number(value: float | None) -> str:
    """Return a number with at most three decimals in the reader's language."""
    return "–" if value is None else numbers.format_decimal(value, format="#,##0.###", locale=get_reader_locale())


def format_chart_time(value: str) -> str:
    """Return a day or time of a chart, which is in ISO 8601 and local time, in the reader's language."""
    if len(value) == len("2026-11-24"):
        return format_full_day(date.fromisoformat(value))
    moment = datetime.fromisoformat(value)
    return f"{format_full_day(moment)} {moment:%H:%M}"


def get_hover_day_format() -> str:
    """Return the d3 format of a day under the pointer, in the reader's language."""
    return "%Y年%-m月%-d日" if get_reader_locale().startswith("zh") else "%b %-d, %Y"


def build_day_axis(**options: Any) -> dict[str, Any]:
    """Return an axis of days in the reader's language; the year is below the first day of each year."""
    ticks = "%-m月%-d日\n%Y年" if get_reader_locale().startswith("zh") else "%b %-d\n%Y"
    return {"type": "date", "tickformat": ticks, **options}


def build_axis_title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8}


def build_number_axis(title: str = "", *, ticks: int = 6, **options: Any) -> dict[str, Any]:
    """Return an axis of numbers that starts at zero."""
    axis: dict[str, Any] = {"rangemode": "tozero", "nticks": ticks, **options}
    return axis | ({"title": build_axis_title(title)} if title else {})


def build_value_axis(title: str, values: Sequence[float], *, ticks: int = 5) -> dict[str, Any]:
    """Return an axis of numbers that starts at zero, with round ticks in the reader's language: 1.5K, 1.5万."""
    low, high = min([*values, 0]), max([*values, 0])
    step = choose_tick_step((high - low) / ticks)
    if all(float(value).is_integer() for value in values):
        step = max(step, 1)
    positions = [position * step for position in range(math.floor(low / step), math.ceil(high / step) + 1)]
    texts = [format_short_number(float(f"{position:.12g}")) for position in positions]
    return build_number_axis(title, tickmode="array", tickvals=positions, ticktext=texts)


def choose_tick_step(step: float) -> float:
    """Return the next larger number that is 1, 2 or 5 times a power of ten."""
    if step <= 0:
        return 1
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


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
