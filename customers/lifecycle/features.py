"""Counters of everybody, computed by PostgreSQL in sets from the facts before a moment, into a temporary table."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from psycopg import sql

from customers.lifecycle.histories import NET
from customers.lifecycle.temporary import make_temporary

FAVOURITES = 5
HOURS = 3

# a line for each customer, category and brand: the only pass over the order lines
BOUGHT = sql.SQL("""
    SELECT o.customer_id, p.category_id, p.brand,
           count(*) FILTER (WHERE o.kind = 'sale' AND l.quantity > 0) AS lines,
           sum(l.quantity) AS units,
           sum(l.discount) FILTER (WHERE o.kind = 'sale') AS discounts
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id
    JOIN catalog_product p ON p.id = l.product_id
    WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at < {as_of}{buyers}
    GROUP BY o.customer_id, p.category_id, p.brand
""")

ORDER_COUNTERS = sql.SQL("""
    WITH documents AS (
        SELECT o.customer_id,
               min(o.placed_at) FILTER (WHERE o.kind = 'sale') AS first_order_at,
               max(o.placed_at) FILTER (WHERE o.kind = 'sale') AS last_order_at,
               count(*) FILTER (WHERE o.kind = 'sale') AS orders,
               count(*) FILTER (WHERE o.kind = 'return') AS returns,
               sum({net}) AS revenue,
               sum(o.total) FILTER (WHERE o.kind = 'sale') AS sales,
               sum(o.discount) FILTER (WHERE o.kind = 'sale') AS discounts
        FROM orders_order o
        WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at < {as_of}{buyers}
        GROUP BY o.customer_id
    ), lines AS (
        SELECT customer_id, sum(units) AS units, sum(discounts) AS discounts
        FROM lifecycle_bought
        GROUP BY customer_id
    )
    SELECT c.id AS customer_id, d.first_order_at, d.last_order_at, COALESCE(d.orders, 0) AS orders,
           COALESCE(d.returns, 0) AS returns, COALESCE(l.units, 0) AS units, COALESCE(d.revenue, 0) AS revenue,
           COALESCE(d.discounts, 0) + COALESCE(l.discounts, 0) AS discounts,
           round(d.sales / NULLIF(d.orders, 0), 2) AS average_order_value,
           (extract(epoch FROM d.last_order_at - d.first_order_at) / 86400 / NULLIF(d.orders - 1, 0))::float8
               AS average_gap_days
    FROM identity_customer c
    LEFT JOIN documents d ON d.customer_id = c.id
    LEFT JOIN lines l ON l.customer_id = c.id
    WHERE c.erased_at IS NULL{customers}
""")

# whose event it is: the user's, or the visitor's when no user is named; what waits to be processed counts when it is
ACTIVITY = sql.SQL("""
    SELECT i.customer_id, e.session_id, count(*) AS events, max(e.occurred_at) AS last_event_at
    FROM events_event e
    JOIN identity_identifier i
      ON i.kind = CASE WHEN e.user_id <> '' THEN 'user_id' ELSE 'anonymous_id' END
     AND i.value = CASE WHEN e.user_id <> '' THEN e.user_id ELSE e.anonymous_id END
    WHERE e.occurred_at < {as_of} AND NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
    GROUP BY i.customer_id, e.session_id
""")

COUNTERS = sql.SQL("""
    WITH trade AS ({order_counters}), activity AS (
        SELECT customer_id, sum(events) AS events, count(NULLIF(session_id, '')) AS sessions,
               max(last_event_at) AS last_event_at
        FROM lifecycle_activity
        GROUP BY customer_id
    )
    SELECT t.*, COALESCE(a.events, 0) AS events, COALESCE(a.sessions, 0) AS sessions, a.last_event_at
    FROM trade t
    LEFT JOIN activity a USING (customer_id)
""")

# shares are of all lines bought, so that a customer of uncategorised products has small ones
FAVOURITES_OF_LINES = sql.SQL("""
    WITH named AS (
        SELECT customer_id, name, level, sum(lines) AS lines
        FROM ({lines}) AS b (customer_id, name, level, lines)
        WHERE lines > 0
        GROUP BY customer_id, name, level
    ), totals AS (
        SELECT customer_id, sum(lines) AS lines FROM lifecycle_bought GROUP BY customer_id
    ), placed AS (
        SELECT customer_id, name, lines,
               row_number() OVER (PARTITION BY customer_id, level ORDER BY lines DESC, name COLLATE "C") AS place
        FROM named
    )
    SELECT p.customer_id,
           jsonb_agg(
               jsonb_build_array(p.name, round(p.lines / t.lines, 4)) ORDER BY p.lines DESC, p.name COLLATE "C"
           ) AS favourites
    FROM placed p
    JOIN totals t USING (customer_id)
    WHERE p.place <= {most}
    GROUP BY p.customer_id
""")

# the top level and the category itself, unless it is the top level
LINES_OF_CATEGORIES = sql.SQL("""
    SELECT b.customer_id, n.name, n.level, b.lines
    FROM lifecycle_bought b
    JOIN (
        SELECT id, split_part(path, ' > ', 1), 1 FROM catalog_category
        UNION ALL SELECT id, path, 2 FROM catalog_category WHERE path LIKE '% > %'
    ) AS n (id, name, level) ON n.id = b.category_id
""")
LINES_OF_BRANDS = sql.SQL("SELECT customer_id, brand, 1, lines FROM lifecycle_bought WHERE brand <> ''")

FAVOURITE_HOURS = sql.SQL("""
    WITH counted AS (
        SELECT o.customer_id, extract(hour FROM o.placed_at AT TIME ZONE {zone})::int AS hour, count(*) AS orders
        FROM orders_order o
        WHERE o.customer_id IS NOT NULL AND o.kind = 'sale' AND o.status <> 'cancelled' AND o.placed_at < {as_of}{buyers}
        GROUP BY 1, 2
    ), placed AS (
        SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY orders DESC, hour) AS place,
               sum(orders) OVER (PARTITION BY customer_id) AS all_orders
        FROM counted
    )
    SELECT customer_id,
           jsonb_agg(jsonb_build_array(hour, round(orders / all_orders, 4)) ORDER BY orders DESC, hour) AS favourites
    FROM placed
    WHERE place <= {most}
    GROUP BY customer_id
""")


def trade_queries(*, as_of: datetime, customer_ids: Sequence[int] | None = None) -> dict[str, sql.Composable]:
    """The queries for what orders say of everyone, or of those named, by the name under which others of them know each."""
    buyers: sql.Composable = sql.SQL("")
    customers: sql.Composable = sql.SQL("")
    if customer_ids is not None:
        buyers = sql.SQL(" AND o.customer_id = ANY({}::bigint[])").format(sql.Literal(list(customer_ids)))
        customers = sql.SQL(" AND c.id = ANY({}::bigint[])").format(sql.Literal(list(customer_ids)))
    parts = {"as_of": sql.Literal(as_of), "buyers": buyers}
    most = sql.Literal(FAVOURITES)
    return {
        "lifecycle_bought": BOUGHT.format(**parts),
        "lifecycle_trade": ORDER_COUNTERS.format(net=NET, customers=customers, **parts),
        "lifecycle_categories": FAVOURITES_OF_LINES.format(lines=LINES_OF_CATEGORIES, most=most),
        "lifecycle_brands": FAVOURITES_OF_LINES.format(lines=LINES_OF_BRANDS, most=most),
        "lifecycle_hours": FAVOURITE_HOURS.format(
            most=sql.Literal(HOURS), zone=sql.Literal(settings.TIME_ZONE), **parts
        ),
    }


def compute_counters(*, as_of: datetime) -> None:
    """Fills the temporary tables lifecycle_activity, _counters, _categories, _brands and _hours."""
    queries = trade_queries(as_of=as_of)
    make_temporary("lifecycle_bought", queries.pop("lifecycle_bought"))
    make_temporary("lifecycle_activity", ACTIVITY.format(as_of=sql.Literal(as_of)))
    make_temporary("lifecycle_counters", COUNTERS.format(order_counters=queries.pop("lifecycle_trade")))
    for table, query in queries.items():
        make_temporary(table, query)
