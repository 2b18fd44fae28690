"""Reads what one customer did before a moment: their newest orders and events, the products these were about, the shop beside them.

Each is one statement by index, whatever there is; beyond `MOST_ORDERS` and `MOST_EVENTS` the oldest are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.db import connection

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.facts.histories import microseconds
from customers.lifecycle.scoring.stages.order_gaps import DAY

MOST_ORDERS = 2_000
MOST_LINES = 50_000
MOST_EVENTS = 10_000
OTHER_ORDERS = 5_000
MOST_COMPARED = 1_000
LEAST_COMPARED = 20

AT = "(extract(epoch FROM {0}) * 1000000)::bigint"

# a date without a time of day tells no hour
ORDERS = f"""
WITH documents AS (
    SELECT id, kind, status, placed_at, discount, refunded, placed_at AT TIME ZONE %(zone)s AS shop_time
    FROM orders_order
    WHERE customer_id = %(customer)s AND status <> 'cancelled' AND placed_at < %(as_of)s
    ORDER BY placed_at DESC, id DESC LIMIT {MOST_ORDERS}
)
SELECT d.id, {AT.format("d.placed_at")}, d.kind = 'sale',
       d.kind = 'sale' AND (d.refunded > 0 OR d.status IN ('refunded', 'partly_refunded')),
       d.discount > 0, CASE WHEN d.shop_time::time = '00:00' THEN -1 ELSE extract(hour FROM d.shop_time)::int END,
       extract(isodow FROM d.shop_time)::int - 1, l.product_id, COALESCE(l.quantity > 0, false), COALESCE(l.discount > 0, false)
FROM documents d
LEFT JOIN orders_orderline l ON l.order_id = d.id
ORDER BY d.placed_at DESC, d.id DESC LIMIT {MOST_LINES}
"""  # noqa: S608 — our own text
EVENT = f"""
    SELECT e.id, e.occurred_at, {AT.format("e.occurred_at")} AS at, e.type, e.name, e.product_ids, e.source_id,
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
# an event that names a user is the user's, whatever browser it came from
EVENTS = f"""
SELECT e.at, e.type, e.name, e.product_ids, e.hour, e.weekday, e.device, e.model, e.user_agent, e.locale, e.of_campaign,
       e.traits, s.key, s.name
FROM identity_identifier i
CROSS JOIN LATERAL (
    ({EVENT} WHERE i.kind = 'user_id' AND e.user_id = i.value AND e.user_id <> '' AND e.occurred_at < %(as_of)s
     ORDER BY e.occurred_at DESC LIMIT {MOST_EVENTS})
    UNION ALL
    ({EVENT} WHERE i.kind = 'anonymous_id' AND e.anonymous_id = i.value AND e.anonymous_id <> '' AND e.user_id = ''
       AND e.occurred_at < %(as_of)s
     ORDER BY e.occurred_at DESC LIMIT {MOST_EVENTS})
) AS e
JOIN events_source s ON s.id = e.source_id
WHERE i.customer_id = %(customer)s AND i.kind IN ('user_id', 'anonymous_id')
ORDER BY e.occurred_at DESC, e.id DESC LIMIT {MOST_EVENTS}
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
# of the category itself, and of all below its top category; what has none, of the others that have none
QUINTILES = f"""
SELECT 'own', g.id, '', g.currency, q.n, q.edges
FROM unnest(%(categories)s::bigint[], %(currencies)s::text[]) AS g (id, currency)
CROSS JOIN LATERAL (SELECT {PRICES} FROM (
    SELECT price FROM catalog_product
    WHERE category_id = g.id AND currency = g.currency AND price IS NOT NULL ORDER BY id LIMIT {MOST_COMPARED}
) AS chosen) AS q
UNION ALL
SELECT 'top', 0, g.top, g.currency, q.n, q.edges
FROM unnest(%(tops)s::text[], %(top_currencies)s::text[]) AS g (top, currency)
CROSS JOIN LATERAL (SELECT {PRICES} FROM (
    (SELECT price FROM catalog_product
     WHERE category_id = ANY(ARRAY(SELECT id FROM catalog_category WHERE split_part(path, ' > ', 1) = g.top))
       AND currency = g.currency AND price IS NOT NULL LIMIT {MOST_COMPARED})
    UNION ALL
    (SELECT price FROM catalog_product
     WHERE g.top = '' AND category_id IS NULL AND currency = g.currency AND price IS NOT NULL LIMIT {MOST_COMPARED})
) AS chosen) AS q
"""  # noqa: S608
OTHERS = f"""
SELECT count(*) FILTER (WHERE d.kind = 'sale'),
       count(*) FILTER (WHERE d.kind = 'sale' AND (d.discount > 0 OR l.discounted)),
       count(*) FILTER (WHERE d.kind = 'return' OR d.refunded > 0 OR d.status IN ('refunded', 'partly_refunded'))
FROM (
    SELECT id, kind, status, discount, refunded FROM orders_order
    WHERE status <> 'cancelled' AND placed_at < %(as_of)s AND customer_id IS DISTINCT FROM %(customer)s
    ORDER BY placed_at DESC LIMIT {OTHER_ORDERS}
) AS d
LEFT JOIN LATERAL (
    SELECT true AS discounted FROM orders_orderline WHERE order_id = d.id AND discount > 0 LIMIT 1
) AS l ON true
"""  # noqa: S608


@dataclass(frozen=True, eq=False)
class Documents:
    """Sales that stand and returns, the newest first, shape (k,). at: microseconds since 1970; hour: in the shop's time, −1 where only
    the day is known; weekday: 0 is Monday."""

    at: Ints
    is_sale: Flags
    is_refunded: Flags
    has_discount: Flags
    hour: Ints
    weekday: Ints


@dataclass(frozen=True, eq=False)
class Bought:
    """Order lines with something bought, shape (m,): the product's key in the database, and when."""

    product: Ints
    at: Ints


class SeenEvent(NamedTuple):
    """at: microseconds since 1970; hour and weekday: in the shop's time; traits: of an identify call."""

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


class SeenProduct(NamedTuple):
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


class OthersRates(NamedTuple):
    """Of the newest orders of everybody else, guests too: how many, how many of them with a discount, how many things given back."""

    orders: int
    discounted: int
    given_back: int


def read_orders(*, customer_id: int, as_of: datetime) -> tuple[Documents, Bought]:
    rows = _rows(ORDERS, customer=customer_id, as_of=as_of, zone=settings.TIME_ZONE)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 10
    order = np.array(columns[0], np.int64)
    at, is_sale, is_refunded, discounted, hour, weekday = (
        np.array(column, kind)
        for column, kind in zip(columns[1:7], (np.int64, bool, bool, bool, np.int64, np.int64), strict=True)
    )
    first = np.flatnonzero(np.diff(order, prepend=-1) != 0)
    on_lines = np.array(columns[9], bool)
    discounted |= (
        np.repeat(np.logical_or.reduceat(on_lines, first), np.diff(first, append=len(order)))
        if len(order)
        else on_lines
    )
    documents = Documents(at[first], is_sale[first], is_refunded[first], discounted[first], hour[first], weekday[first])
    bought = np.flatnonzero(np.array(columns[8], bool) & is_sale)
    product = np.array([columns[7][row] for row in bought.tolist()], np.int64)
    return documents, Bought(product, at[bought])


def read_events(*, customer_id: int, as_of: datetime) -> list[SeenEvent]:
    """The newest first."""
    rows = _rows(EVENTS, customer=customer_id, as_of=as_of, zone=settings.TIME_ZONE)
    return [SeenEvent(*row) for row in rows]


def read_products(*, ids: Sequence[int], product_ids: Sequence[str]) -> list[SeenProduct]:
    """By the database's keys or by the shop's ids, each once."""
    return [SeenProduct(*row) for row in _rows(PRODUCTS, ids=list(ids), product_ids=list(product_ids))]


def read_quintiles(*, products: Sequence[SeenProduct]) -> Floats:
    """Shape (k, 4): the quintiles of prices each product is compared with, those of its category or, where fewer than `LEAST_COMPARED`
    are priced there, of its top category; in its own currency. NaN where there are too few."""
    priced = [one for one in products if one.price is not None]
    own = sorted({(one.category_id, one.currency) for one in priced if one.category_id is not None})
    wide = sorted({(one.top, one.currency) for one in priced})
    rows = _rows(
        QUINTILES,
        categories=[category for category, _currency in own],
        currencies=[currency for _category, currency in own],
        tops=[top for top, _currency in wide],
        top_currencies=[currency for _top, currency in wide],
    )
    known = {(kind, key or top, currency): edges for kind, key, top, currency, n, edges in rows if n >= LEAST_COMPARED}
    nothing = [np.nan] * 4
    found = [
        known.get(("own", one.category_id, one.currency)) or known.get(("top", one.top, one.currency)) or nothing
        for one in products
    ]
    return np.array(found, np.float64).reshape(len(products), 4)


def read_others(*, customer_id: int, as_of: datetime) -> OthersRates:
    """Of the shop's newest `OTHER_ORDERS` documents before the moment that are not the customer's."""
    return OthersRates(*_rows(OTHERS, customer=customer_id, as_of=as_of)[0])


def days(at: Ints) -> Floats:
    """Of microseconds since 1970."""
    return at / DAY


def as_days(moment: datetime) -> float:
    return microseconds(moment) / DAY


def _rows(statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
