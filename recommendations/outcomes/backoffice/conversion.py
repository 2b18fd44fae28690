"""Conversion as the page shows it."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.estimates import EstimateLine, build_estimate_lines
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import NO_VALUE, format_count, format_percent, join_list
from customers.analytics.backoffice.results.view import ResultChart, ResultContext
from customers.analytics.outcomes.conversion import ConversionGroup, ConversionPeriod, ConversionResult
from customers.events.models import Source
from recommendations.outcomes.backoffice.labels import label_period
from recommendations.outcomes.backoffice.view import OutcomeView, find_latest, get_unit, label, link, name_group

MIN_SESSIONS = 10  # with fewer sessions, a rate is mostly chance; it appears in the table, but not in the chart
LOW_COVERAGE = 0.5  # share of the orders that belong to a session; below it, sessions say little about the shop


def show_conversion(result: ConversionResult, context: ResultContext) -> OutcomeView:
    """Return the share of sessions and visitors with an order."""
    everyone = result.groups[0].periods
    if not any(period.visits for period in everyone):
        return OutcomeView(
            "",
            empty=_(
                "No sessions in these periods. Install the tracking snippet (Data › Sources), or choose another segment."
            ),
        )
    notes = [
        _("Points with fewer than %(count)s sessions are not drawn; they are listed in the table.")
        % {"count": MIN_SESSIONS}
    ]
    if context.parameters.split == "channel":
        notes.append(
            _(
                "For sessions, channels are traffic sources: the utm_source with which the session began. The sessions of all "
                "sources add up to the total; orders have no traffic source."
            )
        )
    simulated = Source.objects.filter(is_simulated=True).exclude(kind=Source.Kind.IMPORT).values_list("name", flat=True)
    if names := list(simulated[:3]):
        notes.append(_("Simulated sessions are part of this: %(names)s.") % {"names": join_list(names)})
    return OutcomeView(
        describe_conversion(everyone, context),
        [ResultChart("outcome-conversion", _("Sessions and visitors with an order"), build_chart(result, context))],
        warning=describe_coverage(everyone, context),
        notes=notes,
    )


def find_shown(periods: Sequence[ConversionPeriod]) -> ConversionPeriod | None:
    """Return the latest complete period with sessions, or else the current one."""
    latest, current = find_latest([period for period in periods if period.visits])
    shown: ConversionPeriod | None = latest or current
    return shown


def describe_conversion(periods: Sequence[ConversionPeriod], context: ResultContext) -> str:
    """Return the rates of a period in a sentence."""
    shown = find_shown(periods)
    if shown is None or shown.rate is None or shown.visitor_rate is None:
        return ""
    text = (
        _(
            "%(rate)s of %(visits)s sessions in %(period)s had an order; %(visitor_rate)s of %(visitors)s visitors ordered in a session."
        )
        if shown.is_complete
        else _(
            "So far, %(rate)s of %(visits)s sessions in %(period)s had an order; %(visitor_rate)s of %(visitors)s visitors ordered in a session."
        )
    )
    return text % {
        "rate": format_percent(shown.rate),
        "visits": format_count(shown.visits),
        "period": label_period(shown.start, get_unit(context)),
        "visitor_rate": format_percent(shown.visitor_rate),
        "visitors": format_count(shown.visitors),
    }


def describe_coverage(periods: Sequence[ConversionPeriod], context: ResultContext) -> str:
    """Return a warning if most orders of the period belong to no session: those in a store, by phone, or before sessions were tracked."""
    shown = find_shown(periods)
    if shown is None or not shown.orders or (shown.tracked_orders or 0) >= LOW_COVERAGE * shown.orders:
        return ""
    text = _(
        "Only %(share)s of the orders of %(period)s belong to a session. The others were placed in a store, by phone, or by people who were "
        "not tracked, so these rates are not representative of the whole shop, and periods with different tracking cannot be compared."
    )
    share = (shown.tracked_orders or 0) / shown.orders
    return text % {"share": format_percent(share), "period": label_period(shown.start, get_unit(context))}


def build_chart(result: ConversionResult, context: ResultContext) -> ChartSpec:
    """Return the rates of sessions and visitors, or the rate of sessions per group."""
    everyone, *groups = result.groups
    periods = [label(period, context) for period in everyone.periods]
    lines = [build_visit_line(group, context) for group in groups or [everyone]]
    if not groups:
        lines.append(build_visitor_line(everyone, context))
    spec = build_estimate_lines(periods=periods, lines=lines, period_title=_("Period"), value_title="%")
    if not groups:
        table = spec["table"]
        table["columns"].append(_("Orders with a session"))
        for row, period in zip(table["rows"], reversed(everyone.periods), strict=True):
            row.append({"text": format_coverage(period), "url": ""})
    return spec


def build_visit_line(group: ConversionGroup, context: ResultContext) -> EstimateLine:
    return EstimateLine(
        name_group(group.group, context, _("Sessions with an order")),
        [
            100 * period.rate if period.rate is not None and period.visits >= MIN_SESSIONS else None
            for period in group.periods
        ],
        [format_rate(period.rate, period.converted, period.visits) for period in group.periods],
        [link(context, period.start, period.buyers, group.group) for period in group.periods],
    )


def build_visitor_line(group: ConversionGroup, context: ResultContext) -> EstimateLine:
    return EstimateLine(
        _("Visitors who order"),
        [
            100 * period.visitor_rate if period.visitor_rate is not None and period.visits >= MIN_SESSIONS else None
            for period in group.periods
        ],
        [format_rate(period.visitor_rate, period.buyers, period.visitors) for period in group.periods],
        [
            link(context, period.start, period.visitors - period.buyers, group.group, is_converted=False)
            for period in group.periods
        ],
    )


def format_rate(rate: float | None, part: int, whole: int) -> str:
    if rate is None:
        return NO_VALUE
    values = {"share": format_percent(rate), "part": format_count(part), "all": format_count(whole)}
    return _("%(share)s (%(part)s of %(all)s)") % values


def format_coverage(period: ConversionPeriod) -> str:
    if not period.orders or period.tracked_orders is None:
        return NO_VALUE
    return format_rate(period.tracked_orders / period.orders, period.tracked_orders, period.orders)


def list_conversion_rows(result: ConversionResult, context: ResultContext) -> list[list[Any]]:
    """Return the rows of the CSV file."""
    rows: list[list[Any]] = [
        [
            *("group", "period", "is_complete", "visits", "converted", "rate", "visitors", "buyers", "visitor_rate"),
            *("orders", "orders_with_visit"),
        ]
    ]
    rows.extend(
        [
            *(name_group(group.group, context, ""), period.start.isoformat(), int(period.is_complete), period.visits),
            *(period.converted, period.rate, period.visitors, period.buyers, period.visitor_rate),
            *(period.orders, period.tracked_orders),
        ]
        for group in result.groups
        for period in group.periods
    )
    return rows
