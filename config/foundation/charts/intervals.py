"""Charts of estimates with confidence intervals over periods."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from config.foundation.charts.spec import (
    ChartSpec,
    build_category_axis,
    build_chart_table,
    build_value_axis,
    summarize_values,
)


def build_effect_history(
    *,
    periods: Sequence[str],
    values: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    texts: Sequence[str],
    intervals: Sequence[str],
    period_title: str,
    value_title: str,
) -> ChartSpec:
    """Return one effect per period with its interval, and a line at 0; an interval that contains 0 is lighter.

    texts, intervals: the effects and their intervals as the pointer and the table show them.
    """
    is_clear = [start > 0 or end < 0 for start, end in zip(low, high, strict=True)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": list(periods),
        "y": list(values),
        "text": [f"{text} ({interval})" for text, interval in zip(texts, intervals, strict=True)],
        "hovertemplate": "%{x}: %{text}<extra></extra>",
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [end - value for value, end in zip(values, high, strict=True)],
            "arrayminus": [value - start for value, start in zip(values, low, strict=True)],
            "color": "theme:faint",
            "thickness": 2,
            "width": 6,
        },
        "marker": {
            "size": 12,
            "color": ["theme:main" if clear else "theme:other" for clear in is_clear],
            "symbol": ["circle" if clear else "circle-open" for clear in is_clear],
        },
    }
    return {
        "traces": [trace],
        "layout": {
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "xaxis": build_category_axis(),
            "yaxis": build_value_axis(value_title, [*low, *high]) | {"zeroline": True, "zerolinewidth": 2},
        },
        "table": build_chart_table(
            [period_title, value_title, _("95% interval")],
            [list(row) for row in zip(periods, texts, intervals, strict=True)],
        ),
        "summary": summarize_values(periods, values, texts),
    }
