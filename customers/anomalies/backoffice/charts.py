"""The chart of a metric: values, the range that was expected, and unusual days."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_chart_table,
    build_day_axis,
    build_value_axis,
    format_chart_time,
    get_hover_day_format,
)
from customers.anomalies.backoffice.texts import AnomalyTexts
from customers.anomalies.metrics import Format, Metric
from customers.anomalies.models import DayState, MetricDay


def build_metric_chart(metric: Metric, days: Sequence[MetricDay], texts: AnomalyTexts) -> ChartSpec:
    """Return values as a line, the expected range as a band, unusual days as points."""
    factor = 100 if metric.format == Format.PERCENT else 1
    digits = {Format.COUNT: 0, Format.WHOLE_MONEY: 0}.get(metric.format, 2)

    def scale(values: Sequence[float | None]) -> list[float | None]:
        return [None if value is None else round(factor * value, digits) for value in values]

    times = [day.day.isoformat() for day in days]
    values, low, high = (scale([getattr(day, name) for day in days]) for name in ("value", "low", "high"))
    unusual = [
        value if day.state in (DayState.UNUSUAL, DayState.MISSING) else None
        for day, value in zip(days, values, strict=True)
    ]
    label = f"{metric.label} (%)" if factor == 100 else str(metric.label)
    band: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": times, "line": {"width": 0}, "hoverinfo": "skip"}
    hover = f"%{{x|{get_hover_day_format()}}}: %{{y:,}}<extra></extra>"
    line: dict[str, Any] = {"type": "scatter", "x": times, "hovertemplate": hover}
    traces: list[dict[str, Any]] = [
        band | {"name": _("Lower bound"), "y": low, "showlegend": False},
        band | {"name": _("Expected range"), "y": high, "fill": "tonexty", "fillcolor": "#117d5c~cell"},
        line | {"name": label, "mode": "lines", "y": values, "line": {"color": "theme:main", "width": 2}},
        line | {
            "name": _("Unusual"),
            "mode": "markers",
            "y": unusual,
            "marker": {"color": "#d9480f", "size": 10, "symbol": "diamond"},
        },
    ]  # fmt: skip
    known = [value for value in [*values, *low, *high] if value is not None]
    layout = TOP_LEGEND | {"xaxis": build_day_axis(), "yaxis": build_value_axis(label, known or [0])}
    if metric.format == Format.STARS and known:
        layout["yaxis"] |= {"rangemode": "normal"}
    return {
        "traces": traces,
        "layout": layout,
        "table": build_chart_table(
            [_("Day"), str(metric.label), _("Expected range"), _("State")],
            [list_row(metric, day, texts) for day in reversed(days)],
        ),
        "summary": _("%(count)s unusual days.") % {"count": sum(value is not None for value in unusual)},
    }


def list_row(metric: Metric, day: MetricDay, texts: AnomalyTexts) -> list[str]:
    return [
        format_chart_time(day.day.isoformat()),
        texts.format(metric, day.value),
        format_range(metric, day.low, day.high, texts),
        str(DayState(day.state).label),
    ]


def format_range(metric: Metric, low: float | None, high: float | None, texts: AnomalyTexts) -> str:
    if low is None and high is None:
        return "–"
    return f"{texts.format(metric, low)} – {texts.format(metric, high)}"
