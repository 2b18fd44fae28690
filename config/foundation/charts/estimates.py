"""Lines of shares or estimates per period, each point with its interval if it has one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from config.foundation.charts.bars import STACK_COLORS
from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_category_axis,
    build_chart_table,
    build_value_axis,
    summarize_values,
)

DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class EstimateLine:
    """A line: its values by period (None where there is none), their texts and links, and their intervals."""

    name: str
    values: Sequence[float | None]
    texts: Sequence[str]
    links: Sequence[str]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


def build_estimate_lines(
    *,
    periods: Sequence[str],
    lines: Sequence[EstimateLine],
    period_title: str,
    value_title: str,
    limits: tuple[float, float] | None = None,
) -> ChartSpec:
    """Return a line per group, oldest period first; the table has the latest first.

    limits: of the axis; by default it begins at 0.
    """
    traces = [build_line(line, periods, number) for number, line in enumerate(lines)]
    everything = [value for line in lines for value in (*line.values, *line.high) if value is not None]
    axis = build_value_axis(value_title, everything or [0])
    if limits is not None:
        axis = axis | {"range": list(limits), "rangemode": "normal"}
    rows: list[list[str | tuple[str, str]]] = [
        [period, *((line.texts[position], line.links[position]) for line in lines)]
        for position, period in enumerate(periods)
    ]
    first = [value or 0.0 for value in lines[0].values] if lines else []
    return {
        "traces": traces,
        "layout": {
            "margin": {"l": 8, "r": 12, "t": 24, "b": 8},
            "xaxis": build_category_axis(nticks=7),
            "yaxis": axis,
            **(TOP_LEGEND if len(lines) > 1 else {}),
        },
        "table": build_chart_table([period_title, *(line.name for line in lines)], rows[::-1]),
        "summary": summarize_values(periods, first, lines[0].texts if lines else []),
    }


def build_line(line: EstimateLine, periods: Sequence[str], number: int) -> dict[str, Any]:
    """Return the trace of a line; lines differ in color and dashes."""
    color = STACK_COLORS[number % len(STACK_COLORS)] if number else "theme:main"
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": line.name,
        "x": list(periods),
        "y": [None if value is None else round(value, 4) for value in line.values],
        "customdata": list(line.links),
        "text": list(line.texts),
        "hovertemplate": "%{x}: %{text}<extra>%{fullData.name}</extra>",
        "line": {"color": color, "width": 2, "dash": DASHES[number % len(DASHES)]},
        "marker": {"color": color, "size": 7},
    }
    if line.low:
        ends = list(zip(line.values, line.low, line.high, strict=True))
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [0 if value is None or high is None else round(high - value, 4) for value, _low, high in ends],
            "arrayminus": [0 if value is None or low is None else round(value - low, 4) for value, low, _high in ends],
            "color": "theme:faint",
            "thickness": 2,
            "width": 6,
        }
    return trace
