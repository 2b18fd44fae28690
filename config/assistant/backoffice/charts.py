"""The chart and the table of an answer."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.assistant.metrics.metric import MetricRow, NamedMetric, Unit
from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.charts.bars import Series, build_bar_chart, build_stacked_chart
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import (
    NO_VALUE,
    format_count,
    format_money,
    format_percent,
    format_whole_money,
    round_for_reading,
)
from customers.analytics.expressions.periods import PeriodUnit
from recommendations.outcomes.backoffice.labels import label_period, label_short

MIN_BARS = 2
MAX_BARS = 30
BIG_AMOUNT = 1000


def format_value(value: float | None, unit: Unit, currency: str) -> str:
    """Return a value as the page shows it."""
    if value is None:
        return NO_VALUE
    if unit == Unit.MONEY:
        return format_whole_money(value, currency) if abs(value) >= BIG_AMOUNT else format_money(value, currency)
    if unit == Unit.SHARE:
        return format_percent(value)
    return format_count(round(value)) if unit == Unit.COUNT else str(round_for_reading(value))


def label_row(row: MetricRow, interval: str) -> str:
    """Return the period of a row, with an asterisk if it is not complete; empty without one."""
    return "" if row.start is None else label_short(row.start, get_unit(interval), is_complete=row.is_complete)


def get_unit(interval: str) -> PeriodUnit:
    return PeriodUnit(interval or "month")


def label_start(start: date, interval: str) -> str:
    return label_period(start, get_unit(interval))


def build_chart(rows: Sequence[MetricRow], metric: NamedMetric, interval: str, currency: str) -> ChartSpec | None:
    """Return bars by group or by period, or stacked bars by both; None for a single value."""
    shown = [row for row in rows if row.value is not None]
    periods = list(dict.fromkeys(row.start for row in shown if row.start is not None))
    groups = list(dict.fromkeys(row.label for row in shown))
    if len(periods) >= MIN_BARS and len(groups) >= MIN_BARS:
        if metric.unit in (Unit.SHARE, Unit.NUMBER):
            return None  # shares of groups do not add up; the table shows them
        return build_group_chart(shown, periods, groups, metric, interval, currency)
    if len(shown) < MIN_BARS or (len(shown) > MAX_BARS and not periods):
        return None
    is_time = len(periods) >= MIN_BARS
    return build_bar_chart(
        labels=[label_row(row, interval) if is_time else row.label for row in shown],
        values=[float(row.value or 0) for row in shown],
        texts=[format_value(row.value, metric.unit, currency) for row in shown],
        x_title=str(metric.label) if not is_time else _("Period"),
        y_title=str(metric.label) if is_time else "",
        horizontal=not is_time,
    )


def build_group_chart(
    rows: Sequence[MetricRow],
    periods: Sequence[date | None],
    groups: Sequence[str],
    metric: NamedMetric,
    interval: str,
    currency: str,
) -> ChartSpec:
    values = {(row.start, row.label): float(row.value or 0) for row in rows}
    labels = {row.start: label_row(row, interval) for row in rows}
    return build_stacked_chart(
        labels=[labels[period] for period in periods],
        series=[
            Series(
                group,
                [values.get((period, group), 0.0) for period in periods],
                [format_value(values.get((period, group), 0.0), metric.unit, currency) for period in periods],
            )
            for group in groups
        ],
        x_title=_("Period"),
    )


def build_answer_table(
    request: HttpRequest, rows: Sequence[MetricRow], metric: NamedMetric, interval: str, currency: str
) -> Table:
    """Return the rows as a table, the latest period first."""
    columns = []
    if any(row.start is not None for row in rows):
        columns.append(Column(key="period", label=gettext_lazy("Period"), align="text"))
    if any(row.label for row in rows):
        columns.append(Column(key="group", label=gettext_lazy("Group"), align="text"))
    columns.append(Column(key="value", label=metric.label))
    if any(row.people is not None for row in rows):
        columns.append(Column(key="people", label=gettext_lazy("Out of")))

    def format_row(row: MetricRow) -> dict[str, Any]:
        return {
            "period": label_row(row, interval),
            "group": row.label,
            "value": Cell(format_value(row.value, metric.unit, currency)),
            "people": format_count(row.people),
        }

    ordered = sorted(rows, key=lambda row: row.start or date.min, reverse=True)
    return build_table(
        request,
        ordered,
        id="answer_table",
        label=metric.label,
        columns=columns,
        format_row=format_row,
        page_size=25,
    )
