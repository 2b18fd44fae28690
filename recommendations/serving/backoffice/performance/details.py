"""Formats the report of one placement: its positions with charts, and its model versions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.charts import build_interval_chart, build_point_chart
from config.foundation.number_formats import NO_VALUE, format_count, format_money, format_percent
from recommendations.engine.evaluation import ConfidenceInterval
from recommendations.placement_labels import get_placement_label
from recommendations.serving.backoffice.automated_decisions import SIMULATED
from recommendations.serving.impressions.models import PositionBias
from recommendations.serving.impressions.performance import (
    PerformanceFigures,
    PlacementPerformance,
    PositionPerformance,
    VersionPerformance,
    sum_figures,
)
from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label, is_algorithm

MAX_SHOWN_POSITIONS = 20  # lower positions are combined into one row


def format_placement(placement: PlacementPerformance) -> dict[str, Any]:
    """Return the rows of the positions with their charts."""
    first = [row for row in placement.positions if row.position <= MAX_SHOWN_POSITIONS]
    others = [row.figures for row in placement.positions if row.position > MAX_SHOWN_POSITIONS]
    rows = [format_position(row) for row in first]
    if others:
        rows.append(
            {"name": _("after %(position)d") % {"position": MAX_SHOWN_POSITIONS}, **format_figures(sum_figures(others))}
        )
    return {
        "name": get_placement_label(placement.scenario),
        "method": str(PositionBias.Method(placement.method).label) if placement.method else "",
        "rows": rows,
        "charts": build_charts(first),
    }


def format_position(position: PositionPerformance) -> dict[str, Any]:
    return {
        "name": number_format(position.position),
        "examination": NO_VALUE if position.examination is None else format_percent(position.examination, 0),
        **format_figures(position.figures),
    }


def format_version(version: VersionPerformance) -> dict[str, Any]:
    return {
        "placement": get_placement_label(version.scenario),
        "version": version.model_version or NO_VALUE,
        "strategy": get_strategy_label(version.strategy),
        "estimate": format_rate(version.estimate),
        "estimate_interval": format_interval(version.estimate),
        **format_figures(version.figures),
    }


def get_strategy_label(strategy: str) -> str:
    """Return the name of a strategy, which is an algorithm, a placement or a simulation; its key if it has none."""
    if strategy == SIMULATED:
        return _("simulated")
    return get_algorithm_label(strategy) if is_algorithm(strategy) else get_placement_label(strategy)


def format_figures(figures: PerformanceFigures) -> dict[str, Any]:
    return {
        "shown": format_count(figures.shown),
        "clicked": format_count(figures.clicked),
        "carted": format_count(figures.carted),
        "orders": format_count(figures.orders),
        "revenue": format_revenue(figures.revenue),
        "rate": format_rate(figures.click_rate),
        "interval": format_interval(figures.click_rate),
    }


def build_charts(positions: list[PositionPerformance]) -> list[dict[str, Any]]:
    """Return the charts of click-through rate and examination probability by position."""
    rates = [(row.position, row.figures.click_rate) for row in positions]
    clicked = [(position, rate) for position, rate in rates if rate is not None]
    charts = [
        {
            "id": "clicks-by-position",
            "title": _("Click-through rate by position"),
            "spec": build_interval_chart(
                labels=[str(position) for position, _rate in clicked],
                values=[rate.value for _position, rate in clicked],
                low=[rate.low for _position, rate in clicked],
                high=[rate.high for _position, rate in clicked],
                highlighted=[True] * len(clicked),
                texts=[f"{format_rate(rate)} ({format_interval(rate)})" for _position, rate in clicked],
                x_title=_("Click-through rate"),
            ),
        }
    ]
    examined = [(row.position, row.examination) for row in positions if row.examination is not None]
    if examined:
        charts.append(
            {
                "id": "examined-by-position",
                "title": _("Examination probability relative to the first position"),
                "spec": build_point_chart(
                    labels=[f"{position}: {format_percent(value, 0)}" for position, value in examined],
                    x=[position for position, _value in examined],
                    y=[value for _position, value in examined],
                    highlighted=[True] * len(examined),
                    x_title=_("Position"),
                    y_title=_("Examination probability"),
                    show_names=False,
                ),
            }
        )
    return charts


def format_rate(rate: ConfidenceInterval | None) -> str:
    return NO_VALUE if rate is None else format_percent(rate.value, 2)


def format_interval(rate: ConfidenceInterval | None) -> str:
    return NO_VALUE if rate is None else f"{format_percent(rate.low, 2)} – {format_percent(rate.high, 2)}"


def format_revenue(revenue: Mapping[str, Decimal]) -> str:
    """Return the amounts of all currencies, such as €30.00 + $5.00."""
    amounts = [format_money(amount, currency) for currency, amount in sorted(revenue.items())]
    return " + ".join(amounts) or NO_VALUE
