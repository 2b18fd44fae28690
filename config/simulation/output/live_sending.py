"""Sends a simulated shop to a collector: visits as events, and orders as "Order Completed" of a server, at a rate."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from config.clickstream.delivery import send_over_http
from config.foundation.array_types import Ints
from config.simulation.catalog import ShopCatalog, draw_catalog
from config.simulation.customers import SimulatedCustomers, draw_customers
from config.simulation.output.event_lines import CURRENCY, EventLines, format_moments
from config.simulation.output.order_lines import format_amounts, format_order_ids
from config.simulation.plan import ShopPlan
from config.simulation.purchases import Purchases, draw_purchases
from config.simulation.truth import format_customers, format_products
from config.simulation.visits import draw_events

SLICE = 100  # items that are sent together


def send_simulation(plan: ShopPlan, *, host: str, write_key: str, rate: float, report: Callable[[int], None]) -> int:
    """Send everything; return the number of items. rate: items a second, 0 for no limit. Raises DeliveryError.

    Message IDs depend on the whole plan, so a second run within 30 days changes nothing, and another plan is sent in full.
    """
    items = pace_items(build_items(plan, draw_catalog(plan)), rate)
    return send_over_http(items, host=host, write_key=write_key, report_progress=report)


def pace_items(items: Iterator[list[bytes]], rate: float) -> Iterator[list[bytes]]:
    """Yield slices, none earlier than the rate allows."""
    started, sent = time.monotonic(), 0
    for item_list in items:
        for first in range(0, len(item_list), SLICE):
            if rate:
                time.sleep(max(0.0, started + sent / rate - time.monotonic()))
            part = item_list[first : first + SLICE]
            sent += len(part)
            yield part


def build_items(plan: ShopPlan, catalog: ShopCatalog) -> Iterator[list[bytes]]:
    """Yield the items of each block by time."""
    lines = EventLines(plan, catalog)
    for block in range(plan.blocks):
        customers = draw_customers(plan, catalog, block)
        purchases = draw_purchases(plan, catalog, customers, block)
        events = draw_events(plan, catalog, customers, purchases, block)
        placed = np.flatnonzero(purchases.is_placed & (purchases.day < plan.days))
        texts = pa.concat_arrays(
            [
                lines.format(events, customers, np.zeros(len(events), np.int64)),
                format_orders(plan, customers, purchases, placed),
            ]
        )
        by_time = np.argsort(np.concatenate([events.at, purchases.at[placed]]), kind="stable")
        yield [text.encode() for text in texts.take(pa.array(by_time)).to_pylist()]


def format_orders(plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases, placed: Ints) -> pa.Array:
    """Return "Order Completed" of each order."""
    fragments = pc.binary_join_element_wise(
        '{"product_id":"',
        format_products(purchases.product),
        '","quantity":',
        pa.array(purchases.quantity).cast(pa.string()),
        ',"price":',
        format_amounts(purchases.price),
        "}",
        "",
    )
    starts = np.searchsorted(purchases.line_order, np.arange(len(purchases) + 1)).astype(np.int32)
    products = pc.binary_join(pa.ListArray.from_arrays(pa.array(starts), fragments), ",").take(pa.array(placed))
    discount = np.bincount(purchases.line_order, purchases.line_discount, minlength=len(purchases))[placed]
    ids = format_order_ids(plan, customers, purchases).take(pa.array(placed))
    return pc.binary_join_element_wise(
        '{"type":"track","event":"Order Completed","messageId":"s-',
        ids,
        '","userId":"',
        format_customers(customers.first + purchases.customer[placed]),
        '","timestamp":"',
        format_moments(plan.start_ms + purchases.at[placed]),
        '","context":{},"properties":{"order_id":"',
        ids,
        f'","currency":"{CURRENCY}","total":',
        format_amounts(purchases.value[placed]),
        ',"discount":',
        format_amounts(discount),
        ',"products":[',
        products,
        "]}}",
        "",
    )
