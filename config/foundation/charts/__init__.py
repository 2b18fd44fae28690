"""Charts of the back office as Python specs, drawn by ``config/static/backoffice/charts.js``.

A chart is one function that calls the builder of its type and returns the spec. ``CHART_TYPES`` lists the builders.
"""

from config.foundation.charts.bars import (
    build_bar_chart,
    build_comparison_chart,
    build_funnel_chart,
    build_period_chart,
    build_stacked_chart,
)
from config.foundation.charts.grids import build_heatmap, build_radar_chart, build_sankey_chart
from config.foundation.charts.points import (
    build_calibration_chart,
    build_interval_chart,
    build_point_chart,
)
from config.foundation.charts.spec import ChartSpec
from config.foundation.charts.timelines import build_line_chart, build_probability_history, build_state_history

CHART_TYPES = {
    "bar": build_bar_chart,
    "comparison": build_comparison_chart,
    "period": build_period_chart,
    "stacked": build_stacked_chart,
    "funnel": build_funnel_chart,
    "heatmap": build_heatmap,
    "radar": build_radar_chart,
    "sankey": build_sankey_chart,
    "interval": build_interval_chart,
    "line": build_line_chart,
    "point": build_point_chart,
    "calibration": build_calibration_chart,
    "probability history": build_probability_history,
    "state history": build_state_history,
}

__all__ = [
    "CHART_TYPES",
    "ChartSpec",
    "build_bar_chart",
    "build_calibration_chart",
    "build_comparison_chart",
    "build_funnel_chart",
    "build_heatmap",
    "build_interval_chart",
    "build_line_chart",
    "build_period_chart",
    "build_point_chart",
    "build_probability_history",
    "build_radar_chart",
    "build_sankey_chart",
    "build_stacked_chart",
    "build_state_history",
]
