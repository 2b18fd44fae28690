"""Bar charts: counts per category, a period with the period before, stacked counts, steps, and actual against predicted values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartBrush,
    ChartSpec,
    build_category_axis,
    build_chart_table,
    build_value_axis,
    format_chart_number,
    summarize_values,
)

# Neighbors differ in lightness and every series has its own pattern, so that the series can be distinguished in grayscale.
STACK_COLORS = ("#117d5c", "#7dd3fc", "#b45309", "#c4b5fd", "#334155", "#bef264", "#0e7490", "#f9a8d4")
STACK_PATTERNS = ("", "/", ".", "x", "", "-", "\\", "+")


@dataclass(frozen=True)
class Series:
    """The named values of one bar or line series; ``texts`` appear under the pointer, a click on a bar opens its link."""

    name: str
    values: Sequence[float]
    texts: Sequence[str] = ()
    links: Sequence[str] = ()

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The texts and links of the table."""
        texts = self.texts or [format_chart_number(value) for value in self.values]
        return list(zip(texts, self.links or [""] * len(texts), strict=True))


def build_bar_chart(
    *,
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    links: Sequence[str] = (),
    colors: Sequence[str] = (),
    x_title: str = "",
    y_title: str = "",
    horizontal: bool = False,
    brush: ChartBrush | None = None,
) -> ChartSpec:
    """Return one bar per label, with its text on it.

    Args:
        links: the address that a click on a bar opens.
        colors: the color of each bar; otherwise all have the main color.
        brush: what dragging over several bars opens.
    """
    trace: dict[str, Any] = {
        "type": "bar",
        "customdata": list(links),
        "text": list(texts),
        "cliponaxis": False,
        "marker": {"color": list(colors) or "theme:main"},
    }
    numbers = build_value_axis(x_title if horizontal else y_title, values)
    if horizontal:
        trace |= {"orientation": "h", "x": list(values), "y": list(labels), "textposition": "auto"}
        trace |= {"hovertemplate": "%{y}: %{text}<extra></extra>", "constraintext": "none", "textangle": 0}
        layout = {"margin": {"l": 8, "r": 40, "t": 8, "b": 8}, "xaxis": numbers}
        layout |= {"yaxis": build_category_axis(y_title, autorange="reversed")}
        x_title, y_title = y_title, x_title
    else:
        trace |= {"x": list(labels), "y": list(values), "textposition": "outside"}
        trace |= {"hovertemplate": "%{x}: %{text}<extra></extra>"}
        layout = {"margin": {"l": 8, "r": 12, "t": 20, "b": 8}, "xaxis": build_category_axis(x_title), "yaxis": numbers}
    cells = zip(labels, texts, links or [""] * len(labels), strict=True)
    spec: ChartSpec = {
        "traces": [trace],
        "layout": layout,
        "table": build_chart_table(
            [x_title, y_title or _("Value")], [[label, (text, link)] for label, text, link in cells]
        ),
        "summary": summarize_values(labels, values, texts),
    }
    if brush:
        spec["brush"] = brush
    return spec


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
    axes = {"xaxis": build_category_axis(nticks=7), "yaxis": build_value_axis("", [*now.values, *before.values])}
    rows = zip(labels, Series(now.name, now.values, now.texts, links).cells, before.cells, strict=True)
    return {
        "traces": [bars, line],
        "layout": TOP_LEGEND | axes,
        "table": build_chart_table([_("Day"), now.name, before.name], [list(row) for row in rows]),
        "summary": summarize_values(labels, now.values, [text for text, _link in now.cells]),
    }


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
            "marker": {"color": color, **({} if lines or color == "theme:main" else {"pattern": {"shape": "/"}})},
        }
        traces.append(trace | ({"mode": "lines", "line": {"color": color, "width": 2, "dash": dash}} if lines else {}))
    axes = {
        "xaxis": build_category_axis(x_title, nticks=8),
        "yaxis": build_value_axis(y_title, [*actual.values, *predicted.values]),
    }
    rows = zip(labels, actual.cells, predicted.cells, strict=True)
    return {
        "traces": traces,
        "layout": TOP_LEGEND | axes,
        "table": build_chart_table([x_title, actual.name, predicted.name], [list(row) for row in rows]),
        "summary": summarize_values(labels, actual.values, [text for text, _link in actual.cells]),
    }


def build_stacked_chart(
    *, labels: Sequence[str], series: Sequence[Series], x_title: str, ticks: int = 8, warning: str = ""
) -> ChartSpec:
    """Return bars of several series on top of each other.

    Args:
        ticks: how many labels the axis has at most. warning: the name of a series that is drawn in the color of errors.
    """
    traces = []
    for position, line in enumerate(series):
        is_warning = line.name == warning
        color = "theme:warning" if is_warning else STACK_COLORS[position % len(STACK_COLORS)]
        shape = "x" if is_warning else STACK_PATTERNS[position % len(STACK_PATTERNS)]
        traces.append(
            {
                "type": "bar",
                "name": line.name,
                "x": list(labels),
                "y": list(line.values),
                "customdata": list(line.links),
                "hovertemplate": "%{x}: %{y:,d}<extra>%{fullData.name}</extra>",
                "marker": {"color": color, "pattern": {"shape": shape, "solidity": 0.25}},
            }
        )
    totals = [sum(values) for values in zip(*(line.values for line in series), strict=True)]
    axes = {"xaxis": build_category_axis(x_title, nticks=ticks, tickangle=0), "yaxis": build_value_axis("", totals)}
    return {
        "traces": traces,
        "layout": {"barmode": "stack", "bargap": 0.1} | TOP_LEGEND | axes,
        "table": build_chart_table(
            [x_title, *(line.name for line in series)],
            [[label, *cells] for label, *cells in zip(labels, *(line.cells for line in series), strict=True)],
        ),
        "summary": summarize_values(labels, totals, [format_chart_number(total) for total in totals]),
    }


def build_funnel_chart(*, labels: Sequence[str], values: Sequence[float], title: str, value_title: str) -> ChartSpec:
    """Return a bar per step, centered, with its share of the first step."""
    trace = {
        "type": "funnel",
        "y": list(labels),
        "x": list(values),
        "texttemplate": "%{value:,d}<br>%{percentInitial:.0%}",
        "hovertemplate": "%{y}: %{value:,d}<extra></extra>",
        "textposition": "auto",
        "marker": {"color": "theme:main"},
        "connector": {"fillcolor": "theme:grid", "line": {"width": 0}},
    }
    texts = [format_chart_number(value) for value in values]
    return {
        "traces": [trace],
        "layout": {"yaxis": {"type": "category"}},
        "table": build_chart_table([title, value_title], [list(row) for row in zip(labels, texts, strict=True)]),
        "summary": summarize_values(labels, values, texts),
    }
