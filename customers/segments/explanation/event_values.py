"""How often one customer did something in a period, and when last; the values that event conditions compare."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils.timezone import localtime

from customers.segments.conditions.condition_tree import Comparison, EventSequence
from customers.segments.conditions.event_conditions import EPOCH, SeriesIds, find_days, list_names, match_orders
from customers.segments.event_counts.meanings import BOUGHT
from customers.segments.models import EventCount, PendingOrderCount


class EventValue(NamedTuple):
    """The number of events in a period and the day of the last one; None without events."""

    times: int = 0
    last: date | None = None


class EventPeriod(NamedTuple):
    """An event with the first and last day in which it counts, in days since 1970; no first day means ever."""

    event: Comparison
    low: int | None
    high: int


def list_periods(node: Comparison | EventSequence, as_of: datetime) -> list[EventPeriod]:
    """Return the events of a condition, each with its period."""
    low, high = find_days(node, as_of)
    return [EventPeriod(event, low, high) for event in (node.steps if isinstance(node, EventSequence) else (node,))]


def read_event_values(periods: Sequence[EventPeriod], *, customer_id: int, series: SeriesIds) -> list[EventValue]:
    """Return the value of each event, in at most three queries: from the daily counts, or from orders that are not counted yet."""
    from_orders = find_uncounted(periods, customer_id)
    ids = {pk for number, period in enumerate(periods) if number not in from_orders for pk in series.find(period.event)}
    rows: dict[int, EventCount] = {}
    if ids:
        rows = {row.series_id: row for row in EventCount.objects.filter(customer_id=customer_id, series_id__in=ids)}
    ordered = read_orders([(number, periods[number]) for number in sorted(from_orders)], customer_id)
    return [
        ordered[number]
        if number in from_orders
        else sum_counts([rows[pk] for pk in series.find(period.event) if pk in rows], period)
        for number, period in enumerate(periods)
    ]


def find_uncounted(periods: Sequence[EventPeriod], customer_id: int) -> set[int]:
    """Return the positions of purchases that are read from orders, as in `select_by_count`."""
    purchases = {number for number, period in enumerate(periods) if period.event.field.meaning == BOUGHT}
    if purchases and PendingOrderCount.objects.filter(pk=customer_id).exists():
        return purchases
    return {number for number in purchases if len(list_names(periods[number].event)) > 1}


def sum_counts(rows: Sequence[EventCount], period: EventPeriod) -> EventValue:
    count, last = 0, None
    for row in rows:
        end = bisect_right(row.days, period.high)
        start = 0 if period.low is None else bisect_right(row.days, period.low - 1)
        if end > start:
            count += row.counts[end - 1][0] - (row.counts[start - 1][0] if start else 0)
            last = max(last or 0, row.days[end - 1])
    return EventValue(count, None if last is None else EPOCH + timedelta(days=last))


def read_orders(purchases: Sequence[tuple[int, EventPeriod]], customer_id: int) -> Mapping[int, EventValue]:
    """Return the number of orders of each purchase condition, in one query."""
    if not purchases:
        return {}
    statements, params = [], []
    for number, (event, low, high) in purchases:
        where, values = match_orders(event, list_names(event), low=low, high=high, only_pending=False)
        statements.append(
            f"SELECT {number:d}, count(*), max(o.placed_at) FROM orders_order o {where} AND o.customer_id = %s"  # noqa: S608 — our own SQL
        )
        params += [*values, customer_id]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(statements), params)
        return {
            number: EventValue(count, localtime(last).date() if last else None)
            for number, count, last in cursor.fetchall()
        }
