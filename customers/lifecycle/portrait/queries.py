"""Queries of one customer's activity before a time.

They return latest orders, events, their products, and the shop's average rates.
Each is one statement that uses indexes. Beyond `MAX_ORDERS` and `MAX_EVENTS` the oldest are left out, so a page stays fast for
customers with any history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.shop.profile import get_time_zone_name
from customers.lifecycle.facts.amounts import OWN_NET_AMOUNT
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.scoring.clv.returns import assign_returns
from customers.lifecycle.scoring.stages.order_gaps import DAY

MAX_ORDERS = 2_000
MAX_LINES = 50_000
MAX_EVENTS = 10_000
MAX_OTHER_ORDERS = 5_000
MAX_COMPARED_PRICES = 1_000
MIN_COMPARED_PRICES = 20

EPOCH_MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint"

# Of a document in its own currency, in minor units.
NET_AMOUNT = f"(({OWN_NET_AMOUNT}) * 100)::bigint"
# Imports of dates without a time give orders at midnight, so the hour of an order at midnight is unknown.
ORDERS = f"""
WITH documents AS (
    SELECT id, kind, status, placed_at, discount, refunded, {NET_AMOUNT} AS amount, placed_at AT TIME ZONE %(zone)s AS shop_time
    FROM orders_order o
    WHERE customer_id = %(customer)s AND status <> 'cancelled' AND placed_at < %(as_of)s
    ORDER BY placed_at DESC, id DESC LIMIT {MAX_ORDERS}
)
SELECT d.id, {EPOCH_MICROSECONDS.format("d.placed_at")}, d.kind = 'sale',
       d.kind = 'sale' AND (d.refunded > 0 OR d.status IN ('refunded', 'partly_refunded')),
       d.discount > 0, CASE WHEN d.shop_time::time = '00:00' THEN -1 ELSE extract(hour FROM d.shop_time)::int END,
       extract(isodow FROM d.shop_time)::int - 1, l.product_id, COALESCE(l.quantity > 0, false), COALESCE(l.discount > 0, false),
       d.amount
FROM documents d
LEFT JOIN orders_orderline l ON l.order_id = d.id
ORDER BY d.placed_at DESC, d.id DESC LIMIT {MAX_LINES}
"""  # noqa: S608 — our own text
EVENT = f"""
    SELECT e.id, e.occurred_at, {EPOCH_MICROSECONDS.format("e.occurred_at")} AS at, e.type, e.name, e.product_ids, e.source_id,
           extract(hour FROM e.occurred_at AT TIME ZONE %(zone)s)::int AS hour,
           extract(isodow FROM e.occurred_at AT TIME ZONE %(zone)s)::int - 1 AS weekday,
           COALESCE(left(e.context #>> '{{device,type}}', 100), '') AS device,
           COALESCE(left(e.context #>> '{{device,model}}', 100), '') AS model,
           COALESCE(left(e.context ->> 'userAgent', 1000), '') AS user_agent,
           COALESCE(left(e.context ->> 'locale', 20), '') AS locale,
           e.context #>> '{{campaign,name}}' IS NOT NULL OR e.context #>> '{{campaign,source}}' IS NOT NULL AS of_campaign,
           CASE WHEN e.type = 'identify' THEN e.properties END AS traits
    FROM events_event e
"""  # noqa: S608
# An event with a user ID belongs to the user, whatever browser it came from. One lateral query per identifier, each with its own LIMIT,
# can read the newest events from the index of user_id or of anonymous_id and stop there.
EVENTS = f"""
SELECT e.at, e.type, e.name, e.product_ids, e.hour, e.weekday, e.device, e.model, e.user_agent, e.locale, e.of_campaign,
       e.traits, s.key, s.name
FROM identity_identifier i
CROSS JOIN LATERAL (
    ({EVENT} WHERE i.kind = 'user_id' AND e.user_id = i.value AND e.user_id <> '' AND e.occurred_at < %(as_of)s
     ORDER BY e.occurred_at DESC LIMIT {MAX_EVENTS})
    UNION ALL
    ({EVENT} WHERE i.kind = 'anonymous_id' AND e.anonymous_id = i.value AND e.anonymous_id <> '' AND e.user_id = ''
       AND e.occurred_at < %(as_of)s
     ORDER BY e.occurred_at DESC LIMIT {MAX_EVENTS})
) AS e
JOIN events_source s ON s.id = e.source_id
WHERE i.customer_id = %(customer)s AND i.kind IN ('user_id', 'anonymous_id')
ORDER BY e.occurred_at DESC, e.id DESC LIMIT {MAX_EVENTS}
"""  # noqa: S608
PRODUCTS = """
SELECT p.id, p.product_id, p.category_id, COALESCE(c.path, ''), p.brand, p.price::float8, p.currency
FROM catalog_product p
LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE p.id IN (
    SELECT id FROM catalog_product WHERE id = ANY(%(ids)s)
    UNION SELECT id FROM catalog_product WHERE product_id = ANY(%(product_ids)s)
)
ORDER BY p.id
"""
PRICES = "count(*) AS n, percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY price::float8) AS edges"
# Quintiles of the category itself and of its top-level category; products without a category are compared with each other.
QUINTILES = f"""
SELECT 'own', g.id, '', g.currency, q.n, q.edges
FROM unnest(%(categories)s::bigint[], %(currencies)s::text[]) AS g (id, currency)
CROSS JOIN LATERAL (SELECT {PRICES} FROM (
    SELECT price FROM catalog_product
    WHERE category_id = g.id AND currency = g.currency AND price IS NOT NULL ORDER BY id LIMIT {MAX_COMPARED_PRICES}
) AS compared) AS q
UNION ALL
SELECT 'top', 0, g.top, g.currency, q.n, q.edges
FROM unnest(%(tops)s::text[], %(top_currencies)s::text[]) AS g (top, currency)
CROSS JOIN LATERAL (SELECT {PRICES} FROM (
    (SELECT price FROM catalog_product
     WHERE category_id = ANY(ARRAY(SELECT id FROM catalog_category WHERE split_part(path, ' > ', 1) = g.top))
       AND currency = g.currency AND price IS NOT NULL LIMIT {MAX_COMPARED_PRICES})
    UNION ALL
    (SELECT price FROM catalog_product
     WHERE g.top = '' AND category_id IS NULL AND currency = g.currency AND price IS NOT NULL LIMIT {MAX_COMPARED_PRICES})
) AS compared) AS q
"""  # noqa: S608
# The latest documents of others, one row each; those of one customer, or of guests with one email address, follow each other.
OTHER_DOCUMENTS = f"""
SELECT COALESCE(d.customer_id::text, d.guest_email_hash), d.kind = 'sale',
       d.kind = 'sale' AND (d.discount > 0 OR l.discounted IS NOT NULL),
       d.kind = 'sale' AND (d.refunded > 0 OR d.status IN ('refunded', 'partly_refunded')), d.amount
FROM (
    SELECT id, customer_id, guest_email_hash, kind, status, discount, refunded, placed_at, {NET_AMOUNT} AS amount FROM orders_order o
    WHERE status <> 'cancelled' AND placed_at < %(as_of)s AND customer_id IS DISTINCT FROM %(customer)s
    ORDER BY placed_at DESC LIMIT {MAX_OTHER_ORDERS}
) AS d
LEFT JOIN LATERAL (
    SELECT true AS discounted FROM orders_orderline WHERE order_id = d.id AND discount > 0 LIMIT 1
) AS l ON true
ORDER BY 1, d.placed_at, d.id
"""  # noqa: S608


@dataclass(frozen=True, eq=False)
class OrderDocuments:
    """Sales that are not canceled, and returns; latest first, arrays of shape (k,).

    at: microseconds since 1970. hour: in the shop's time zone, −1 if only the date is known. weekday: 0 is Monday.
    amount: after refunds by status, in minor units of the document's currency, 0 or less for a return.
    """

    at: Ints
    is_sale: Flags
    is_refunded: Flags
    has_discount: Flags
    hour: Ints
    weekday: Ints
    amount: Ints


@dataclass(frozen=True, eq=False)
class PurchasedProducts:
    """Purchased order lines, shape (m,): the primary key of the product, and the time."""

    product: Ints
    at: Ints


class CustomerEvent(NamedTuple):
    """An event.

    at: microseconds since 1970; hour, weekday: in the shop's time zone; traits: of an identify event.
    """

    at: int
    type: str
    name: str
    product_ids: list[str]
    hour: int
    weekday: int
    device: str
    model: str
    user_agent: str
    locale: str
    of_campaign: bool
    traits: Any
    source: str
    source_name: str


class PortraitProduct(NamedTuple):
    id: int
    product_id: str
    category_id: int | None
    path: str
    brand: str
    price: float | None
    currency: str

    @property
    def top(self) -> str:
        return self.path.split(" > ")[0]


class ShopRates(NamedTuple):
    """Numbers among the latest orders of all other customers and guests."""

    orders: int
    discounted: int
    returned: int


def read_orders(*, customer_id: int, as_of: datetime) -> tuple[OrderDocuments, PurchasedProducts]:
    """Return the latest documents and the lines that sold something, in one query."""
    rows = _fetch_rows(ORDERS, customer=customer_id, as_of=as_of, zone=get_time_zone_name())
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    order = np.array(columns[0], np.int64)
    at, is_sale, is_refunded, has_discount, hour, weekday = (
        np.array(column, kind)
        for column, kind in zip(columns[1:7], (np.int64, bool, bool, bool, np.int64, np.int64), strict=True)
    )
    # There is one row per line, or one without a line; the lines of a document follow each other.
    first_rows = np.flatnonzero(np.diff(order, prepend=-1) != 0)
    is_line_discounted = np.array(columns[9], bool)
    has_discount |= (
        np.repeat(np.logical_or.reduceat(is_line_discounted, first_rows), np.diff(first_rows, append=len(order)))
        if len(order)
        else is_line_discounted
    )
    documents = OrderDocuments(
        at[first_rows],
        is_sale[first_rows],
        is_refunded[first_rows],
        has_discount[first_rows],
        hour[first_rows],
        weekday[first_rows],
        np.array(columns[10], np.int64)[first_rows],
    )
    purchase_rows = np.flatnonzero(np.array(columns[8], bool) & is_sale)
    product = np.array([columns[7][row] for row in purchase_rows.tolist()], np.int64)
    return documents, PurchasedProducts(product, at[purchase_rows])


def read_events(*, customer_id: int, as_of: datetime) -> list[CustomerEvent]:
    """Return the latest events, latest first."""
    rows = _fetch_rows(EVENTS, customer=customer_id, as_of=as_of, zone=get_time_zone_name())
    return [CustomerEvent(*row) for row in rows]


def read_products(*, ids: Sequence[int], product_ids: Sequence[str]) -> list[PortraitProduct]:
    """Return products by primary keys or product IDs, each once."""
    return [PortraitProduct(*row) for row in _fetch_rows(PRODUCTS, ids=list(ids), product_ids=list(product_ids))]


def read_quintiles(*, products: Sequence[PortraitProduct]) -> Floats:
    """Return the price quintiles that each product is compared with, shape (k, 4).

    They are NaN if there are too few prices.
    They are those of its category or, if fewer than `MIN_COMPARED_PRICES` products have a price there, of its top-level category; always
    in the product's own currency.
    """
    priced_products = [product for product in products if product.price is not None]
    own = sorted(
        {(product.category_id, product.currency) for product in priced_products if product.category_id is not None}
    )
    top_level = sorted({(product.top, product.currency) for product in priced_products})
    rows = _fetch_rows(
        QUINTILES,
        categories=[category for category, _currency in own],
        currencies=[currency for _category, currency in own],
        tops=[top for top, _currency in top_level],
        top_currencies=[currency for _top, currency in top_level],
    )
    edges_by_category = {
        (kind, key or top, currency): edges for kind, key, top, currency, n, edges in rows if n >= MIN_COMPARED_PRICES
    }
    missing = [np.nan] * 4
    edges_of_products = [
        edges_by_category.get(("own", product.category_id, product.currency))
        or edges_by_category.get(("top", product.top, product.currency))
        or missing
        for product in products
    ]
    return np.array(edges_of_products, np.float64).reshape(len(products), 4)


def read_shop_rates(*, customer_id: int, as_of: datetime) -> ShopRates:
    """Return the rates of other customers' latest `MAX_OTHER_ORDERS` documents before as_of."""
    rows = _fetch_rows(OTHER_DOCUMENTS, customer=customer_id, as_of=as_of)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    is_sale, is_discounted, is_refunded = (np.array(column, bool) for column in columns[1:4])
    owner = np.array(columns[0], np.str_)
    is_first = np.ones(len(rows), bool)
    is_first[1:] = owner[1:] != owner[:-1]
    start = np.append(np.flatnonzero(is_first), len(rows))
    returned = count_returned_orders(
        start=start, amount=np.array(columns[4], np.int64), is_sale=is_sale, is_refunded=is_refunded
    )
    return ShopRates(int(is_sale.sum()), int(is_discounted.sum()), returned)


def count_returned_orders(*, start: Ints, amount: Ints, is_sale: Flags, is_refunded: Flags) -> int:
    """Return the orders with a refund or a return, each once, however many documents it came back with.

    As in `assign_returns`, customer i has the documents start[i] to start[i + 1], by ascending moment. Returns of an order before the
    first document count as one order of the customer.
    """
    _remaining, is_returned = assign_returns(start=start, amount=amount, is_order=is_sale)
    return int((is_refunded | is_returned).sum())


def to_days(at: Ints) -> Floats:
    """Return days since 1970 from microseconds."""
    return at / DAY


def datetime_to_days(moment: datetime) -> float:
    return to_microseconds(moment) / DAY


def _fetch_rows(statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
