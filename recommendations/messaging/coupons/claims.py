"""Claims coupon codes: each code is given to one delivery only, even if several workers claim codes at the same time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

# With a limit per customer, claims of one pool wait for each other: two at once would count the same codes.
LOCK_LIMITED = "SELECT id FROM messaging_couponpool WHERE key = %(pool)s AND per_customer IS NOT NULL FOR NO KEY UPDATE"
CLAIM_SQL = """
WITH pool AS (
    SELECT id, per_customer FROM messaging_couponpool WHERE key = %(pool)s
), candidate AS (
    SELECT given.delivery_id, given.customer_id, pool.per_customer,
           row_number() OVER (PARTITION BY given.customer_id ORDER BY given.delivery_id) + (
               SELECT count(*) FROM messaging_couponcode taken
               WHERE pool.per_customer IS NOT NULL AND taken.customer_id = given.customer_id AND taken.pool_id = pool.id
           ) AS number
    FROM unnest(%(deliveries)s::bigint[], %(customers)s::bigint[]) AS given (delivery_id, customer_id), pool
    WHERE NOT EXISTS (
        SELECT FROM messaging_couponcode taken WHERE taken.delivery_id = given.delivery_id AND taken.pool_id = pool.id
    )
), wanted AS (
    SELECT delivery_id, customer_id, row_number() OVER (ORDER BY delivery_id) AS position
    FROM candidate WHERE per_customer IS NULL OR number <= per_customer
), free AS (
    SELECT code.id, row_number() OVER () AS position
    FROM (
        SELECT c.id FROM messaging_couponcode c JOIN messaging_couponpool p ON p.id = c.pool_id
        WHERE p.key = %(pool)s AND c.claimed_at IS NULL AND (p.expires_at IS NULL OR p.expires_at > %(now)s)
        ORDER BY c.id LIMIT (SELECT count(*) FROM wanted)
        FOR UPDATE OF c SKIP LOCKED
    ) code
), claimed AS (
    UPDATE messaging_couponcode c
    SET claimed_at = %(now)s, delivery_id = wanted.delivery_id, customer_id = wanted.customer_id
    FROM free JOIN wanted USING (position)
    WHERE c.id = free.id RETURNING c.id
)
UPDATE messaging_couponpool SET claimed_count = claimed_count + claimed.number
FROM (SELECT count(*) AS number FROM claimed) AS claimed WHERE key = %(pool)s AND claimed.number > 0
"""
READ_SQL = """
SELECT c.delivery_id, c.code FROM messaging_couponcode c JOIN messaging_couponpool p ON p.id = c.pool_id
WHERE p.key = %(pool)s AND c.delivery_id = ANY(%(deliveries)s)
"""


def claim_codes(*, pool_key: str, deliveries: Mapping[int, int], now: datetime) -> dict[int, str]:
    """Claim one code of a pool per delivery; return the codes by delivery ID.

    deliveries: delivery ID → customer ID. A delivery that has a code keeps it. Deliveries are missing from the result if the pool is used
    up, expired or unknown, or the customer has as many codes of it as the pool allows.
    """
    if not deliveries:
        return {}
    parameters: dict[str, Any] = {
        "pool": pool_key,
        "deliveries": list(deliveries),
        "customers": list(deliveries.values()),
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_LIMITED, parameters)
        cursor.execute(CLAIM_SQL, parameters)
        cursor.execute(READ_SQL, parameters)
        return dict(cursor.fetchall())
