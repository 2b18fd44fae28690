"""Growth: revenue, the customers who order, and what a change of revenue comes from.

Revenue is net of returns and refunds, in the shop's currency, or in that of most orders if no order has it; orders in other currencies are
left out. Revenue equals customers × orders per customer × order value, of known customers; what guests without an account spend is
reported separately.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.periods import build_day
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.completeness import DataSpan, find_span
from customers.analytics.outcomes.decomposition import RevenueChange, RevenueFactors, explain_change
from customers.analytics.outcomes.groups import PeriodRows, add_split, arrange_rows, select_group
from customers.analytics.outcomes.parameters import OutcomeParameters


@dataclass(frozen=True, kw_only=True)
class GrowthPeriod:
    """The orders of a period.

    Attributes:
        customers: those who placed an order. revenue: of all known customers, net of returns. previous, year: the change against the period
            before and the same one a year before; None unless both are complete.
    """

    start: date
    is_complete: bool
    customers: int
    orders: int
    revenue: float
    revenue_per_customer: float | None
    orders_per_customer: float | None
    order_value: float | None
    previous: RevenueChange | None
    year: RevenueChange | None


@dataclass(frozen=True, kw_only=True)
class GrowthGroup:
    """The periods of a group, or of everyone without one."""

    group: GroupKey | None
    periods: tuple[GrowthPeriod, ...]


@dataclass(frozen=True, kw_only=True)
class GrowthResult:
    """Everyone first, then the groups. guest_revenue: of orders without a known customer in these periods, not part of the rest."""

    as_of: datetime
    began_on: date | None
    groups: tuple[GrowthGroup, ...]
    guest_revenue: float


def build_transactions(tables: AnalyticsTables, parameters: OutcomeParameters, *, periods_before: int) -> ir.Table:
    """Return the orders and returns with their period, and label and is_other of their group."""
    days = parameters.extend_days(periods_before)
    rows = tables.keep_segment(tables.select_transactions(days), days.segment)
    day = build_day(rows["at"], tables.zone, days.since, days.until)
    rows = rows.mutate(period=parameters.build_number(day)).filter(rows.customer_id.notnull())
    return add_split(rows, tables, parameters, channel="channel", weight=lambda table: table.total)


def run_growth(tables: AnalyticsTables, parameters: OutcomeParameters) -> GrowthResult:
    """Sum up orders and revenue by period, with the changes and their parts."""
    before = parameters.year_periods or 1
    span = find_span(tables.select_transactions(None), tables, parameters)
    with tables.materialize(build_transactions(tables, parameters, periods_before=before)) as rows:
        total = tables.fetch(_sum_orders(rows, ["period"], tables))
        split = tables.fetch(_sum_orders(rows, ["period", "label", "is_other"], tables)) if parameters.split else []
    arranged = arrange_rows(total, split, key=lambda row: row["revenue"] or 0.0)
    guests = tables.select_transactions(parameters.extend_days(0))
    guests = guests.filter(guests.customer_id.isnull())
    has_guests = not parameters.segment
    return GrowthResult(
        as_of=tables.as_of,
        began_on=span.began_on,
        groups=tuple(
            GrowthGroup(group=group, periods=_build_periods(periods, span, parameters)) for group, periods in arranged
        ),
        guest_revenue=(tables.fetch(guests.agg(revenue=guests.total.sum()))[0]["revenue"] or 0.0)
        if has_guests
        else 0.0,
    )


def _sum_orders(rows: ir.Table, keys: list[str], tables: AnalyticsTables) -> ir.Table:
    ordering = ibis.ifelse(rows.is_order == 1, rows.customer_id, None)
    return rows.group_by(*keys).agg(
        customers=tables.engine.count_distinct(ordering), orders=rows.is_order.sum(), revenue=rows.total.sum()
    )


def _build_periods(rows: PeriodRows, span: DataSpan, parameters: OutcomeParameters) -> tuple[GrowthPeriod, ...]:
    def read(number: int) -> RevenueFactors:
        found: dict[str, Any] = rows.get(number, [{"customers": 0, "orders": 0, "revenue": 0.0}])[0]
        return RevenueFactors(
            customers=found["customers"], orders=found["orders"] or 0, revenue=round(found["revenue"] or 0.0, 6)
        )

    def compare(number: int, periods: int | None) -> RevenueChange | None:
        if periods is None:
            return None
        other = number - periods
        if not (span.is_complete(number) and span.is_complete(other)):
            return None
        return explain_change(read(number), read(other))

    periods = []
    for number in span.list_begun(parameters):
        now = read(number)
        periods.append(
            GrowthPeriod(
                start=parameters.get_start(number),
                is_complete=span.is_complete(number),
                customers=now.customers,
                orders=now.orders,
                revenue=now.revenue,
                revenue_per_customer=divide(now.revenue, now.customers),
                orders_per_customer=divide(now.orders, now.customers),
                order_value=divide(now.revenue, now.orders),
                previous=compare(number, 1),
                year=compare(number, parameters.year_periods),
            )
        )
    return tuple(periods)


@dataclass(frozen=True, kw_only=True)
class GrowthSelection:
    """The customers who order in the period in which a day lies."""

    period: date
    group: GroupKey | None = None


def select_growth_people(
    tables: AnalyticsTables, parameters: OutcomeParameters, selection: GrowthSelection
) -> ir.Table:
    """Return the customer_id of the customers who order in a period. Raises ParameterError."""
    number = parameters.check_period(selection.period)
    rows = build_transactions(tables, parameters, periods_before=parameters.year_periods or 1)
    rows = select_group(rows, selection.group)
    return rows.filter((rows.period == number) & (rows.is_order == 1)).select("customer_id").distinct()
