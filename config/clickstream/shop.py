"""Reads the orders of some households and the catalog by category, from which the simulation starts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Max

from config.clickstream.random_draws import Floats, Integers, Keys, draw_uniform, hash_to_keys
from customers.orders.models import Order

HOUSEHOLDS = """
SELECT DISTINCT ON (o.customer_id) o.customer_id, i.value
FROM orders_order o JOIN events_source s ON s.id = o.source_id
JOIN identity_identifier i ON i.customer_id = o.customer_id AND i.kind = 'user_id'
WHERE o.placed_at > %(since)s AND o.placed_at <= %(until)s AND o.kind = 'sale' AND NOT s.is_simulated
ORDER BY o.customer_id, i.value COLLATE "C"
"""
BASKETS = """
SELECT o.id, s.key || '/' || o.order_id, o.order_id, o.customer_id, extract(epoch FROM o.placed_at)::float8, o.total::float8, o.currency
FROM orders_order o JOIN events_source s ON s.id = o.source_id
WHERE o.placed_at > %(since)s AND o.placed_at <= %(until)s AND o.kind = 'sale' AND NOT s.is_simulated
  AND o.customer_id = ANY(%(customers)s)
ORDER BY o.placed_at, s.key COLLATE "C", o.order_id COLLATE "C"
"""
LATEST_BASKETS = """
SELECT id, key, order_id, customer_id, extract(epoch FROM placed_at)::float8, total::float8, currency, user_id, placed_at
FROM (
    SELECT DISTINCT ON (o.customer_id) o.id, s.key || '/' || o.order_id AS key, o.order_id, o.customer_id, o.placed_at, o.total, o.currency,
           i.value AS user_id
    FROM orders_order o JOIN events_source s ON s.id = o.source_id
    JOIN identity_identifier i ON i.customer_id = o.customer_id AND i.kind = 'user_id'
    WHERE o.placed_at <= %(until)s AND o.kind = 'sale' AND NOT s.is_simulated AND o.customer_id <> ALL(%(customers)s)
    ORDER BY o.customer_id, o.placed_at DESC, s.key COLLATE "C", o.order_id COLLATE "C", i.value COLLATE "C"
) AS latest
ORDER BY placed_at, key COLLATE "C"
"""
LINES = """
SELECT l.order_id, p.id, ceil(l.quantity)::int
FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id
WHERE l.order_id = ANY(%(orders)s) AND l.quantity > 0 AND p.is_active
ORDER BY l.order_id, l.line_number
"""
PRODUCTS = """
SELECT p.id, p.product_id, p.title, p.brand, coalesce(c.path, ''), p.price::float8, p.currency
FROM catalog_product p LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE p.is_active
ORDER BY coalesce(c.path, '') COLLATE "C", p.product_id COLLATE "C"
"""

LONGEST_RESEARCH_DAYS = 6  # an order is researched within five days before it


class NoOrdersError(Exception):
    """There are no orders to simulate visits for."""


@dataclass(frozen=True, slots=True)
class SimulatedCatalog:
    """Products sorted by category; those of category c are `starts[c]` to `starts[c + 1]`."""

    rows: list[tuple[Any, ...]]  # primary key, product id, title, brand, category path, price, currency
    categories: list[str]
    category: Integers
    starts: Integers
    cumulative_weights: Floats  # running sum of each product's attractiveness

    def pick_products(self, low: Integers, high: Integers, draws: Floats) -> Integers:
        """Return a product from [low, high) for each draw, attractive ones more often."""
        lower_bounds = np.concatenate([[0.0], self.cumulative_weights])
        targets = lower_bounds[low] + draws * (lower_bounds[high] - lower_bounds[low])
        return np.clip(np.searchsorted(self.cumulative_weights, targets, side="right"), low, high - 1)


@dataclass(frozen=True, slots=True)
class SimulatedShop:
    """Orders by time; `line_*` are their lines, one order after the other.

    has_browsing: whether there are visits that belong to no order.
    """

    catalog: SimulatedCatalog
    product_positions: dict[int, int]
    customers: list[int]
    households: list[str]
    household_key: Keys
    basket_key: Keys
    basket_order: list[str]
    basket_household: Integers
    basket_at: Floats
    basket_total: Floats
    basket_currency: list[str]
    line_basket: Integers
    line_product: Integers
    line_quantity: Integers
    since: datetime
    until: datetime
    has_browsing: bool = True


def read_shop(*, days: int, households: int, seed: int) -> SimulatedShop:
    """Read the orders of some of the households that bought in the last days before the newest order.

    Raises NoOrdersError if no customer with a user id bought anything.
    """
    until = find_newest_order()
    window: dict[str, Any] = {"since": until - timedelta(days=days), "until": until}
    user_ids = choose_households(window, households=households, seed=seed)
    if not user_ids:
        raise NoOrdersError(f"No customer with a user id bought anything in the {days} days before {until:%Y-%m-%d}.")
    baskets = run_query(BASKETS, window | {"customers": list(user_ids)})
    return build_shop(read_catalog(seed=seed), baskets, user_ids, since=window["since"], until=until, seed=seed)


def read_latest_orders(beyond: SimulatedShop, *, seed: int) -> SimulatedShop:
    """Read the newest order of every household that is not in ``beyond``. The only visits are those around these orders."""
    baskets = run_query(LATEST_BASKETS, {"until": beyond.until, "customers": beyond.customers})
    user_ids = {row[3]: row[7] for row in baskets}
    since = min((row[8] for row in baskets), default=beyond.until) - timedelta(days=LONGEST_RESEARCH_DAYS)
    catalog = beyond.catalog, beyond.product_positions
    return build_shop(catalog, baskets, user_ids, since=since, until=beyond.until, seed=seed, has_browsing=False)


def find_newest_order() -> datetime:
    """Return the time of the newest order that is not simulated. Raises NoOrdersError."""
    orders = Order.objects.filter(kind=Order.Kind.SALE, source__is_simulated=False)
    until: datetime | None = orders.aggregate(at=Max("placed_at"))["at"]
    if until is None:
        raise NoOrdersError("There are no orders. Import some first (manage.py import_orders).")
    return until


def build_shop(
    catalog: tuple[SimulatedCatalog, dict[int, int]],
    baskets: list[tuple[Any, ...]],
    user_ids: dict[int, str],
    *,
    since: datetime,
    until: datetime,
    seed: int,
    has_browsing: bool = True,
) -> SimulatedShop:
    """Return the shop of some orders, sorted by time; ``user_ids`` are those of their customers."""
    names = sorted(user_ids.values())
    household_positions = {name: number for number, name in enumerate(names)}
    products, product_positions = catalog
    basket_positions = {row[0]: number for number, row in enumerate(baskets)}
    lines = run_query(LINES, {"orders": list(basket_positions)})
    line_columns = np.array(
        [(basket_positions[order], product_positions[product], quantity) for order, product, quantity in lines],
        dtype=np.int64,
    ).reshape(-1, 3)
    line_columns = line_columns[np.argsort(line_columns[:, 0], kind="stable")]
    return SimulatedShop(
        catalog=products,
        product_positions=product_positions,
        customers=list(user_ids),
        households=names,
        household_key=hash_to_keys(names, seed=seed),
        basket_key=hash_to_keys([row[1] for row in baskets], seed=seed),
        basket_order=[row[2] for row in baskets],
        basket_household=np.array([household_positions[user_ids[row[3]]] for row in baskets], dtype=np.int64),
        basket_at=np.array([row[4] for row in baskets], dtype=np.float64),
        basket_total=np.array([row[5] for row in baskets], dtype=np.float64),
        basket_currency=[row[6] for row in baskets],
        line_basket=line_columns[:, 0],
        line_product=line_columns[:, 1],
        line_quantity=line_columns[:, 2],
        since=since,
        until=until,
        has_browsing=has_browsing,
    )


def choose_households(window: dict[str, Any], *, households: int, seed: int) -> dict[int, str]:
    """Choose households by their keys: a larger number includes those of a smaller one."""
    candidates = run_query(HOUSEHOLDS, window)
    order = np.argsort(hash_to_keys([user_id for _customer, user_id in candidates], seed=seed), kind="stable")
    return {candidates[number][0]: candidates[number][1] for number in order[:households]}


def read_catalog(*, seed: int) -> tuple[SimulatedCatalog, dict[int, int]]:
    rows = run_query(PRODUCTS, {})
    categories = list(dict.fromkeys(row[4] for row in rows))
    category_numbers = {path: position for position, path in enumerate(categories)}
    category = np.array([category_numbers[row[4]] for row in rows], dtype=np.int64)
    draws = draw_uniform(hash_to_keys([row[1] for row in rows], seed=seed), 1)
    catalog = SimulatedCatalog(
        rows=rows,
        categories=categories,
        category=category,
        starts=np.searchsorted(category, np.arange(len(categories) + 1)),
        cumulative_weights=np.cumsum(1.0 / (0.02 + draws)),  # the most attractive hundredth gets a sixth of the views
    )
    return catalog, {row[0]: position for position, row in enumerate(rows)}


def run_query(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
