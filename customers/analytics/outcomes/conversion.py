"""Conversion: of the visits, the share with an order; and of the visitors, the share who order.

A visit is a session of events, see `questions.sessions`. An order belongs to it if the customer places it from its beginning until 30
minutes after its last event. Orders without a visit, such as those in a store, are no conversions.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.engines import SECOND
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch
from customers.analytics.expressions.periods import build_day, build_period
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.session_numbers import GAP_MINUTES
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.completeness import DataSpan, find_span
from customers.analytics.outcomes.groups import PeriodRows, add_split, arrange_rows, select_group
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.questions.sessions import SessionParameters, build_sessions
from customers.warehouse.tables import TRAFFIC_SOURCE

ORDERS = EventMatch(name=ORDER_EVENT)


@dataclass(frozen=True, kw_only=True)
class ConversionPeriod:
    """The visits that began in a period.

    Attributes:
        converted: visits with an order. buyers: visitors with such a visit. rate: of visits; visitor_rate: of visitors.
    """

    start: date
    is_complete: bool
    visits: int
    converted: int
    rate: float | None
    visitors: int
    buyers: int
    visitor_rate: float | None


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
    """Return customer_id, started_at, period, is_converted, label and is_other of each visit."""
    days = parameters.extend_days(0)
    sessions = build_sessions(
        tables,
        SessionParameters(since=days.since, until=days.until, segment=days.segment),
        property_name=TRAFFIC_SOURCE if parameters.split == "channel" else "",
    )
    ended_at = sessions.started_at + (sessions.seconds * SECOND).cast("int64") + GAP_MINUTES * 60 * SECOND
    sessions = sessions.select("customer_id", "started_at", channel="label", ended_at=ended_at)
    orders = tables.select_events(None, ORDERS).select(buyer_id="customer_id", ordered_at="at")
    matches = sessions.inner_join(
        orders,
        [
            sessions.customer_id == orders.buyer_id,
            orders.ordered_at >= sessions.started_at,
            orders.ordered_at <= sessions.ended_at,
        ],
    )
    converted = matches.select(converted_id="customer_id", converted_at="started_at").distinct()
    joined = sessions.left_join(
        converted, [sessions.customer_id == converted.converted_id, sessions.started_at == converted.converted_at]
    )
    day = build_day(joined.started_at, tables.zone, days.since, days.until)
    rows = joined.select(
        "customer_id",
        "started_at",
        "channel",
        period=build_period(day, parameters.unit),
        is_converted=joined.converted_id.notnull().cast("int64"),
    )
    return add_split(rows, tables, parameters, channel="channel")


def run_conversion(tables: AnalyticsTables, parameters: OutcomeParameters) -> ConversionResult:
    """Count visits and visitors with and without an order by the period in which the visit began."""
    span = find_span(tables.select_events(None, EventMatch()), tables, parameters)
    with tables.materialize(build_visits(tables, parameters)) as visits:
        total = tables.fetch(_count_visits(visits, ["period"], tables))
        split = tables.fetch(_count_visits(visits, ["period", "label", "is_other"], tables)) if parameters.split else []
    arranged = arrange_rows(total, split, key=lambda row: row["visits"])
    return ConversionResult(
        as_of=tables.as_of,
        began_on=span.began_on,
        groups=tuple(
            ConversionGroup(group=group, periods=_build_periods(periods, span, parameters))
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
    )


def _build_periods(rows: PeriodRows, span: DataSpan, parameters: OutcomeParameters) -> tuple[ConversionPeriod, ...]:
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
