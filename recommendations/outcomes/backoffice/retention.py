"""Retention as the page shows it."""

from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.estimates import EstimateLine, build_estimate_lines
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import NO_VALUE, format_count, format_percent, join_sentences
from customers.analytics.backoffice.results.view import ResultChart, ResultContext
from customers.analytics.expressions.periods import get_period_start, number_period
from customers.analytics.outcomes.retention import RepeatGroup, RepeatPeriod, RepeatResult
from recommendations.measurement.presentation.formats import format_points
from recommendations.outcomes.backoffice.labels import label_period
from recommendations.outcomes.backoffice.view import OutcomeView, find_latest, get_unit, label, link, name_group


def show_retention(result: RepeatResult, context: ResultContext) -> OutcomeView:
    """Return the share of customers who order again in the next period."""
    everyone = result.groups[0].periods
    if not any(period.customers_before for period in everyone):
        return OutcomeView(
            "",
            empty=_(
                "No customers ordered before these periods, so none could come back. Choose more or longer periods."
            ),
        )
    notes = []
    if context.parameters.split == "channel":
        notes.append(
            _("Each customer counts in the channel of the last order of the period before, so the channels add up.")
        )
    charts = [ResultChart("outcome-retention", _("Customers who order again"), build_chart(result, context))]
    return OutcomeView(describe_retention(everyone, context), charts, notes=notes)


def describe_retention(periods: tuple[RepeatPeriod, ...], context: ResultContext) -> str:
    """Return the share of the latest complete period, its change, and the share so far."""
    latest, current = find_latest(periods)
    texts = []
    if latest is not None and latest.share is not None:
        texts.append(
            _("%(share)s of the %(customers)s customers who ordered in %(before)s ordered again in %(period)s.")
            % {**name_periods(latest, context), "share": format_percent(latest.share)}
        )
        if latest.previous_share is not None:
            texts.append(
                _("That is a change of %(points)s percentage points from the period before.")
                % {"points": format_points(latest.share - latest.previous_share)}
            )
    else:
        texts.append(_("No two periods in a row are complete yet."))
    if current is not None and current.share is not None and current.customers_before:
        texts.append(
            _("Of the customers who ordered in %(before)s, %(share)s have ordered again in %(period)s so far.")
            % {**name_periods(current, context), "share": format_percent(current.share)}
        )
    return join_sentences(texts)


def name_periods(period: RepeatPeriod, context: ResultContext) -> dict[str, str]:
    unit = get_unit(context)
    before = get_period_start(number_period(period.start, unit) - 1, unit)
    return {
        "before": label_period(before, unit),
        "period": label_period(period.start, unit),
        "customers": format_count(period.customers_before),
    }


def build_chart(result: RepeatResult, context: ResultContext) -> ChartSpec:
    """Return a line chart of the share: of all customers, or one line per group. The table also has customers who did not order again."""
    everyone, *groups = result.groups
    spec = build_estimate_lines(
        periods=[label(period, context) for period in everyone.periods],
        lines=[build_line(group, context) for group in groups or [everyone]],
        period_title=_("Period"),
        value_title="%",
    )
    if groups:
        return spec
    lost = build_lost_column(everyone, context)
    table = spec["table"]
    table["columns"].append(_("Did not order again"))
    for row, cell in zip(table["rows"], reversed(lost), strict=True):
        row.append({"text": cell[0], "url": cell[1]})
    return spec


def build_line(group: RepeatGroup, context: ResultContext) -> EstimateLine:
    return EstimateLine(
        name_group(group.group, context, _("Order again")),
        [None if period.share is None else 100 * period.share for period in group.periods],
        [format_share(period) for period in group.periods],
        [link(context, period.start, period.returned, group.group) for period in group.periods],
    )


def format_share(period: RepeatPeriod) -> str:
    if period.share is None:
        return NO_VALUE
    return _("%(share)s (%(part)s of %(all)s)") % {
        "share": format_percent(period.share),
        "part": format_count(period.returned),
        "all": format_count(period.customers_before),
    }


def build_lost_column(group: RepeatGroup, context: ResultContext) -> list[tuple[str, str]]:
    return [
        (
            format_count(period.customers_before - period.returned),
            link(context, period.start, period.customers_before - period.returned, group.group, is_lost=True),
        )
        for period in group.periods
    ]


def list_retention_rows(result: RepeatResult, context: ResultContext) -> list[list[Any]]:
    """Return the rows of the CSV file."""
    rows: list[list[Any]] = [["group", "period", "is_complete", "customers_before", "returned", "share"]]
    rows.extend(
        [
            *(name_group(group.group, context, ""), period.start.isoformat(), int(period.is_complete)),
            *(period.customers_before, period.returned, period.share),
        ]
        for group in result.groups
        for period in group.periods
    )
    return rows
