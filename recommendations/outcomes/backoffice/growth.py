"""Growth as the page shows it."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.tables import Cell, Column
from config.foundation.charts.bars import Series, build_bar_chart, build_period_chart, build_stacked_chart
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import (
    NO_VALUE,
    format_change,
    format_count,
    format_money,
    format_whole_money,
    get_reader_locale,
    join_sentences,
    round_amount,
)
from customers.analytics.backoffice.results.view import ResultChart, ResultContext
from customers.analytics.outcomes.decomposition import RevenueChange
from customers.analytics.outcomes.growth import GrowthPeriod, GrowthResult
from recommendations.measurement.presentation.formats import format_signed_money
from recommendations.outcomes.backoffice.labels import label_period
from recommendations.outcomes.backoffice.view import OutcomeView, find_latest, get_unit, label, link, name_group

COLUMNS = (
    Column(key="period", label=gettext_lazy("Period"), align="text"),
    Column(key="revenue", label=gettext_lazy("Revenue")),
    Column(key="change", label=gettext_lazy("Change")),
    Column(key="customers_part", label=gettext_lazy("From customers")),
    Column(key="orders_part", label=gettext_lazy("From orders per customer")),
    Column(key="value_part", label=gettext_lazy("From order value")),
    Column(key="customers", label=gettext_lazy("Customers who order")),
    Column(key="orders", label=gettext_lazy("Orders per customer")),
    Column(key="order_value", label=gettext_lazy("Average order value")),
    Column(key="per_customer", label=gettext_lazy("Revenue per customer")),
    Column(key="year", label=gettext_lazy("Compared with a year before")),
)


def show_growth(result: GrowthResult, context: ResultContext) -> OutcomeView:
    """Return revenue by period and where its changes come from."""
    everyone = result.groups[0].periods
    if not any(period.orders or period.revenue for period in everyone):
        return OutcomeView(
            "",
            empty=_(
                "There are no orders in these periods. Import orders, or choose another segment or longer periods."
            ),
        )
    notes = []
    if context.parameters.split == "channel":
        notes.append(
            _("Revenue and orders of the channels add up. A customer who orders in two channels counts in both.")
        )
    if result.guest_revenue:
        guests = _("Orders without a customer brought another %(revenue)s in these periods and are not included.")
        notes.append(guests % {"revenue": format_whole_money(result.guest_revenue, context.currency)})
    return OutcomeView(
        describe_growth(everyone, context),
        [ResultChart("outcome-growth", _("Revenue"), build_chart(result, context))],
        notes=notes,
        table_title=_("Where the changes come from"),
        columns=COLUMNS,
        rows=[format_row(period, context) for period in reversed(everyone)],
    )


def describe_growth(periods: Sequence[GrowthPeriod], context: ResultContext) -> str:
    """Return revenue and change of the latest complete period."""
    latest, _current = find_latest(periods)
    if latest is None:
        return _("No period is complete yet, so nothing can be compared.")
    values = {
        "period": label_period(latest.start, get_unit(context)),
        "revenue": format_whole_money(latest.revenue, context.currency),
        "customers": format_count(latest.customers),
    }
    texts = [_("%(period)s: %(revenue)s from %(customers)s customers.") % values]
    if latest.previous is not None:
        texts.append(describe_change(latest.previous, context))
    if latest.year is not None and latest.year.relative is not None:
        texts.append(
            _("Compared with the same period a year before: %(change)s.")
            % {"change": format_change(latest.year.relative)}
        )
    return join_sentences(texts)


def describe_change(change: RevenueChange, context: ResultContext) -> str:
    """Return a sentence with the change from the previous period and its parts."""
    if change.relative is None:
        return ""
    total = _("%(change)s (%(relative)s) compared with the period before") % {
        "change": format_signed_money(change.change, context.currency),
        "relative": format_change(change.relative),
    }
    if change.customers is None or change.orders_per_customer is None or change.order_value is None:
        return _("%(total)s.") % {"total": total}
    return _(
        "%(total)s: %(customers)s from the number of customers, %(orders)s from orders per customer, %(value)s from the order value."
    ) % {
        "total": total,
        "customers": format_signed_money(change.customers, context.currency),
        "orders": format_signed_money(change.orders_per_customer, context.currency),
        "value": format_signed_money(change.order_value, context.currency),
    }


def build_chart(result: GrowthResult, context: ResultContext) -> ChartSpec:
    """Return revenue bars: next to those of the year before if known, or stacked by group."""
    everyone, *groups = result.groups
    labels = [label(period, context) for period in everyone.periods]
    if groups:
        return build_stacked_chart(
            labels=labels,
            series=[
                Series(
                    name_group(group.group, context, ""),
                    [period.revenue for period in group.periods],
                    [format_whole_money(period.revenue, context.currency) for period in group.periods],
                    [link(context, period.start, period.customers, group.group) for period in group.periods],
                )
                for group in groups
            ],
            x_title=_("Period"),
        )
    texts = [format_whole_money(period.revenue, context.currency) for period in everyone.periods]
    links = [link(context, period.start, period.customers) for period in everyone.periods]
    values = [period.revenue for period in everyone.periods]
    if any(period.year for period in everyone.periods):
        before = [period.year.before if period.year else 0.0 for period in everyone.periods]
        return build_period_chart(
            labels=labels,
            links=links,
            now=Series(_("Revenue"), values, texts, links),
            before=Series(
                _("A year before"),
                before,
                [format_whole_money(value, context.currency) if value else NO_VALUE for value in before],
            ),
        )
    return build_bar_chart(
        labels=labels, values=values, texts=texts, links=links, x_title=_("Period"), y_title=_("Revenue")
    )


def format_row(period: GrowthPeriod, context: ResultContext) -> dict[str, Any]:
    """Return the cells of a period."""

    def money(value: float | None) -> str:
        return NO_VALUE if value is None else format_signed_money(value, context.currency)

    change, url = period.previous, link(context, period.start, period.customers)
    return {
        "period": label(period, context),
        "revenue": format_whole_money(period.revenue, context.currency),
        "change": NO_VALUE if change is None else f"{money(change.change)} ({format_change(change.relative)})",
        "customers_part": money(change.customers if change else None),
        "orders_part": money(change.orders_per_customer if change else None),
        "value_part": money(change.order_value if change else None),
        "customers": Cell(format_count(period.customers), url=url),
        "orders": NO_VALUE if period.orders_per_customer is None else format_ratio(period.orders_per_customer),
        "order_value": format_money(period.order_value, context.currency),
        "per_customer": format_money(period.revenue_per_customer, context.currency),
        "year": format_change(period.year.relative) if period.year else NO_VALUE,
    }


def format_ratio(value: float) -> str:
    from babel import numbers

    return numbers.format_decimal(value, format="#,##0.00", locale=get_reader_locale())


def list_growth_rows(result: GrowthResult, context: ResultContext) -> list[list[Any]]:
    """Return the rows of the CSV file."""
    rows: list[list[Any]] = [
        [
            *("group", "period", "is_complete", "revenue", "customers", "orders", "orders_per_customer", "order_value"),
            *("revenue_per_customer", "change", "relative_change", "from_customers", "from_orders_per_customer"),
            *("from_order_value", "change_to_year_before", "relative_change_to_year_before"),
        ]
    ]
    for group in result.groups:
        name = name_group(group.group, context, "")
        for period in group.periods:
            change, year = period.previous, period.year
            amount = round_amount
            rows.append(
                [
                    *(name, period.start.isoformat(), int(period.is_complete), amount(period.revenue)),
                    *(period.customers, period.orders, period.orders_per_customer, amount(period.order_value)),
                    amount(period.revenue_per_customer),
                    *(
                        change and amount(change.change),
                        change and change.relative,
                        change and amount(change.customers),
                    ),
                    *(change and amount(change.orders_per_customer), change and amount(change.order_value)),
                    *(year and amount(year.change), year and year.relative),
                ]
            )
    return rows
