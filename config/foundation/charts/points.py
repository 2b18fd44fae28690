"""Charts of points: intervals, scatter and calibration."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from config.foundation.charts.spec import (
    PHONE_WIDTH,
    TOP_LEGEND,
    ChartSpec,
    NarrowVariant,
    break_label,
    break_labels,
    build_chart_table,
    build_number_axis,
    build_value_axis,
    format_chart_number,
    summarize_values,
)

# A point's name is left out where it would cover an earlier one: distances as shares of the plot's width and height.
NAME_WIDTH = 0.25
NAME_WIDTH_ON_PHONE = 0.6
NAME_HEIGHT = 0.08


def color_points(highlighted: Sequence[bool]) -> list[str]:
    return ["theme:main" if is_highlighted else "theme:other" for is_highlighted in highlighted]


def build_interval_chart(
    *,
    labels: Sequence[str],
    values: Sequence[float],
    low: Sequence[float | None],
    high: Sequence[float | None],
    texts: Sequence[str],
    highlighted: Sequence[bool],
    x_title: str,
) -> ChartSpec:
    """Return one value per row with its confidence interval; a row without an interval has None."""
    above = [0 if end is None else end - value for value, end in zip(values, high, strict=True)]
    below = [0 if end is None else value - end for value, end in zip(values, low, strict=True)]
    error = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": list(values),
        "y": list(labels),
        "text": list(texts),
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "error_x": error | {"color": "theme:faint", "thickness": 2, "width": 6},
        "marker": {"size": 12, "color": color_points(highlighted)},
    }
    layout = {
        "xaxis": build_value_axis(x_title, [*values, *filter(None, high)]),
        "yaxis": {"autorange": "reversed", "type": "category"},
    }
    narrow: list[NarrowVariant] = [{"below": PHONE_WIDTH, "traces": [{"y": break_labels(labels)}]}]
    return {
        "traces": [trace],
        "layout": layout,
        "narrow": narrow,
        "table": build_chart_table(
            [pgettext("thing", "Name"), x_title, _("Interval")],
            [
                [label, text, "–" if start is None else f"{format_chart_number(start)} – {format_chart_number(end)}"]
                for label, text, start, end in zip(labels, texts, low, high, strict=True)
            ],
        ),
        "summary": summarize_values(labels, values, texts),
    }


def build_point_chart(
    *,
    x: Sequence[float],
    y: Sequence[float],
    labels: Sequence[str],
    highlighted: Sequence[bool],
    x_title: str,
    y_title: str,
    show_names: bool = True,
) -> ChartSpec:
    """Return points with their names; with many points set ``show_names`` to False, and names appear under the pointer."""
    middle = max(x) / 2
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": list(x),
        "y": list(y),
        "text": choose_visible_names(x, y, labels, NAME_WIDTH) if show_names else [""] * len(labels),
        "hovertext": list(labels),
        "textposition": ["top left" if value > middle else "top right" for value in x],
        "textfont": {"size": 11},
        "cliponaxis": False,
        "hovertemplate": "%{hovertext}<br>%{x}, %{y:.4f}<extra></extra>",
        "marker": {"size": 11 if show_names else 8, "color": color_points(highlighted)},
    }
    layout = {
        "margin": {"l": 8, "r": 24, "t": 24, "b": 8},
        "xaxis": build_value_axis(x_title, x),
        "yaxis": build_value_axis(y_title, y),
    }
    rows = zip(labels, map(format_chart_number, x), map(format_chart_number, y), strict=True)
    spec: ChartSpec = {
        "traces": [trace],
        "layout": layout,
        "table": build_chart_table([pgettext("thing", "Name"), x_title, y_title], [list(row) for row in rows]),
        "summary": summarize_values(labels, y, [format_chart_number(value) for value in y]),
    }
    if show_names:
        names = [break_label(name) for name in choose_visible_names(x, y, labels, NAME_WIDTH_ON_PHONE)]
        spec["narrow"] = [{"below": PHONE_WIDTH, "traces": [{"text": names}]}]
    return spec


def choose_visible_names(x: Sequence[float], y: Sequence[float], labels: Sequence[str], name_width: float) -> list[str]:
    """Return the names of the points that no earlier name covers; the others are empty."""
    x_range, y_range = max(x) or 1, max(y) or 1
    visible: list[tuple[float, float]] = []
    names = []
    for point_x, point_y, label in zip(x, y, labels, strict=True):
        position = (point_x / x_range, point_y / y_range)
        is_covered = any(
            abs(visible_position[0] - position[0]) < name_width and abs(visible_position[1] - position[1]) < NAME_HEIGHT
            for visible_position in visible
        )
        names.append("" if is_covered else label)
        if not is_covered:
            visible.append(position)
    return names


def build_calibration_chart(
    *,
    predicted: Sequence[float],
    actual: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    customers: Sequence[int],
    x_title: str,
    y_title: str,
    diagonal_name: str,
    count_title: str = "",
) -> ChartSpec:
    """Return actual against predicted percentages with intervals; on the diagonal both are equal.

    count_title: what ``customers`` counts, by default customers.
    """
    end = min(100, 1.08 * max(*predicted, *high))
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "name": diagonal_name,
        "x": [0, end],
        "y": [0, end],
        "hoverinfo": "skip",
        "line": {"color": "theme:other", "width": 1, "dash": "dot"},
    }
    error: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [top - value for top, value in zip(high, actual, strict=True)],
        "arrayminus": [value - bottom for bottom, value in zip(low, actual, strict=True)],
        "color": "theme:faint",
        "thickness": 1.5,
        "width": 4,
    }
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": list(predicted),
        "y": list(actual),
        "customdata": list(customers),
        "showlegend": False,
        "marker": {"color": "theme:main", "size": 9},
        "hovertemplate": "%{x}% → %{y}% (%{customdata:,d})<extra></extra>",
        "error_y": error,
    }
    axes = {
        "xaxis": build_number_axis(x_title, range=[0, end]),
        "yaxis": build_number_axis(y_title, range=[0, end]),
    }
    texts = [[f"{format_chart_number(value)}%" for value in values] for values in (predicted, actual, low, high)]
    rows = zip(
        *texts[:2], map(" – ".join, zip(*texts[2:], strict=True)), map(format_chart_number, customers), strict=True
    )
    return {
        "traces": [diagonal, points],
        "layout": TOP_LEGEND | axes,
        "table": build_chart_table(
            [x_title, y_title, _("Interval"), count_title or _("Customers")], [list(row) for row in rows]
        ),
        "summary": summarize_values(texts[0], actual, texts[1]),
    }
