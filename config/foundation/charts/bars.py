"""Bar charts: counts per category, a period with the period before, and actual against predicted values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from config.foundation.charts.spec import TOP_LEGEND, ChartSpec, build_category_axis, build_number_axis


@dataclass(frozen=True)
class Series:
    """The named values of one bar or line series; ``texts`` appear under the pointer."""

    name: str
    values: Sequence[float]
    texts: Sequence[str] = ()


def build_bar_chart(
    *,
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    links: Sequence[str] = (),
    colors: Sequence[str] = (),
    x_title: str = "",
    y_title: str = "",
    tick_format: str = "~s",
    horizontal: bool = False,
) -> ChartSpec:
    """Return one bar per label, with its text on it.

    Args:
        links: the address that a click on a bar opens.
        colors: the color of each bar; otherwise all have the main color.
        tick_format: the d3 format of the number axis.
    """
    trace: dict[str, Any] = {
        "type": "bar",
        "customdata": list(links),
        "text": list(texts),
        "cliponaxis": False,
        "marker": {"color": list(colors) or "theme:main"},
    }
    numbers = build_number_axis(x_title if horizontal else y_title, ticks=5, tickformat=tick_format)
    if horizontal:
        trace |= {"orientation": "h", "x": list(values), "y": list(labels), "textposition": "auto"}
        trace |= {"hovertemplate": "%{y}: %{text}<extra></extra>", "constraintext": "none", "textangle": 0}
        layout = {"margin": {"l": 8, "r": 40, "t": 8, "b": 8}, "xaxis": numbers}
        return {"traces": [trace], "layout": layout | {"yaxis": build_category_axis(y_title, autorange="reversed")}}
    trace |= {"x": list(labels), "y": list(values), "textposition": "outside"}
    trace |= {"hovertemplate": "%{x}: %{text}<extra></extra>"}
    layout = {"margin": {"l": 8, "r": 12, "t": 20, "b": 8}, "xaxis": build_category_axis(x_title), "yaxis": numbers}
    return {"traces": [trace], "layout": layout}


def build_period_chart(*, labels: Sequence[str], links: Sequence[str], now: Series, before: Series) -> ChartSpec:
    """Return bars of the current period and a dotted line of the period before."""
    bars = {
        "type": "bar",
        "name": now.name,
        "x": list(labels),
        "y": list(now.values),
        "customdata": list(links),
        "text": list(now.texts),
        "textposition": "none",
        "hovertemplate": "%{x}: %{text}<extra>%{fullData.name}</extra>",
        "marker": {"color": "theme:main"},
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": before.name,
        "x": list(labels),
        "y": list(before.values),
        "text": list(before.texts),
        "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
        "line": {"color": "theme:before", "width": 2, "dash": "dot"},
    }
    axes = {"xaxis": build_category_axis(nticks=7), "yaxis": build_number_axis(ticks=5, tickformat="~s")}
    return {"traces": [bars, line], "layout": TOP_LEGEND | axes}


def build_comparison_chart(
    *, labels: Sequence[str], actual: Series, predicted: Series, x_title: str, y_title: str, lines: bool = False
) -> ChartSpec:
    """Return actual and predicted values, as pairs of bars or as two lines."""
    traces = []
    for series, color, dash in ((actual, "theme:main", "solid"), (predicted, "theme:before", "dot")):
        trace = {
            "type": "scatter" if lines else "bar",
            "name": series.name,
            "x": list(labels),
            "y": list(series.values),
            "hovertemplate": "%{x}: %{y}<extra>%{fullData.name}</extra>",
            "marker": {"color": color},
        }
        traces.append(trace | ({"mode": "lines", "line": {"color": color, "width": 2, "dash": dash}} if lines else {}))
    axes = {
        "xaxis": build_category_axis(x_title, nticks=8),
        "yaxis": build_number_axis(y_title, ticks=5, tickformat="~s"),
    }
    return {"traces": traces, "layout": TOP_LEGEND | axes}
