"""Charts over time: a number per day, the history of a probability, and the history of a state such as the lifecycle stage."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    Layout,
    Trace,
    build_chart_table,
    build_day_axis,
    build_value_axis,
    format_chart_number,
    format_chart_time,
    get_hover_day_format,
    summarize_values,
)

DAY_MS = 86_400_000
MAX_DAY_TICKS = 6


def build_line_chart(*, days: Sequence[str], values: Sequence[float], name: str) -> ChartSpec:
    """Return a number over time, one point per day or per week; days: ISO dates, ascending."""
    tick_days = compute_tick_days(days)
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(days),
        "y": list(values),
        "line": {"color": "theme:main", "width": 2},
        "hovertemplate": f"%{{x|{get_hover_day_format()}}}: %{{y:,}}<extra></extra>",
    }
    layout = {
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "xaxis": build_day_axis(tick0=days[0] if days else None, dtick=tick_days * DAY_MS),
        "yaxis": build_value_axis(name, values),
    }
    labels, texts = [format_chart_time(day) for day in days], [format_chart_number(value) for value in values]
    return {
        "traces": [line],
        "layout": layout,
        "table": build_chart_table([_("Day"), name], [list(row) for row in zip(labels, texts, strict=True)][::-1]),
        "summary": summarize_values(labels, values, texts),
    }


def compute_tick_days(days: Sequence[str]) -> int:
    """Return the days between two ticks: a multiple of the smallest gap between two points, so that each tick is at a possible point."""
    dates = [date.fromisoformat(day[:10]) for day in days]
    gap = min(((later - earlier).days for earlier, later in pairwise(dates)), default=1) or 1
    points = (dates[-1] - dates[0]).days // gap + 1 if dates else 1
    return gap * max(1, -(-points // MAX_DAY_TICKS))


def build_probability_history(
    *, times: Sequence[str], percentages: Sequence[float], name: str, marks: Sequence[str], marks_name: str
) -> ChartSpec:
    """Return a probability in percent over time, with marks of events below it."""
    curve = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(times),
        "y": list(percentages),
        "line": {"color": "theme:main", "width": 2},
        "hovertemplate": f"%{{x|{get_hover_day_format()}}}: %{{y}}%<extra></extra>",
    }
    axis = {"range": [0, 102], "ticksuffix": "%", "nticks": 6}
    labels, texts = (
        [format_chart_time(at) for at in times],
        [f"{format_chart_number(share)}%" for share in percentages],
    )
    return {
        "traces": [curve, *build_marks(marks, marks_name)],
        "layout": build_history_layout(axis, has_marks=bool(marks)),
        "table": build_chart_table([_("Time"), name], [list(row) for row in zip(labels, texts, strict=True)][::-1]),
        "summary": summarize_values(labels, percentages, texts),
    }


def build_state_history(
    *,
    states: Sequence[str],
    times: Sequence[str],
    values: Sequence[str],
    texts: Sequence[str],
    end: str,
    name: str,
    marks: Sequence[str],
    marks_name: str,
) -> ChartSpec:
    """Return the states of a customer over time as steps, with marks of events below them.

    Args:
        states: all states from the bottom to the top. values: the states that began at ``times``, oldest first. texts: why.
        end: the time until which the last state is drawn.
    """
    steps = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [*times, end],
        "y": [*values, values[-1]],
        "text": [*texts, texts[-1]],
        "line": {"shape": "hv", "width": 2, "color": "theme:main"},
        "hovertemplate": f"%{{x|{get_hover_day_format()}}}<br>%{{y}}: %{{text}}<extra></extra>",
    }
    axis = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(states),
        "range": [-0.5, len(states) - 0.5],
    }
    labels = [format_chart_time(at) for at in times]
    rows = [list(row) for row in zip(labels, values, texts, strict=True)]
    return {
        "traces": [steps, *build_marks(marks, marks_name)],
        "layout": build_history_layout(axis, has_marks=bool(marks)),
        "table": build_chart_table([_("Time"), name, pgettext("stage", "Reason")], rows[::-1]),
        "summary": _("%(count)s changes. Since %(time)s: %(state)s.")
        % {"count": format_chart_number(len(values)), "time": labels[-1], "state": values[-1]},
    }


def build_marks(times: Sequence[str], name: str) -> list[Trace]:
    """Return short strokes on an axis of their own, below the plot of `build_history_layout`; nothing without times."""
    if not times:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": list(times),
            "y": [0] * len(times),
            "yaxis": "y2",
            "marker": {"symbol": "line-ns-open", "size": 10, "color": "theme:ink"},
            "hovertemplate": f"%{{x|{get_hover_day_format()}}}<extra></extra>",
        }
    ]


def build_history_layout(axis: dict[str, Any], *, has_marks: bool) -> Layout:
    """Return the layout of a history. The axis of the marks exists only with marks: Plotly places an axis without traces at NaN."""
    layout = TOP_LEGEND | {"xaxis": build_day_axis(nticks=8), "yaxis": axis}
    if has_marks:
        layout["xaxis"]["anchor"] = "y2"
        layout["yaxis"] = {**axis, "domain": [0.1, 1]}
        layout["yaxis2"] = {"visible": False, "domain": [0, 0.06], "fixedrange": True}
    return layout
