"""Counters and favorites from the facts before a time.

For all customers they are computed in NumPy, in one pass over the lines; for some customers in SQL, which uses the indexes. Both give
the same results, which a test compares.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
from psycopg import sql

from config.foundation.array_types import NEVER, Ints
from config.foundation.database.binary_copy import IntegerColumns
from config.foundation.database.temporary_tables import (
    build_timestamp_expression,
    create_temporary_table,
    load_temporary_blocks,
    load_temporary_table,
)
from config.foundation.shop.profile import build_time_zone
from customers.lifecycle.facts.amounts import build_amount_currency, build_net_amount
from customers.lifecycle.facts.histories import sum_revenue
from customers.lifecycle.facts.order_facts import OrderFacts
from customers.lifecycle.scoring.interests.favorites import Favorites, encode_copy_rows, merge_favorites, rank_favorites

MAX_FAVORITES = 5
MAX_FAVORITE_HOURS = 3

# One row per customer, category and brand: the only pass over the order lines, which all queries below share.
PURCHASED_LINES = sql.SQL("""
    SELECT o.customer_id, p.category_id, p.brand,
           count(*) FILTER (WHERE o.kind = 'sale' AND l.quantity > 0) AS lines,
           sum(l.quantity) AS units,
           sum(l.discount) FILTER (WHERE o.kind = 'sale' AND o.currency = {currency}) AS discounts
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id
    JOIN catalog_product p ON p.id = l.product_id
    WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at < {as_of}
      AND o.customer_id = ANY({ids}::bigint[])
    GROUP BY o.customer_id, p.category_id, p.brand
""")

AVERAGE_GAP = sql.SQL("(extract(epoch FROM last_order_at - first_order_at) / 86400 / NULLIF(orders - 1, 0))::float8")

ORDER_COUNTERS = sql.SQL("""
    WITH documents AS (
        SELECT o.customer_id,
               min(o.placed_at) FILTER (WHERE o.kind = 'sale') AS first_order_at,
               max(o.placed_at) FILTER (WHERE o.kind = 'sale') AS last_order_at,
               count(*) FILTER (WHERE o.kind = 'sale') AS orders,
               count(*) FILTER (WHERE o.kind = 'return') AS returns,
               sum({net}) AS revenue,
               count(*) FILTER (WHERE o.kind = 'sale' AND o.currency = {currency}) AS priced,
               sum(o.discount) FILTER (WHERE o.kind = 'sale' AND o.currency = {currency}) AS discounts
        FROM orders_order o
        WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at < {as_of}
      AND o.customer_id = ANY({ids}::bigint[])
        GROUP BY o.customer_id
    ), lines AS (
        SELECT customer_id, sum(units) AS units, sum(discounts) AS discounts
        FROM lifecycle_purchased_lines
        GROUP BY customer_id
    )
    SELECT c.id AS customer_id, d.first_order_at, d.last_order_at, COALESCE(d.orders, 0) AS orders,
           COALESCE(d.returns, 0) AS returns, COALESCE(l.units, 0) AS units, COALESCE(d.revenue, 0) AS revenue,
           COALESCE(d.discounts, 0) + COALESCE(l.discounts, 0) AS discounts,
           round(d.revenue / NULLIF(d.priced, 0), 2) AS average_order_value,
           {average_gap} AS average_gap_days
    FROM identity_customer c
    LEFT JOIN documents d ON d.customer_id = c.id
    LEFT JOIN lines l ON l.customer_id = c.id
    WHERE c.erased_at IS NULL AND c.id = ANY({ids}::bigint[])
""")

# An event belongs to its user ID, else to its anonymous ID. It cannot have happened after it was received. The events in the outbox are left
# out: the processor adds them to the counters when their turn comes.
ACTIVITY = sql.SQL("""
    SELECT i.customer_id, e.session_id, count(*) AS events, max(LEAST(e.occurred_at, e.received_at)) AS last_event_at
    FROM events_event e
    JOIN identity_identifier i
      ON i.kind = CASE WHEN e.user_id <> '' THEN 'user_id' ELSE 'anonymous_id' END
     AND i.value = CASE WHEN e.user_id <> '' THEN e.user_id ELSE e.anonymous_id END
    WHERE LEAST(e.occurred_at, e.received_at) < {as_of} AND NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
    GROUP BY i.customer_id, e.session_id
""")

# The counters of all customers, from the integer sums of `sum_orders`.
COUNTERS = sql.SQL("""
    WITH order_totals AS (
        SELECT customer_id, orders, returns, units * 0.001 AS units, revenue * 0.01 AS revenue, discounts * 0.01 AS discounts,
               round(revenue * 0.01 / NULLIF(priced, 0), 2) AS average_order_value, sales * 0.01 AS sales,
               {first_order} AS first_order_at, {last_order} AS last_order_at
        FROM lifecycle_order_counters
    ), activity AS (
        SELECT customer_id, sum(events) AS events, count(NULLIF(session_id, '')) AS sessions,
               max(last_event_at) AS last_event_at
        FROM lifecycle_activity
        GROUP BY customer_id
    )
    SELECT o.*, {average_gap} AS average_gap_days, COALESCE(a.events, 0) AS events, COALESCE(a.sessions, 0) AS sessions,
           a.last_event_at
    FROM order_totals o
    LEFT JOIN activity a USING (customer_id)
""").format(
    average_gap=AVERAGE_GAP,
    first_order=build_timestamp_expression("first_order"),
    last_order=build_timestamp_expression("last_order"),
)

# Shares are of all purchased lines, so they are small for customers of uncategorized products.
FAVORITES_BY_LINES = sql.SQL("""
    WITH line_counts AS (
        SELECT customer_id, name, level, sum(lines) AS lines
        FROM ({lines}) AS b (customer_id, name, level, lines)
        WHERE lines > 0
        GROUP BY customer_id, name, level
    ), totals AS (
        SELECT customer_id, sum(lines) AS lines FROM lifecycle_purchased_lines GROUP BY customer_id
    ), ranked AS (
        SELECT customer_id, name, lines,
               row_number() OVER (PARTITION BY customer_id, level ORDER BY lines DESC, name COLLATE "C") AS position
        FROM line_counts
    )
    SELECT p.customer_id,
           jsonb_agg(
               jsonb_build_array(p.name, round(p.lines / t.lines, 4)) ORDER BY p.lines DESC, p.name COLLATE "C"
           ) AS favorites
    FROM ranked p
    JOIN totals t USING (customer_id)
    WHERE p.position <= {limit}
    GROUP BY p.customer_id
""")

# A line counts for its top-level category and for the category itself, unless that is the top level.
LINES_BY_CATEGORY = sql.SQL("""
    SELECT b.customer_id, n.name, n.level, b.lines
    FROM lifecycle_purchased_lines b
    JOIN (
        SELECT id, split_part(path, ' > ', 1), 1 FROM catalog_category
        UNION ALL SELECT id, path, 2 FROM catalog_category WHERE path LIKE '% > %'
    ) AS n (id, name, level) ON n.id = b.category_id
""")
LINES_BY_BRAND = sql.SQL("SELECT customer_id, brand, 1, lines FROM lifecycle_purchased_lines WHERE brand <> ''")

FAVORITE_HOURS = sql.SQL("""
    WITH orders_by_hour AS (
        SELECT o.customer_id, extract(hour FROM o.placed_at AT TIME ZONE {zone})::int AS hour, count(*) AS orders
        FROM orders_order o
        WHERE o.customer_id IS NOT NULL AND o.kind = 'sale' AND o.status <> 'cancelled' AND o.placed_at < {as_of}
      AND o.customer_id = ANY({ids}::bigint[])
        GROUP BY 1, 2
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY orders DESC, hour) AS position,
               sum(orders) OVER (PARTITION BY customer_id) AS all_orders
        FROM orders_by_hour
    )
    SELECT customer_id,
           jsonb_agg(jsonb_build_array(hour, round(orders / all_orders, 4)) ORDER BY orders DESC, hour) AS favorites
    FROM ranked
    WHERE position <= {limit}
    GROUP BY customer_id
""")


def build_order_counter_queries(*, as_of: datetime, customer_ids: Sequence[int]) -> dict[str, sql.Composable]:
    """Return the order counter queries of these customers.

    The keys are the names under which the queries refer to each other.
    """
    ids = sql.Literal(list(customer_ids))
    parts = {"as_of": sql.Literal(as_of), "ids": ids, "currency": build_amount_currency()}
    limit = sql.Literal(MAX_FAVORITES)
    return {
        "lifecycle_purchased_lines": PURCHASED_LINES.format(**parts),
        "lifecycle_order_counters": ORDER_COUNTERS.format(net=build_net_amount(), average_gap=AVERAGE_GAP, **parts),
        "lifecycle_categories": FAVORITES_BY_LINES.format(lines=LINES_BY_CATEGORY, limit=limit),
        "lifecycle_brands": FAVORITES_BY_LINES.format(lines=LINES_BY_BRAND, limit=limit),
        "lifecycle_hours": FAVORITE_HOURS.format(
            limit=sql.Literal(MAX_FAVORITE_HOURS), zone=build_time_zone(), **parts
        ),
    }


def compute_counters(*, facts: OrderFacts, as_of: datetime) -> None:
    """Create the temporary tables of all customers.

    They are lifecycle_activity, lifecycle_counters and lifecycle_favorites.
    """
    load_temporary_table("lifecycle_order_counters", sum_orders(facts))
    customer = facts.histories.customer
    columns = {"customer_id": "bigint", "categories": "jsonb", "brands": "jsonb", "hours": "jsonb"}
    rows = encode_copy_rows(customer=customer, columns=find_favorites(facts))
    load_temporary_blocks("lifecycle_favorites", columns, rows)
    create_temporary_table("lifecycle_activity", ACTIVITY.format(as_of=sql.Literal(as_of)))
    create_temporary_table("lifecycle_counters", COUNTERS)


def sum_orders(facts: OrderFacts) -> IntegerColumns:
    """Return the order counters per customer.

    Amounts are in minor units, units in thousandths, times in microseconds or ``NEVER``: integers, so that sums are exact.
    """
    histories, lines = facts.histories, facts.lines
    orders = sum_by_customer(histories.is_order, histories.start)
    at = histories.at[histories.is_order]
    has_orders = orders > 0
    ends = np.cumsum(orders)[has_orders]
    first, last = np.full(len(orders), NEVER), np.full(len(orders), NEVER)
    first[has_orders], last[has_orders] = at[ends - orders[has_orders]], at[ends - 1]
    is_priced = histories.is_order & facts.is_priced
    discount = np.where(is_priced, facts.discount, 0)
    return {
        "customer_id": histories.customer,
        "orders": orders,
        "returns": np.diff(histories.start) - orders,
        "units": sum_by_customer(lines.thousandths, lines.start),
        "revenue": sum_revenue(histories),
        "priced": sum_by_customer(is_priced, histories.start),
        "sales": sum_by_customer(np.where(is_priced, facts.total, 0), histories.start),
        "discounts": sum_by_customer(discount, histories.start) + sum_by_customer(lines.discount, lines.start),
        "first_order": first,
        "last_order": last,
    }


def find_favorites(facts: OrderFacts) -> tuple[Favorites, Favorites, Favorites]:
    """Return the favorite categories, brands and hours.

    Shares are of order lines, except for hours: those are of orders.
    """
    lines, products, histories = facts.lines, facts.products, facts.histories
    purchases = sum_by_customer(lines.is_purchase, lines.start)

    def rank_lines(code: Ints, labels: Sequence[str]) -> Favorites:
        codes = np.where(lines.is_purchase, code[lines.product], -1)
        return rank_favorites(start=lines.start, code=codes, total=purchases, names=labels, limit=MAX_FAVORITES)

    hours = rank_favorites(
        start=histories.start,
        code=np.where(histories.is_order, facts.hour, -1),
        total=sum_by_customer(histories.is_order, histories.start),
        names=range(24),
        limit=MAX_FAVORITE_HOURS,
    )
    top_categories = rank_lines(products.top, products.category_names)
    inner_categories = rank_lines(products.inner, products.category_names)
    return merge_favorites(top_categories, inner_categories), rank_lines(products.brand, products.brand_names), hours


def sum_by_customer(values: npt.NDArray[np.integer] | npt.NDArray[np.bool_], start: Ints) -> Ints:
    """Return the sum per customer, shape (n,)."""
    # Differences of a running sum, unlike np.add.reduceat, are also right for customers without values.
    total = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    return total[start[1:]] - total[start[:-1]]
