"""Attributes clicks and purchases to the products that messages recommended, by the recommendation IDs stored with the deliveries."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from psycopg import sql

from customers.lifecycle.facts.amounts import build_kept_share
from recommendations.measurement.attribution import RecommendedSales

# A row has the products that were chosen at sending, and those of the latest opening if they are chosen again then. Clicks are
# recognized by utm_content, which names row and product as URLs write them: `written` encodes keys such as Chinese ones. An order line
# counts once, even if several messages recommended its product.
COUNT = sql.SQL("""
WITH delivery AS MATERIALIZED ({deliveries}),
list AS (
    SELECT d.id, d.customer_id, d.sent_at, row.key, d.choices -> 'products' -> row.key AS products
    FROM delivery d CROSS JOIN LATERAL jsonb_each_text(d.choices -> 'recommendations') AS row
    UNION ALL
    SELECT d.id, d.customer_id, d.sent_at, row.key, row.value -> 'products'
    FROM delivery d CROSS JOIN LATERAL jsonb_each(d.choices -> 'opened') AS row WHERE row.value ->> 'recommendation_id' <> ''
),
product AS MATERIALIZED (
    SELECT DISTINCT list.customer_id, list.sent_at, card.value ->> 'product_id' AS product_id
    FROM list CROSS JOIN LATERAL jsonb_array_elements(list.products) AS card
),
written AS MATERIALIZED (
    SELECT key, (
        SELECT string_agg(CASE WHEN letter ~ '[A-Za-z0-9_.~-]' THEN letter WHEN letter = ' ' THEN '+'
            ELSE upper(regexp_replace(encode(convert_to(letter, 'UTF8'), 'hex'), '(..)', '%%\\1', 'g')) END, '' ORDER BY position)
        FROM regexp_split_to_table(key, '') WITH ORDINALITY AS part (letter, position)
    ) AS text
    FROM (SELECT DISTINCT key FROM list) AS known
),
clicked AS (
    SELECT DISTINCT list.customer_id FROM list JOIN written USING (key) JOIN sending_deliveryevent e ON e.delivery_id = list.id
    WHERE e.kind = 'click' AND NOT e.is_machine AND e.at < %(as_of)s
      AND strpos(e.url, 'utm_content=' || written.text || '%%3A') > 0
),
line AS (
    SELECT DISTINCT l.id, o.id AS order_number, (l.total * {kept})::float8 AS amount
    FROM product m JOIN orders_order o ON o.customer_id = m.customer_id AND o.placed_at >= m.sent_at
        AND o.placed_at < least(m.sent_at + %(window)s, %(as_of)s)
    JOIN orders_orderline l ON l.order_id = o.id
    JOIN catalog_product p ON p.id = l.product_id AND p.product_id = m.product_id
    WHERE o.kind = 'sale' AND o.status <> 'cancelled'
)
SELECT (SELECT count(DISTINCT customer_id) FROM list), (SELECT count(*) FROM clicked), count(DISTINCT order_number), coalesce(sum(amount), 0)
FROM line
""")


def count_recommended_sales(
    deliveries: sql.Composable, parameters: Mapping[str, Any], *, window: timedelta, as_of: datetime
) -> RecommendedSales:
    """Return what is attributed to the recommended products of deliveries, each within a time window after it was sent.

    deliveries: SQL that selects id, customer_id, sent_at and choices of deliveries; ``as_of`` and ``window`` are reserved parameters.
    """
    statement = COUNT.format(deliveries=deliveries, kept=build_kept_share())
    values: dict[str, Any] = {**parameters, "window": window, "as_of": as_of}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        customers, clicked, orders, revenue = cursor.fetchone()
    return RecommendedSales(customers, clicked, orders, float(revenue))
