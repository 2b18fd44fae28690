"""Claims coupon codes: each code is given to one delivery only, even if several workers claim codes at the same time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

# The customer of a delivery changes if customers are merged while it is being sent.
UPDATE_CUSTOMERS = """
UPDATE messaging_couponcode c SET customer_id = given.customer_id
FROM unnest(%(deliveries)s::bigint[], %(customers)s::bigint[]) AS given (delivery_id, customer_id)
WHERE c.delivery_id = given.delivery_id AND c.customer_id IS DISTINCT FROM given.customer_id
"""
# Claims of one pool wait for each other: two at once would count the same codes of a customer, and take the same free ones.
# All statements lock codes before pools, and pools by their IDs, so that none of them wait for each other in a circle.
LOCK_POOLS = "SELECT id FROM messaging_couponpool WHERE key = ANY(%(pools)s::text[]) ORDER BY id FOR NO KEY UPDATE"
# A message that needs a code of several pools gets either all of them or none. The free codes are found in a subquery of one pool,
# because only then are they read by the index of free codes, and not together with all codes that were ever handed out.
CLAIM_SQL = """
WITH pool AS (
    SELECT id, per_customer, expires_at IS NULL OR expires_at > %(now)s AS is_valid
    FROM messaging_couponpool WHERE key = ANY(%(pools)s::text[])
), missing AS (
    SELECT given.delivery_id, given.customer_id, pool.id AS pool_id, pool.per_customer,
           row_number() OVER (PARTITION BY pool.id, given.customer_id ORDER BY given.delivery_id) + (
               SELECT count(*) FROM messaging_couponcode taken
               WHERE pool.per_customer IS NOT NULL AND taken.customer_id = given.customer_id AND taken.pool_id = pool.id
           ) AS number
    FROM unnest(%(deliveries)s::bigint[], %(customers)s::bigint[]) AS given (delivery_id, customer_id) CROSS JOIN pool
    WHERE (SELECT count(*) FROM pool) = cardinality(%(pools)s::text[]) AND NOT EXISTS (
        SELECT FROM messaging_couponcode taken WHERE taken.delivery_id = given.delivery_id AND taken.pool_id = pool.id
    )
), allowed AS (
    SELECT delivery_id FROM missing GROUP BY delivery_id HAVING bool_and(per_customer IS NULL OR number <= per_customer)
), wanted AS (
    SELECT delivery_id, customer_id, pool_id, row_number() OVER (PARTITION BY pool_id ORDER BY delivery_id) AS position
    FROM missing JOIN allowed USING (delivery_id)
), free AS (
    SELECT pool.id AS pool_id, code.id, row_number() OVER (PARTITION BY pool.id ORDER BY code.id) AS position
    FROM pool CROSS JOIN LATERAL (
        SELECT c.id FROM messaging_couponcode c WHERE c.pool_id = pool.id AND c.claimed_at IS NULL
        ORDER BY c.id LIMIT (SELECT count(*) FROM wanted WHERE wanted.pool_id = pool.id)
    ) code
    WHERE pool.is_valid
), complete AS (
    SELECT delivery_id FROM wanted LEFT JOIN free USING (pool_id, position)
    GROUP BY delivery_id HAVING count(free.id) = count(*)
), claimed AS (
    UPDATE messaging_couponcode c
    SET claimed_at = %(now)s, delivery_id = wanted.delivery_id, customer_id = wanted.customer_id, is_returnable = true
    FROM free JOIN wanted USING (pool_id, position) JOIN complete USING (delivery_id)
    WHERE c.id = free.id AND c.claimed_at IS NULL RETURNING c.pool_id
)
UPDATE messaging_couponpool p SET claimed_count = p.claimed_count + claimed.number
FROM (SELECT pool_id, count(*) AS number FROM claimed GROUP BY pool_id) AS claimed WHERE p.id = claimed.pool_id
"""
READ_SQL = """
SELECT c.delivery_id, p.key, c.code FROM messaging_couponcode c JOIN messaging_couponpool p ON p.id = c.pool_id
WHERE p.key = ANY(%(pools)s::text[]) AND c.delivery_id = ANY(%(deliveries)s::bigint[])
"""
# A claimed code belongs to a delivery; no delivery has a negative number.
SET_ASIDE_SQL = """
WITH aside AS (
    UPDATE messaging_couponcode SET claimed_at = %(now)s, delivery_id = -id
    WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY pool_id ORDER BY id) AS position
            FROM messaging_couponcode WHERE claimed_at IS NULL
        ) free WHERE position <= %(count)s
    )
    RETURNING pool_id
)
UPDATE messaging_couponpool pool SET claimed_count = claimed_count + counted.number
FROM (SELECT pool_id, count(*) AS number FROM aside GROUP BY pool_id) AS counted WHERE counted.pool_id = pool.id
"""


def set_codes_aside(*, count: int, now: datetime) -> None:
    """Mark the next free codes of each pool as claimed by nobody: after a restore, customers may have them already."""
    with connection.cursor() as cursor:
        cursor.execute(SET_ASIDE_SQL, {"count": count, "now": now})


def claim_codes(*, pool_keys: Sequence[str], deliveries: Mapping[int, int], now: datetime) -> dict[int, dict[str, str]]:
    """Claim one code of each pool per delivery; return the codes by delivery ID and key of the pool.

    A delivery that has a code keeps it. A delivery gets no new code if one of its pools is used up, expired or unknown, or if the customer
    has as many codes of it as the pool allows; see `release_codes` for those that it has.

    Args:
        pool_keys: each pool once.
        deliveries: delivery ID → customer ID.
    """
    if not deliveries or not pool_keys:
        return {}
    parameters: dict[str, Any] = {
        "pools": list(pool_keys),
        "deliveries": list(deliveries),
        "customers": list(deliveries.values()),
        "now": now,
    }
    codes: dict[int, dict[str, str]] = defaultdict(dict)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(UPDATE_CUSTOMERS, parameters)
        cursor.execute(LOCK_POOLS, parameters)
        cursor.execute(CLAIM_SQL, parameters)
        cursor.execute(READ_SQL, parameters)
        for delivery_id, pool_key, code in cursor.fetchall():
            codes[delivery_id][pool_key] = code
    return dict(codes)
