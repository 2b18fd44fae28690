"""Sessions as a page shows them."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.charts.bars import build_bar_chart
from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_chart_table,
    build_value_axis,
    format_chart_number,
    format_chart_time,
    summarize_values,
)
from config.foundation.number_formats import format_count, format_duration, format_percent, join_sentences
from customers.analytics.backoffice.results.trends import build_time_axis, make_trace
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.questions.sessions import SessionResult


def show_sessions(result: SessionResult, context: ResultContext) -> ResultView:
    """Return the sessions of each day, and how many have a single event or reach the goal."""
    if not result.sessions:
        return ResultView(_("No sessions in this period."), [], is_empty=True)
    note = _("A session belongs to the day on which it began. Click a point to see its people.")
    charts = [
        ResultChart("sessions-days", _("Sessions by day"), build_days_chart(result, context), "tall", note),
        ResultChart("sessions-kinds", _("How sessions go"), build_kinds_chart(result, context)),
    ]
    return ResultView(describe_sessions(result, context), charts)


def describe_sessions(result: SessionResult, context: ResultContext) -> str:
    """Return how many sessions there are, how long they last and how they end."""
    counted = ngettext(
        "%(count)s session of %(people)s people.", "%(count)s sessions of %(people)s people.", result.sessions
    ) % {"count": format_count(result.sessions), "people": format_count(result.people)}
    events = format_chart_number(round(result.events_per_session or 0, 1))
    if result.median_seconds:
        length = _("On average %(events)s events; half of the sessions last less than %(duration)s.") % {
            "events": events,
            "duration": format_duration(result.median_seconds),
        }
    else:  # all events of most sessions have the same time, such as an order without a visit
        length = _("On average %(events)s events.") % {"events": events}
    texts = [
        counted,
        length,
        _("%(share)s have a single event.") % {"share": format_percent(result.bounce_rate, 1)},
    ]
    if context.parameters.goal is not None:
        texts.append(_("%(share)s of all sessions reach the goal.") % {"share": format_percent(result.conversion, 1)})
    return join_sentences(texts)


def build_days_chart(result: SessionResult, context: ResultContext) -> ChartSpec:
    """Return sessions, people and, with a goal, conversions by day."""
    days = [row.day.isoformat() for row in result.days]
    columns: list[tuple[str, list[int], dict[str, Any]]] = [
        (_("Sessions"), [row.sessions for row in result.days], {}),
        (_("People"), [row.people for row in result.days], {}),
    ]
    if context.parameters.goal is not None:
        converted = [row.conversions for row in result.days]
        columns.append((_("Sessions with the goal"), converted, {"is_converted": True}))
    styles = (("theme:main", "solid"), ("theme:before", "dash"), ("theme:other", "dot"))
    traces, links = [], []
    for (name, values, selection), (color, dash) in zip(columns, styles, strict=False):
        urls = [context.link({"day": day, **selection}, value) for day, value in zip(days, values, strict=True)]
        links.append(urls)
        traces.append(make_trace(name, days, values, color, dash, mode="lines+markers", customdata=urls))
    labels = [format_chart_time(day) for day in days]
    rows: list[list[str | tuple[str, str]]] = []
    for number in reversed(range(len(days))):
        cells = [(format_count(column[1][number]), links[place][number]) for place, column in enumerate(columns)]
        rows.append([labels[number], *cells])
    counts = columns[0][1]
    return {
        "traces": traces,
        "layout": {
            "margin": {"l": 8, "r": 12, "t": 24, "b": 8},
            "xaxis": build_time_axis(days, PeriodUnit.DAY),
            "yaxis": build_value_axis("", [value for column in columns for value in column[1]]),
            **TOP_LEGEND,
        },
        "table": build_chart_table([_("Day"), *(column[0] for column in columns)], rows),
        "summary": summarize_values(labels, counts, [format_count(value) for value in counts]),
    }


def build_kinds_chart(result: SessionResult, context: ResultContext) -> ChartSpec:
    """Return all sessions, those of a single event, and those with and without the goal."""
    kinds: list[tuple[str, int, dict[str, Any]]] = [
        (_("All sessions"), result.sessions, {}),
        (_("A single event"), result.bounces, {"is_bounce": True}),
    ]
    if context.parameters.goal is not None:
        kinds += [
            (_("With the goal"), result.conversions, {"is_converted": True}),
            (_("Without the goal"), result.sessions - result.conversions, {"is_converted": False}),
        ]
    return build_bar_chart(
        labels=[label for label, _count, _selection in kinds],
        values=[count for _label, count, _selection in kinds],
        texts=[f"{format_count(count)} ({format_percent(count / result.sessions, 1)})" for _label, count, _s in kinds],
        links=[context.link(selection, count) for _label, count, selection in kinds],
        x_title=_("Sessions"),
        horizontal=True,
    )


def list_session_rows(result: SessionResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield ["day", "sessions", "people", "conversions"]
    for row in result.days:
        yield [row.day.isoformat(), row.sessions, row.people, row.conversions if context.parameters.goal else None]
