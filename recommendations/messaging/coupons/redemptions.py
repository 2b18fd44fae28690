"""Matches claimed codes with the orders that name them."""

from datetime import datetime, timedelta

from django.db import connection, transaction

LOOK_BACK = timedelta(days=3)  # late orders of imports are found by their time of arrival, not by their date
# Each order redeems one code: the oldest claimed one, if several pools have the same text. A canceled order redeems nothing.
REDEEM = """
WITH placed AS (
    SELECT o.id, o.coupon, o.placed_at FROM orders_order o
    WHERE o.created_at >= %(since)s AND o.coupon <> '' AND o.kind = 'sale' AND o.status <> 'cancelled'
      AND NOT EXISTS (SELECT FROM messaging_couponcode r WHERE r.code = o.coupon AND r.order_number = o.id)
), oldest AS (
    SELECT DISTINCT ON (placed.id) c.id, placed.id AS order_number, placed.placed_at
    FROM placed JOIN messaging_couponcode c ON c.code = placed.coupon
    WHERE c.claimed_at IS NOT NULL AND c.redeemed_at IS NULL AND placed.placed_at >= c.claimed_at
    ORDER BY placed.id, c.claimed_at, c.id
), matched AS (
    SELECT DISTINCT ON (id) id, order_number, placed_at FROM oldest ORDER BY id, placed_at, order_number
), redeemed AS (
    UPDATE messaging_couponcode c SET redeemed_at = m.placed_at, order_number = m.order_number
    FROM matched m WHERE c.id = m.id AND c.redeemed_at IS NULL RETURNING c.pool_id
)
UPDATE messaging_couponpool p SET redeemed_count = p.redeemed_count + r.number
FROM (SELECT pool_id, count(*) AS number FROM redeemed GROUP BY pool_id) r WHERE p.id = r.pool_id
RETURNING r.number
"""


def match_redemptions(*, now: datetime) -> int:
    """Mark the codes that new orders have redeemed; return how many. A repeated call finds nothing new.

    Of several orders with the text of several pools, each call matches the earliest; the next calls match the others.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REDEEM, {"since": now - LOOK_BACK})
        return sum(number for (number,) in cursor.fetchall())
