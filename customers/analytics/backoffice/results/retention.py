"""Retention as a page shows it."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.grids import build_heatmap
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import (
    format_count,
    format_full_day,
    format_money,
    format_percent,
    join_sentences,
    round_amount,
)
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.questions.retention import RetentionCell, RetentionCohort, RetentionMean, RetentionResult

MAX_COHORTS_SHOWN = 26
MANY_ROWS = 9


def show_retention(result: RetentionResult, context: ResultContext) -> ResultView:
    """Return who comes back by cohort."""
    note = _(
        "* The period is not over. Averages exclude these cells. Click a cell of a cohort to see its people; averages have no list of people."
    )
    if get_measure(context) == "or_after":
        note = _(
            "Returns until %(period)s after the start count. * This period is not over, so the share can still grow. Averages exclude these "
            "cells. Click a cell of a cohort to see its people; averages have no list of people."
        ) % {"period": name_period(context.parameters.periods, context.parameters.interval)}
    if len(result.cohorts) > MAX_COHORTS_SHOWN:
        newest = _("The newest %(count)s cohorts are shown; the CSV file has all.")
        note = join_sentences([note, newest % {"count": MAX_COHORTS_SHOWN}])
    height = "many-rows" if len(result.cohorts) > MANY_ROWS else "tall"
    charts = [ResultChart("retention-cohorts", _("Cohorts"), build_cohorts_chart(result, context), height, note)]
    is_empty = not result.people
    return ResultView(describe_retention(result, context), [] if is_empty else charts, is_empty=is_empty)


def get_measure(context: ResultContext) -> str:
    measure = context.options.get("measure")
    return measure if measure in ("or_after", "revenue") else "on"


def name_period(offset: int, interval: PeriodUnit) -> str:
    """Return the name of a period after the start."""
    text = {PeriodUnit.DAY: _("Day %(number)s"), PeriodUnit.WEEK: _("Week %(number)s")}.get(
        interval, _("Month %(number)s")
    )
    return text % {"number": offset}


def describe_retention(result: RetentionResult, context: ResultContext) -> str:
    """Return the size of the cohorts and the mean of the first and the last period."""
    if not result.people:
        return _("Nobody started in this period.")
    measure = get_measure(context)
    known = [mean for mean in result.means[1:] if read_value(mean, 0, measure) is not None]
    people = {"count": format_count(result.people)}
    if not known and measure == "or_after":
        number = {"number": context.parameters.periods}
        return _(
            "%(count)s people started. No cohort has had %(number)s complete periods after the start yet. Choose fewer periods or earlier days."
        ) % {**people, **number}
    if not known:
        return _("%(count)s people started. No period after the start is over yet.") % people
    texts = describe_means(known[0], known[-1], measure, context)
    text = _("%(count)s people started.")
    if sum(cohort.people for cohort in result.cohorts) > result.people:
        text = _("%(count)s people started. Those who started in several periods are in several cohorts.")
    return join_sentences([text % people, *texts])


def describe_means(first: RetentionMean, last: RetentionMean, measure: str, context: ResultContext) -> list[str]:
    """Return sentences on the first and the last period, in the measure of the chart."""
    values = [format_value(read_value(mean, 0, measure), measure, context) for mean in (first, last)]
    later = _("In period %(number)s it was %(share)s.")
    if measure == "revenue":
        text = _("On average, each person spent %(amount)s in the first period after the start.")
    elif measure == "or_after":
        text = _("%(share)s of the people who started came back in the first period after the start or later.")
        later = _("In period %(number)s or later it was %(share)s.")
    else:
        text = _("%(share)s of the people who started came back in the first period after the start.")
    texts = [text % {"share": values[0], "amount": values[0]}]
    return texts if last is first else [*texts, later % {"number": last.offset, "share": values[1]}]


def format_value(value: float | None, measure: str, context: ResultContext) -> str:
    return format_money(value, context.currency) if measure == "revenue" else format_percent(value, 1)


def read_value(cell: RetentionCell | RetentionMean, people: int, measure: str) -> float | None:
    """Return what a cell shows: a share, or revenue per person."""
    if measure == "revenue":
        if isinstance(cell, RetentionMean):
            return cell.revenue_per_person
        return cell.revenue / people if people else None
    return cell.share_or_after if measure == "or_after" else cell.share


def build_cohorts_chart(result: RetentionResult, context: ResultContext) -> ChartSpec:
    """Return a row per cohort, the newest last, and the means in the first row."""
    measure, interval = get_measure(context), context.parameters.interval
    offsets = range(1, context.parameters.periods + 1)
    cohorts = result.cohorts[-MAX_COHORTS_SHOWN:]
    rows = [_("All cohorts"), *(name_cohort(cohort) for cohort in cohorts)]
    values, texts, names, links = [], [], [], []
    for cohort in (None, *cohorts):
        cells = [find_cell(result, cohort, offset) for offset in offsets]
        people = cohort.people if cohort else 0
        row_values = [None if cell is None else read_value(cell, people, measure) for cell in cells]
        values.append([value or 0.0 for value in row_values])
        texts.append(
            [format_cell(cell, value, measure, context) for cell, value in zip(cells, row_values, strict=True)]
        )
        names.append([count_cell(cell, measure) for cell in cells])
        links.append([link_cell(cohort, cell, measure, context) for cell in cells])
    spec = build_heatmap(
        columns=[name_period(offset, interval) for offset in offsets],
        rows=rows,
        names=names,
        texts=texts,
        links=links,
        values=values,
        x_title=_("Period after the start"),
        y_title=_("Started"),
        hover_prefix="%{y} · %{x}",
    )
    spec["layout"]["yaxis"] |= {"autorange": "reversed"}
    return spec


def name_cohort(cohort: RetentionCohort) -> str:
    return f"{format_full_day(cohort.start)} ({format_count(cohort.people)})"


def find_cell(
    result: RetentionResult, cohort: RetentionCohort | None, offset: int
) -> RetentionCell | RetentionMean | None:
    if cohort is None:
        mean = result.means[offset]
        return mean if mean.cohorts else None
    return cohort.cells[offset] if offset < len(cohort.cells) else None


def format_cell(
    cell: RetentionCell | RetentionMean | None, value: float | None, measure: str, context: ResultContext
) -> str:
    if cell is None or value is None:
        return ""
    text = format_value(value, measure, context)
    if isinstance(cell, RetentionMean):
        return text
    is_complete = cell.is_complete_or_after if measure == "or_after" else cell.is_complete
    return text if is_complete else f"{text}*"


def count_cell(cell: RetentionCell | RetentionMean | None, measure: str) -> str:
    if not isinstance(cell, RetentionCell):
        return ""
    return format_count(cell.people_or_after if measure == "or_after" else cell.people)


def link_cell(
    cohort: RetentionCohort | None, cell: RetentionCell | RetentionMean | None, measure: str, context: ResultContext
) -> str:
    if cohort is None or not isinstance(cell, RetentionCell):
        return ""
    is_or_after = measure == "or_after"
    selection = {"cohort": cohort.start.isoformat(), "offset": cell.offset, "is_or_after": is_or_after}
    return context.link(selection, cell.people_or_after if is_or_after else cell.people)


def list_retention_rows(result: RetentionResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield [
        *("cohort", "cohort_people", "offset", "people", "share", "people_or_after", "share_or_after"),
        *("revenue", "is_complete", "is_complete_or_after"),
    ]
    for cohort in result.cohorts:
        for cell in cohort.cells:
            yield [
                *(cohort.start.isoformat(), cohort.people, cell.offset, cell.people, cell.share),
                *(cell.people_or_after, cell.share_or_after, round_amount(cell.revenue), int(cell.is_complete)),
                int(cell.is_complete_or_after),
            ]
