"""Matches claimed codes with the orders that name them."""

from datetime import datetime, timedelta

from django.db import connection, transaction

LOOK_BACK = timedelta(days=3)  # late orders of imports are found by their time of arrival, not by their date
# Each order redeems one code: the oldest claimed one, if several pools have the same text. A cancelled order redeems nothing.
REDEEM = """
WITH placed AS (
    SELECT id, coupon, placed_at FROM orders_order
    WHERE created_at >= %(since)s AND coupon <> '' AND kind = 'sale' AND status <> 'cancelled'
), matched AS (
    SELECT DISTINCT ON (c.id) c.id, placed.id AS order_number, placed.placed_at
    FROM placed JOIN messaging_couponcode c ON c.code = placed.coupon
    WHERE c.claimed_at IS NOT NULL AND c.redeemed_at IS NULL AND placed.placed_at >= c.claimed_at
    ORDER BY c.id, placed.placed_at, placed.id
), redeemed AS (
    UPDATE messaging_couponcode c SET redeemed_at = m.placed_at, order_number = m.order_number
    FROM matched m WHERE c.id = m.id AND c.redeemed_at IS NULL RETURNING c.pool_id
)
UPDATE messaging_couponpool p SET redeemed_count = p.redeemed_count + r.number
FROM (SELECT pool_id, count(*) AS number FROM redeemed GROUP BY pool_id) r WHERE p.id = r.pool_id
RETURNING r.number
"""


def match_redemptions(*, now: datetime) -> int:
    """Mark the codes that new orders have redeemed; return how many. A repeated call finds nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REDEEM, {"since": now - LOOK_BACK})
        return sum(number for (number,) in cursor.fetchall())
