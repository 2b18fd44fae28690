"""Trends as a page shows them."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from config.foundation.charts.bars import STACK_COLORS
from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_chart_table,
    build_day_axis,
    build_value_axis,
    format_chart_number,
    format_chart_time,
    get_hover_day_format,
    summarize_values,
)
from config.foundation.number_formats import NO_VALUE, format_change, get_reader_locale, join_label, join_sentences
from config.foundation.statistics import compute_change
from customers.analytics.backoffice.event_texts import label_group, label_series
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView, select_group
from customers.analytics.expressions.formulas import LETTERS
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.questions.trends import TrendBucket, TrendLine, TrendResult

MAX_TICKS = 6
DAY_MS = 86_400_000
DASHES = ("solid", "dash", "dot", "dashdot")


def show_trends(result: TrendResult, context: ResultContext) -> ResultView:
    """Return the lines over time."""
    notes = []
    if result.previous_since is not None and result.previous_until is not None:
        first, last = date_format(result.previous_since), date_format(result.previous_until)
        notes.append(_("The previous period is %(first)s – %(last)s.") % {"first": first, "last": last})
    if result.buckets and not result.buckets[-1].is_complete:
        notes.append(_("The last period is not over or is incomplete."))
    if any(find_series(line) is not None for line in result.lines):
        notes.append(_("Click a point to see its people."))
    elif result.lines:
        notes.append(_("A formula has no list of people. Remove the formula to see the people in each series."))
    is_empty = not any(value for line in result.lines for value in line.values)
    chart = ResultChart(
        "trends-lines", _("Over time"), build_lines_chart(result, context), "tall", join_sentences(notes)
    )
    return ResultView(describe_trends(result, context), [chart], is_empty=is_empty)


def find_series(line: TrendLine) -> int | None:
    """Return the number of the series of a line; None for a formula."""
    return LETTERS.index(line.name) if line.name in LETTERS else None


def name_line(line: TrendLine, context: ResultContext) -> str:
    """Return the formula of a line, or its event and measure, with its group."""
    number = find_series(line)
    name = line.name
    if number is not None:
        name = label_series(context.parameters.series[number])
        if len(context.parameters.series) > 1:
            name = join_label(line.name, name)
    if line.group is None or context.parameters.breakdown is None:
        return name
    group = label_group(
        line.group, context.parameters.breakdown, with_personal=context.with_personal, clusters=context.clusters
    )
    return group if len(context.parameters.series) == 1 else f"{name}, {group}"


def describe_trends(result: TrendResult, context: ResultContext) -> str:
    """Return the total of the first line, its change and its highest value."""
    if not result.lines:
        return _("No events in this period.")
    line = result.lines[0]
    texts = [
        _("%(name)s: %(total)s in the whole period.")
        % {"name": name_line(line, context), "total": format_value(line.total)}
    ]
    change = compute_change(line.total, line.previous_total)
    if change is not None:
        texts.append(_("%(change)s compared with the previous period.") % {"change": format_change(change)})
    known = [(value, bucket) for value, bucket in zip(line.values, result.buckets, strict=True) if value is not None]
    if len(known) > 1 and any(value for value, _bucket in known):
        value, bucket = max(known, key=lambda item: item[0])
        texts.append(
            _("Highest: %(value)s, %(day)s.") % {"value": format_value(value), "day": name_bucket(bucket, context)}
        )
    return join_sentences(texts)


def format_value(value: float | None) -> str:
    return format_chart_number(None if value is None else round(value, 3))


def format_time(bucket: TrendBucket, context: ResultContext) -> str:
    """Return the day or time of a bucket for the chart, in ISO 8601 and local time."""
    moment = localtime(bucket.start)
    return f"{moment:%Y-%m-%dT%H:%M}" if context.parameters.interval == PeriodUnit.HOUR else f"{moment:%Y-%m-%d}"


def name_bucket(bucket: TrendBucket, context: ResultContext) -> str:
    return format_chart_time(format_time(bucket, context))


def link_point(line: TrendLine, bucket: TrendBucket | None, value: float | None, context: ResultContext) -> str:
    """Return the URL of the people of a point, or of the whole line; formulas have none."""
    number = find_series(line)
    if number is None or not value:
        return ""
    selection: dict[str, Any] = {"series": number, **select_group(line.group if context.parameters.breakdown else None)}
    if bucket is not None:
        selection["start"] = bucket.start.isoformat()
    return context.link(selection)


def build_lines_chart(result: TrendResult, context: ResultContext) -> ChartSpec:
    """Return a line with its points, its rolling mean and the period before."""
    times = [format_time(bucket, context) for bucket in result.buckets]
    names = [name_line(line, context) for line in result.lines]
    traces: list[dict[str, Any]] = []
    links: list[list[str]] = []
    for number, (line, name) in enumerate(zip(result.lines, names, strict=True)):
        urls = [link_point(line, *point, context) for point in zip(result.buckets, line.values, strict=True)]
        links.append(urls)
        color = STACK_COLORS[number % len(STACK_COLORS)] if number else "theme:main"
        dash = DASHES[number // len(STACK_COLORS) % len(DASHES)]
        traces.append(make_trace(name, times, line.values, color, dash, mode="lines+markers", customdata=urls))
        if any(value is not None for value in line.rolling):
            rolling = _("%(name)s, rolling mean") % {"name": name}
            traces.append(make_trace(rolling, times, line.rolling, color, "dash"))
        if line.previous:
            before = _("%(name)s, previous period") % {"name": name}
            values = [*line.previous[: len(times)], *[None] * (len(times) - len(line.previous))]
            traces.append(make_trace(before, times, values, "theme:before" if not number else color, "dot"))
    everything = [value for trace in traces for value in trace["y"] if value is not None]
    layout: dict[str, Any] = {
        "margin": {"l": 8, "r": 12, "t": 24, "b": 8},
        "xaxis": build_time_axis(times, context.parameters.interval),
        "yaxis": build_value_axis("", everything or [0]),
        **(TOP_LEGEND if len(traces) > 1 else {}),
    }
    first = [value or 0 for value in result.lines[0].values] if result.lines else []
    labels = [name_bucket(bucket, context) for bucket in result.buckets]
    return {
        "traces": traces,
        "layout": layout | build_marks(context.marks, times),
        "table": build_table(result, context, names, labels, links),
        "summary": summarize_values(labels if first else [], first, [format_value(value) for value in first]),
    }


def build_time_axis(times: Sequence[str], interval: PeriodUnit) -> dict[str, Any]:
    """Return an axis with at most a few ticks, each at the start of a bucket."""
    buckets = max(1, -(-len(times) // MAX_TICKS))
    if interval == PeriodUnit.HOUR:
        is_chinese = get_reader_locale().startswith("zh")
        return build_day_axis(nticks=MAX_TICKS, tickformat="%H:%M\n%-m月%-d日" if is_chinese else "%H:%M\n%b %-d")
    step: Any = f"M{buckets}"
    if interval != PeriodUnit.MONTH:
        step = buckets * (7 if interval == PeriodUnit.WEEK else 1) * DAY_MS
    return build_day_axis(tick0=times[0] if times else None, dtick=step)


def make_trace(
    name: str,
    times: Sequence[str],
    values: Sequence[float | None],
    color: str,
    dash: str,
    *,
    mode: str = "lines",
    **more: Any,
) -> dict[str, Any]:
    hour = " %H:%M" if times and "T" in times[0] else ""
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": list(times),
        "y": [None if value is None else round(value, 4) for value in values],
        "line": {"color": color, "width": 2, "dash": dash},
        "marker": {"color": color, "size": 5},
        "hovertemplate": f"%{{x|{get_hover_day_format()}{hour}}}: %{{y:,}}<extra>%{{fullData.name}}</extra>",
        **more,
    }


def build_marks(marks: Sequence[tuple[str, str]], times: Sequence[str]) -> dict[str, Any]:
    """Return a vertical line with a text for each annotated day within the chart."""
    shown = [(day, text) for day, text in marks if times and times[0][:10] <= day <= times[-1][:10]]
    if not shown:
        return {}
    line = {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": "theme:faint", "width": 1, "dash": "dot"},
    }
    text = {
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 11, "color": "theme:faint"},
    }
    return {
        "shapes": [{**line, "x0": day, "x1": day} for day, _text in shown],
        "annotations": [{**text, "x": day, "text": escape_chart_text(mark)} for day, mark in shown],
    }


def escape_chart_text(text: str) -> str:
    """Return a text without the markup that Plotly would interpret."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def build_table(
    result: TrendResult,
    context: ResultContext,
    names: Sequence[str],
    labels: Sequence[str],
    links: Sequence[Sequence[str]],
) -> Any:
    total: list[str | tuple[str, str]] = [
        _("Whole period"),
        *((format_value(line.total), link_point(line, None, line.total, context)) for line in result.lines),
    ]
    rows: list[list[str | tuple[str, str]]] = [total]
    for position in reversed(range(len(result.buckets))):
        label = labels[position] if result.buckets[position].is_complete else f"{labels[position]}*"
        cells = [
            (NO_VALUE if line.values[position] is None else format_value(line.values[position]), urls[position])
            for line, urls in zip(result.lines, links, strict=True)
        ]
        rows.append([label, *cells])
    return build_chart_table([_("Period"), *names], rows)


def list_trend_rows(result: TrendResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield ["series", "start", "value", "rolling_mean", "period_before", "is_complete"]
    for line in result.lines:
        name = name_line(line, context)
        for position, bucket in enumerate(result.buckets):
            yield [
                *(name, format_time(bucket, context), line.values[position]),
                line.rolling[position] if position < len(line.rolling) else None,
                line.previous[position] if position < len(line.previous) else None,
                int(bucket.is_complete),
            ]
