"""Retention: the share of the customers who ordered in a period that order again in the next one.

Split by channel, a customer counts in the channel of the last order in the first of the two periods, so that the channels add up.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch
from customers.analytics.expressions.periods import build_day
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import ORDER_ID_OFFSET, AnalyticsTables
from customers.analytics.outcomes.completeness import DataSpan, find_span
from customers.analytics.outcomes.groups import PeriodRows, add_split, arrange_rows, select_group
from customers.analytics.outcomes.parameters import OutcomeParameters

ORDERS = EventMatch(name=ORDER_EVENT)


@dataclass(frozen=True, kw_only=True)
class RepeatPeriod:
    """The customers of the period before, and how many of them order again in this one.

    Attributes:
        is_complete: this period and the one before are complete; otherwise the share can still change. year_share: the share a year
            before, if complete.
    """

    start: date
    is_complete: bool
    customers_before: int
    returned: int
    share: float | None
    previous_share: float | None
    year_share: float | None


@dataclass(frozen=True, kw_only=True)
class RepeatGroup:
    """The periods of a group, or of everyone without one."""

    group: GroupKey | None
    periods: tuple[RepeatPeriod, ...]


@dataclass(frozen=True, kw_only=True)
class RepeatResult:
    """Everyone first, then the groups."""

    as_of: datetime
    began_on: date | None
    groups: tuple[RepeatGroup, ...]


def build_customer_periods(tables: AnalyticsTables, parameters: OutcomeParameters, *, periods_before: int) -> ir.Table:
    """Return customer_id, period, is_returning, label and is_other: one row per customer and period with an order.

    ``period`` is the one after that of the orders, and ``is_returning`` whether the customer orders in it again.
    """
    days = parameters.extend_days(periods_before)
    orders = tables.orders.select(order_id=tables.orders.id, channel=ibis.coalesce(tables.orders.channel, ""))
    events = tables.select_events(days, ORDERS)
    rows = events.select("customer_id", "at", order_id=events.id - ORDER_ID_OFFSET).left_join(orders, "order_id")
    day = build_day(rows["at"], tables.zone, days.since, days.until)
    rows = rows.mutate(period=parameters.build_number(day))
    rows = rows.group_by("customer_id", "period").agg(channel=rows.channel.argmax(rows["at"]))
    following = rows.period.lead().over(ibis.window(group_by=rows.customer_id, order_by=rows.period))
    rows = rows.select(
        "customer_id",
        period=rows.period + 1,
        is_returning=ibis.coalesce(following == rows.period + 1, False).cast("int64"),
        channel=rows.channel.nullif(""),
    )
    return add_split(rows, tables, parameters, channel="channel")


def run_repeat_orders(tables: AnalyticsTables, parameters: OutcomeParameters) -> RepeatResult:
    """Count the customers of each period, and how many of them return."""
    before = (parameters.year_periods or 1) + 1
    span = find_span(tables.select_events(None, ORDERS), tables, parameters)
    with tables.materialize(build_customer_periods(tables, parameters, periods_before=before)) as rows:
        total = tables.fetch(_count_returning(rows, ["period"]))
        split = tables.fetch(_count_returning(rows, ["period", "label", "is_other"])) if parameters.split else []
    arranged = arrange_rows(total, split, key=lambda row: row["customers"])
    return RepeatResult(
        as_of=tables.as_of,
        began_on=span.began_on,
        groups=tuple(
            RepeatGroup(group=group, periods=_build_periods(periods, span, parameters)) for group, periods in arranged
        ),
    )


def _count_returning(rows: ir.Table, keys: list[str]) -> ir.Table:
    return rows.group_by(*keys).agg(customers=rows.count(), returned=rows.is_returning.sum())


def _build_periods(rows: PeriodRows, span: DataSpan, parameters: OutcomeParameters) -> tuple[RepeatPeriod, ...]:
    def read(number: int) -> dict[str, Any]:
        return rows.get(number, [{"customers": 0, "returned": 0}])[0]

    def is_complete(number: int) -> bool:
        return span.is_complete(number) and span.is_complete(number - 1)

    def share(number: int) -> float | None:
        return divide(read(number)["returned"] or 0, read(number)["customers"]) if is_complete(number) else None

    return tuple(
        RepeatPeriod(
            start=parameters.get_start(number),
            is_complete=is_complete(number),
            customers_before=read(number)["customers"],
            returned=read(number)["returned"] or 0,
            share=divide(read(number)["returned"] or 0, read(number)["customers"]),
            previous_share=share(number - 1),
            year_share=None if parameters.year_periods is None else share(number - parameters.year_periods),
        )
        for number in span.list_begun(parameters)
    )


@dataclass(frozen=True, kw_only=True)
class RepeatSelection:
    """The customers of the period before the one in which a day lies. is_lost: those who do not order again, else those who do."""

    period: date
    is_lost: bool = False
    group: GroupKey | None = None


def select_repeat_people(
    tables: AnalyticsTables, parameters: OutcomeParameters, selection: RepeatSelection
) -> ir.Table:
    """Return the customer_id of those who order again, or of those who do not. Raises ParameterError."""
    number = parameters.check_period(selection.period)
    rows = build_customer_periods(tables, parameters, periods_before=(parameters.year_periods or 1) + 1)
    rows = select_group(rows, selection.group)
    return rows.filter((rows.period == number) & (rows.is_returning == int(not selection.is_lost))).select(
        "customer_id"
    )
