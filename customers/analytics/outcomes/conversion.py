"""Conversion: the share of visits with an order, and the share of visitors who order.

A visit is a session of events, see `questions.sessions`. An order belongs to it if the customer places it from its beginning until 30
minutes after its last event. Orders without a visit, such as those in a store, are no conversions.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch, build_property
from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.periods import SECOND, build_day
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.completeness import DataSpan, find_span
from customers.analytics.outcomes.groups import PeriodRows, add_split, arrange_rows, select_group
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.questions.sessions import SessionParameters
from customers.warehouse.tables import TRAFFIC_SOURCE

ORDERS = EventMatch(name=ORDER_EVENT)
GAP = SessionParameters.gap_minutes * 60 * SECOND


@dataclass(frozen=True, kw_only=True)
class ConversionPeriod:
    """The visits that began in a period.

    Attributes:
        converted: visits with an order. buyers: visitors with such a visit. rate: of visits; visitor_rate: of visitors.
        orders: all of the period, with and without a visit; None if split by traffic source, which orders do not have.
        tracked_orders: those that belong to a visit.
    """

    start: date
    is_complete: bool
    visits: int
    converted: int
    rate: float | None
    visitors: int
    buyers: int
    visitor_rate: float | None
    orders: int | None
    tracked_orders: int | None


@dataclass(frozen=True, kw_only=True)
class ConversionGroup:
    """The periods of a group, or of everyone without one."""

    group: GroupKey | None
    periods: tuple[ConversionPeriod, ...]


@dataclass(frozen=True, kw_only=True)
class ConversionResult:
    """Everyone first, then the groups. began_on: the day of the first event."""

    as_of: datetime
    began_on: date | None
    groups: tuple[ConversionGroup, ...]


def build_visits(tables: AnalyticsTables, parameters: OutcomeParameters) -> ir.Table:
    """Return customer_id, started_at, period, is_converted, orders, label and is_other of each visit."""
    days = parameters.extend_days(0)
    sessions = build_sessions(tables, days, with_source=parameters.split == "channel")
    orders = tables.select_events(None, ORDERS).select(buyer_id="customer_id", ordered_at="at")
    matches = sessions.inner_join(
        orders,
        [
            sessions.customer_id == orders.buyer_id,
            orders.ordered_at >= sessions.started_at,
            orders.ordered_at <= sessions.ended_at + GAP,
        ],
    )
    ordering = matches.group_by(ordering_id=matches.customer_id, ordering_at=matches.started_at)
    ordering = ordering.agg(orders=matches.count())
    joined = sessions.left_join(
        ordering, [sessions.customer_id == ordering.ordering_id, sessions.started_at == ordering.ordering_at]
    )
    day = build_day(joined.started_at, tables.zone, days.since, days.until)
    rows = joined.select(
        "customer_id",
        "started_at",
        "channel",
        period=parameters.build_number(day),
        is_converted=joined.orders.notnull().cast("int64"),
        orders=ibis.coalesce(joined.orders, 0),
    )
    return add_split(rows, tables, parameters, channel="channel")


def count_orders(tables: AnalyticsTables, parameters: OutcomeParameters) -> dict[int, int]:
    """Return the number of orders by period, with and without a visit."""
    days = parameters.extend_days(0)
    orders = tables.select_events(days, ORDERS)
    day = build_day(orders["at"], tables.zone, days.since, days.until)
    orders = orders.mutate(period=parameters.build_number(day))
    return {row["period"]: row["orders"] for row in tables.fetch(orders.group_by("period").agg(orders=orders.count()))}


def build_sessions(tables: AnalyticsTables, days: DateRange, *, with_source: bool) -> ir.Table:
    """Return customer_id, started_at, ended_at (of the last event) and channel (the source of the first one) of visits that begin in the days."""
    events = tables.select_visits(days, SessionParameters.gap_minutes)
    source = build_property(events, TRAFFIC_SOURCE, tables.engine) if with_source else ibis.null("string")
    events = events.select("customer_id", "at", "id", source=ibis.coalesce(source, ""))
    order = [events["at"], events.id]
    pause = events["at"] - events["at"].lag().over(ibis.window(group_by=events.customer_id, order_by=order))
    rows = events.mutate(is_first=ibis.coalesce(pause > GAP, True).cast("int64"))
    until_now = ibis.window(group_by=rows.customer_id, order_by=[rows["at"], rows.id], rows=(None, 0))
    rows = rows.mutate(number=rows.is_first.sum().over(until_now))
    sessions = rows.group_by("customer_id", "number").agg(
        started_at=rows["at"].min(), ended_at=rows["at"].max(), channel=rows.source.argmax(rows.is_first)
    )
    low, high = tables.get_bounds(days)
    sessions = sessions.filter(sessions.started_at >= low, sessions.started_at < high)
    return sessions.mutate(channel=sessions.channel.nullif("")).drop("number")


def run_conversion(tables: AnalyticsTables, parameters: OutcomeParameters) -> ConversionResult:
    """Count visits and visitors with and without an order by the period in which the visit began."""
    span = find_span(tables.select_events(None, EventMatch()), tables, parameters)
    with tables.materialize(build_visits(tables, parameters)) as visits:
        total = tables.fetch(_count_visits(visits, ["period"], tables))
        split = tables.fetch(_count_visits(visits, ["period", "label", "is_other"], tables)) if parameters.split else []
    arranged = arrange_rows(total, split, key=lambda row: row["visits"])
    orders = count_orders(tables, parameters)
    return ConversionResult(
        as_of=tables.as_of,
        began_on=span.began_on,
        groups=tuple(
            ConversionGroup(
                group=group, periods=_build_periods(periods, span, parameters, orders if group is None else None)
            )
            for group, periods in arranged
        ),
    )


def _count_visits(visits: ir.Table, keys: list[str], tables: AnalyticsTables) -> ir.Table:
    buyer = ibis.ifelse(visits.is_converted == 1, visits.customer_id, None)
    return visits.group_by(*keys).agg(
        visits=visits.count(),
        converted=visits.is_converted.sum(),
        visitors=tables.engine.count_distinct(visits.customer_id),
        buyers=tables.engine.count_distinct(buyer),
        orders=visits.orders.sum(),
    )


def _build_periods(
    rows: PeriodRows, span: DataSpan, parameters: OutcomeParameters, orders: dict[int, int] | None
) -> tuple[ConversionPeriod, ...]:
    periods = []
    for number in span.list_begun(parameters):
        row: dict[str, Any] = rows.get(number, [{}])[0]
        visits, converted, visitors, buyers = (
            row.get(name) or 0 for name in ("visits", "converted", "visitors", "buyers")
        )
        periods.append(
            ConversionPeriod(
                start=parameters.get_start(number),
                is_complete=span.is_complete(number),
                visits=visits,
                converted=converted,
                rate=divide(converted, visits),
                visitors=visitors,
                buyers=buyers,
                visitor_rate=divide(buyers, visitors),
                orders=None if orders is None else orders.get(number, 0),
                tracked_orders=None if orders is None else row.get("orders") or 0,
            )
        )
    return tuple(periods)


@dataclass(frozen=True, kw_only=True)
class ConversionSelection:
    """The visitors of a period. is_converted: those with an order in a visit; otherwise those without one in any visit."""

    period: date
    is_converted: bool = True
    group: GroupKey | None = None


def select_conversion_people(
    tables: AnalyticsTables, parameters: OutcomeParameters, selection: ConversionSelection
) -> ir.Table:
    """Return the customer_id of the visitors who order, or of the others. Raises ParameterError."""
    number = parameters.check_period(selection.period)
    visits = select_group(build_visits(tables, parameters), selection.group)
    visits = visits.filter(visits.period == number)
    visitors = visits.group_by("customer_id").agg(orders=visits.is_converted.sum())
    return visitors.filter((visitors.orders > 0) == selection.is_converted).select("customer_id")
