"""What the signals of orders do not contain: the products."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import connection

from catalog.models import Product
from config.foundation.database.array_parameters import format_bigint_list
from recommendations.flows.capture.taken_signals import TakenSignal

ORDER_PLACED = "order_placed"
OCCURRENCE_PREFIX = "order:"
MAX_PRODUCTS = 10  # of an order that templates get

READ_PRODUCTS = """
SELECT l.order_id, p.id FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id
WHERE l.order_id = ANY(%s::bigint[]) AND l.quantity > 0 ORDER BY l.order_id, l.line_number
"""


def read_order_id(signal: TakenSignal) -> int | None:
    """Return the number of the order of a signal; None for other signals."""
    if signal.name != ORDER_PLACED or not signal.occurrence.startswith(OCCURRENCE_PREFIX):
        return None
    return int(signal.occurrence.removeprefix(OCCURRENCE_PREFIX))


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
