"""The chart of a series: units sold, expected demand and its interval, per day or week."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_chart_table,
    build_day_axis,
    build_value_axis,
    format_chart_number,
    format_chart_time,
    get_hover_day_format,
)
from customers.demand.models import DemandForecast

WEEK_DAYS = 7
HISTORY_DAYS = 91


def sum_weeks(values: list[float]) -> list[float]:
    return [sum(values[start : start + WEEK_DAYS]) for start in range(0, len(values), WEEK_DAYS)]


def build_demand_chart(forecast: DemandForecast, *, by_week: bool) -> ChartSpec:
    """Return the history and the forecast; weeks are counted backward and forward from the first day of the forecast."""
    history, mean, low, high = forecast.history, forecast.mean, forecast.low, forecast.high
    if by_week:
        history = sum_weeks(history[len(history) % WEEK_DAYS :])
        mean, low, high = sum_weeks(mean), forecast.week_low, forecast.week_high
    else:
        history = history[-HISTORY_DAYS:]
    step = WEEK_DAYS if by_week else 1
    past = [str(forecast.start - timedelta(days=step * back)) for back in range(len(history), 0, -1)]
    coming = [str(forecast.start + timedelta(days=step * ahead)) for ahead in range(len(mean))]
    hover = f"%{{x|{get_hover_day_format()}}}: %{{y:,.1f}}<extra></extra>"
    line: dict[str, Any] = {"type": "scatter", "mode": "lines", "hovertemplate": hover}
    edge = {"width": 0}
    traces = [
        line
        | {"name": _("Lower bound"), "x": coming, "y": low, "line": edge, "showlegend": False, "hoverinfo": "skip"},
        line
        | {
            "name": _("80% interval"),
            "x": coming,
            "y": high,
            "line": edge,
            "fill": "tonexty",
            "fillcolor": "#117d5c~cell",
        },
        line | {"name": _("Units sold"), "x": past, "y": history, "line": {"color": "theme:other", "width": 2}},
        line | {"name": _("Expected demand"), "x": coming, "y": mean, "line": {"color": "theme:main", "width": 2}},
    ]
    rows = [
        [format_chart_time(day), "–", format_chart_number(round(value, 1)), f"{round(start)} – {round(end)}"]
        for day, value, start, end in zip(coming, mean, low, high, strict=True)
    ]
    rows += [
        [format_chart_time(day), format_chart_number(round(value, 1)), "–", "–"]
        for day, value in zip(past[::-1], history[::-1], strict=True)
    ]
    first = _("Week starting") if by_week else _("Day")
    total = round(sum(mean))
    return {
        "traces": traces,
        "layout": TOP_LEGEND | {"xaxis": build_day_axis(), "yaxis": build_value_axis(_("Units"), [*history, *high])},
        "table": build_chart_table([first, _("Units sold"), _("Expected demand"), _("80% interval")], rows),
        "summary": _("%(units)s units are expected in the next 28 days.") % {"units": format_chart_number(total)},
    }
