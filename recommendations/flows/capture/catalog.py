"""Signals published products, and finds customers interested in changed ones: those who viewed or wanted them, or bought in the category."""

from collections.abc import Sequence
from datetime import date, datetime

from django.db import connection

from config.foundation.shop.profile import get_time_zone
from customers.events.event_taxonomy import Meaning
from recommendations.flows.capture.taken_signals import TakenSignal
from recommendations.flows.machine.graph import FlowGraph
from recommendations.flows.models import FlowVersion

MEANINGS = {
    "viewed": Meaning.VIEW,
    "added": Meaning.CART,
    "wishlisted": Meaning.WISHLIST,
    "requested": Meaning.STOCK_REQUEST,
    "bought": Meaning.PURCHASE,
}
EPOCH_DAY = date(1970, 1, 1)

# Customers who bought the product, or another variant of it, after showing interest are left out. A request to be notified (one click) is
# answered once: a stay of the flow with the product ends it. If several products interest a customer, only the newest interest counts, so
# that a sale of a whole category sends one message.
SIGNAL_INTERESTED = """
WITH changed AS MATERIALIZED (
    SELECT DISTINCT ON (row.product_id) row.product_id, row.occurrence, row.at, row.old_price, p.title, p.url, p.image_url,
           p.price, p.currency, p.parent_id, c.path
    FROM unnest(%(products)s::text[], %(occurrences)s::text[], %(times)s::timestamptz[], %(old_prices)s::text[])
         WITH ORDINALITY AS row (product_id, occurrence, at, old_price, position)
    JOIN catalog_product p ON p.product_id = row.product_id AND p.is_active AND COALESCE(p.published_at <= %(now)s, true)
    LEFT JOIN catalog_category c ON c.id = p.category_id
    ORDER BY row.product_id, row.position DESC
), bought AS MATERIALIZED (
    SELECT variant.changed_id, s.id
    FROM (
        SELECT product_id AS changed_id, product_id FROM changed
        UNION
        SELECT changed.product_id, v.product_id FROM changed JOIN catalog_product v ON v.parent_id = changed.parent_id
        WHERE changed.parent_id <> ''
    ) variant
    JOIN segments_eventseries s ON s.meaning = 'purchase' AND s.about = 'product' AND s.name = variant.product_id
), series AS MATERIALIZED (
    SELECT s.id, s.meaning, changed.product_id
    FROM changed JOIN segments_eventseries s ON s.meaning = ANY(%(meanings)s) AND s.about = %(about)s
         AND s.name = CASE WHEN %(about)s = 'category' THEN changed.path ELSE changed.product_id END
), interested AS (
    SELECT DISTINCT ON (n.customer_id) n.customer_id, series.product_id
    FROM series JOIN segments_eventcount n ON n.series_id = series.id
    WHERE n.days[cardinality(n.days)] >= %(since)s AND NOT EXISTS (
        SELECT FROM bought JOIN segments_eventcount b ON b.series_id = bought.id AND b.customer_id = n.customer_id
        WHERE bought.changed_id = series.product_id AND %(leave_out_buyers)s
          AND b.days[cardinality(b.days)] >= n.days[cardinality(n.days)]
    ) AND NOT (series.meaning = %(request)s AND EXISTS (
        SELECT FROM flows_flowentry e
        WHERE e.flow_id = %(flow_id)s AND e.customer_id = n.customer_id AND e.status IN ('completed', 'goal')
          AND e.event->'product'->>'product_id' = series.product_id
          AND e.triggered_at AT TIME ZONE %(time_zone)s
              > DATE '1970-01-01' + n.days[cardinality(n.days)] + make_interval(secs => n.counts[cardinality(n.days)][3])
    ))
    ORDER BY n.customer_id, n.days[cardinality(n.days)] DESC, series.product_id
)
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'match', %(flow)s, i.customer_id, i.product_id, changed.occurrence, changed.at, jsonb_build_object(
    'product', jsonb_strip_nulls(jsonb_build_object(
        'product_id', i.product_id, 'title', changed.title, 'url', changed.url, 'image_url', changed.image_url,
        'price', changed.price::text, 'currency', changed.currency, 'old_price', changed.old_price, 'category', changed.path
    ))
)
FROM interested i JOIN changed USING (product_id)
ORDER BY i.customer_id
"""

# The trigger of the catalog sees changes, but not that a publication date passes. Rows are locked in the order of the writers of products.
RELEASE = """
WITH due AS MATERIALIZED (
    SELECT u.product_id FROM flows_upcomingproduct u JOIN catalog_product p ON p.product_id = u.product_id
    WHERE p.is_active AND COALESCE(p.published_at <= %(now)s, true)
    ORDER BY u.product_id FOR UPDATE OF u
), released AS (
    DELETE FROM flows_upcomingproduct u USING due WHERE u.product_id = due.product_id RETURNING u.product_id
)
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'catalog', 'new_product', NULL, p.product_id, 'new:' || p.id, COALESCE(p.published_at, %(now)s), '{}'
FROM released JOIN catalog_product p ON p.product_id = released.product_id
WHERE NOT (p.availability = 'out_of_stock' OR (p.availability = 'in_stock' AND COALESCE(p.stock, 1) <= 0))
  AND EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'catalog')
ORDER BY p.product_id
"""


def signal_published(*, now: datetime) -> int:
    """Write a signal for each product that can be bought and whose publication date has passed; return their number."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, {"now": now})
        return int(cursor.rowcount)


def signal_interested(*, version: FlowVersion, graph: FlowGraph, signals: Sequence[TakenSignal], now: datetime) -> int:
    """Write a signal for each customer who is interested in one of the changed products; return their number.

    In the caller's transaction, which deletes the signals of the products.
    """
    trigger = graph.trigger
    chosen = [signal for signal in signals if signal.data.get("percent", 100) >= trigger.get("percent", 0)]
    if not chosen:
        return 0
    today = now.astimezone(get_time_zone()).date()
    parameters = {
        "products": [signal.product_id for signal in chosen],
        "occurrences": [signal.occurrence for signal in chosen],
        "times": [signal.at for signal in chosen],
        "old_prices": [str(signal.data["old_price"]) if "old_price" in signal.data else None for signal in chosen],
        "meanings": [str(MEANINGS[name]) for name in trigger["interest"]],
        "about": "category" if trigger["change"] == "new_product" else "product",
        "leave_out_buyers": "bought" not in trigger["interest"],
        "since": (today - EPOCH_DAY).days - trigger["within_days"],
        "flow": str(version.flow_id),
        "now": now,
        "flow_id": version.flow_id,
        "request": str(Meaning.STOCK_REQUEST),
        "time_zone": str(get_time_zone()),
    }
    with connection.cursor() as cursor:
        cursor.execute(SIGNAL_INTERESTED, parameters)
        return int(cursor.rowcount)
