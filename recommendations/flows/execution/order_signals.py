"""What the signals of orders do not contain: the products, how many orders the customer has, and when the order was placed at the latest."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection

from catalog.models import Product
from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.shop.profile import get_time_zone
from recommendations.flows.capture.taken_signals import TakenSignal
from recommendations.flows.machine.definition_schema import ORDER_PLACED

OCCURRENCE_PREFIX = "order:"
MAX_PRODUCTS = 10  # of an order that templates get

COLUMNS = """
o.id, o.customer_id, o.placed_at, o.created_at,
jsonb_build_object('order_id', o.order_id, 'total', o.total, 'currency', o.currency, 'coupon', o.coupon, 'order_count', (
    SELECT count(*) FROM orders_order e
    WHERE e.customer_id = o.customer_id AND e.kind = 'sale' AND e.status <> 'cancelled' AND (e.placed_at, e.id) <= (o.placed_at, o.id)
))::text
"""
READ_ORDERS = (
    "SELECT {columns} FROM orders_order o WHERE o.id = ANY(%s::bigint[]) AND o.customer_id IS NOT NULL".replace(
        "{columns}", COLUMNS
    )
)
READ_LATER_ORDERS = """
SELECT {columns} FROM unnest(%(ids)s::bigint[], %(starts)s::timestamptz[]) AS row (customer_id, since)
JOIN orders_order o ON o.customer_id = row.customer_id AND o.placed_at > row.since AND o.kind = 'sale' AND o.status <> 'cancelled'
WHERE LEAST(o.placed_at, o.created_at) <= %(now)s
ORDER BY o.placed_at, o.id
""".replace("{columns}", COLUMNS)
FIND_CANCELED = "SELECT id FROM orders_order WHERE id = ANY(%s::bigint[]) AND status IN ('cancelled', 'refunded')"
READ_PRODUCTS = """
SELECT l.order_id, p.id FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id
WHERE l.order_id = ANY(%s::bigint[]) AND l.quantity > 0 ORDER BY l.order_id, l.line_number
"""


def complete_orders(signals: Sequence[TakenSignal]) -> None:
    """Add to the signals of orders how many orders the customer has, and when they were placed at the latest; with one query.

    The profile may not contain the order yet, so flows for first orders compare ``order_count``.
    """
    order_ids = {order_id for signal in signals if (order_id := read_order_id(signal)) is not None}
    if not order_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(READ_ORDERS, [format_bigint_list(order_ids)])
        rows = {row[0]: row[2:] for row in cursor.fetchall()}
    zone = get_time_zone()
    for signal in signals:
        if (row := rows.get(read_order_id(signal) or 0)) is None:
            continue
        placed_at, received_at, properties = row
        signal.data = {**signal.data, **msgspec.json.decode(properties)}
        if signal.at == placed_at:  # a canceled order that is placed after all counts from then on
            signal.at = min(placed_at, received_at)
            signal.latest_at = find_latest_moment(placed_at, received_at=received_at, zone=zone)


def read_order_id(signal: TakenSignal) -> int | None:
    """Return the number of the order of a signal; None for other signals."""
    if signal.name != ORDER_PLACED or not signal.occurrence.startswith(OCCURRENCE_PREFIX):
        return None
    return int(signal.occurrence.removeprefix(OCCURRENCE_PREFIX))


def find_canceled(occurrences: Collection[str]) -> set[str]:
    """Return those of the occurrences whose order was canceled or fully refunded since it started the flow."""
    numbers = {
        int(occurrence.removeprefix(OCCURRENCE_PREFIX))
        for occurrence in occurrences
        if occurrence.startswith(OCCURRENCE_PREFIX)
    }
    if not numbers:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(FIND_CANCELED, [format_bigint_list(numbers)])
        return {f"{OCCURRENCE_PREFIX}{number}" for (number,) in cursor.fetchall()}


def find_latest_moment(placed_at: datetime, *, received_at: datetime, zone: ZoneInfo) -> datetime:
    """Return when an order was placed at the latest: shops also send its day without a time, its minute, or a time in the future.

    Otherwise an order of today seems to be from before the cart that it contains.
    """
    precision = timedelta(0)
    if any(is_midnight(placed_at.astimezone(each)) for each in (UTC, zone)):
        precision = timedelta(days=1)
    elif placed_at.second == placed_at.microsecond == 0:
        precision = timedelta(minutes=1)
    return min(placed_at + precision, received_at)


def is_midnight(moment: datetime) -> bool:
    return moment.hour == moment.minute == moment.second == moment.microsecond == 0


def read_later_orders(triggers: Collection[tuple[int, datetime]], *, now: datetime) -> dict[int, list[TakenSignal]]:
    """Return the orders of customers that may have been placed after these moments, by customer, as their signals; with one query."""
    since: dict[int, datetime] = {}
    for customer_id, at in triggers:
        since[customer_id] = min(at, since.get(customer_id, at))
    found: dict[int, list[TakenSignal]] = defaultdict(list)
    if since:
        starts = [at - timedelta(days=1) for at in since.values()]  # a date without a time is up to a day early
        with connection.cursor() as cursor:
            cursor.execute(READ_LATER_ORDERS, {"ids": list(since), "starts": starts, "now": now})
            rows = cursor.fetchall()
        zone = get_time_zone()
        for order_id, customer_id, placed_at, received_at, properties in rows:
            latest_at = find_latest_moment(placed_at, received_at=received_at, zone=zone)
            at = min(placed_at, received_at)
            occurrence = f"{OCCURRENCE_PREFIX}{order_id}"
            data: dict[str, Any] = msgspec.json.decode(properties)
            order = TakenSignal(0, "event", ORDER_PLACED, customer_id, "", occurrence, at, data, latest_at)
            found[customer_id].append(order)
    return found


def read_order_products(signals: Sequence[TakenSignal]) -> Mapping[int, list[Product]]:
    """Return the first products of the orders of signals, by the number of the order; with two queries."""
    order_ids = {order_id for signal in signals if (order_id := read_order_id(signal)) is not None}
    if not order_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(READ_PRODUCTS, [format_bigint_list(order_ids)])
        rows = cursor.fetchall()
    numbers: dict[int, dict[int, None]] = defaultdict(dict)  # in the order of the lines, each product once
    for order_id, product_number in rows:
        if len(numbers[order_id]) < MAX_PRODUCTS:
            numbers[order_id][product_number] = None
    products = Product.objects.select_related("category").in_bulk({pk for row in numbers.values() for pk in row})
    return {order_id: [products[pk] for pk in row if pk in products] for order_id, row in numbers.items()}
