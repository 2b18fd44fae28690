"""Matches claimed codes with the orders that name them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from recommendations.messaging.coupons.counts import add_counts
from recommendations.messaging.models import RedemptionProgress

LOOK_BACK = timedelta(
    days=3
)  # before the last run: a transaction may store orders later than the time of their arrival
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# A canceled order redeems nothing, nor does one that was removed or names another code now.
RESET = """
WITH invalid AS (
    SELECT c.id, c.pool_id, c.claimed_at FROM messaging_couponcode c
    LEFT JOIN orders_order o ON o.id = c.order_number AND o.kind = 'sale' AND o.status <> 'cancelled' AND o.coupon = c.code
    WHERE c.order_number IS NOT NULL AND o.id IS NULL
    ORDER BY c.id FOR UPDATE OF c
), reset AS (
    UPDATE messaging_couponcode c SET redeemed_at = NULL, order_number = NULL FROM invalid WHERE c.id = invalid.id
)
SELECT pool_id, count(*), min(claimed_at) FROM invalid GROUP BY pool_id
"""
# Each order redeems one code: the oldest claimed one, if several pools have the same text. Late orders of imports are found by their
# time of arrival, not by their date.
REDEEM = """
WITH placed AS (
    SELECT o.id, o.coupon, o.placed_at FROM orders_order o
    WHERE o.created_at >= %(since)s AND o.coupon <> '' AND o.kind = 'sale' AND o.status <> 'cancelled'
      AND NOT EXISTS (SELECT FROM messaging_couponcode r WHERE r.order_number = o.id)
), oldest AS (
    SELECT DISTINCT ON (placed.id) c.id, placed.id AS order_number, placed.placed_at
    FROM placed JOIN messaging_couponcode c ON c.code = placed.coupon
    WHERE c.claimed_at IS NOT NULL AND c.redeemed_at IS NULL AND placed.placed_at >= c.claimed_at
    ORDER BY placed.id, c.claimed_at, c.id
), matched AS (
    SELECT DISTINCT ON (id) id, order_number, placed_at FROM oldest ORDER BY id, placed_at, order_number
), redeemed AS (
    UPDATE messaging_couponcode c SET redeemed_at = m.placed_at, order_number = m.order_number
    FROM matched m WHERE c.id = m.id AND c.claimed_at IS NOT NULL AND c.redeemed_at IS NULL RETURNING c.pool_id
)
SELECT pool_id, count(*) FROM redeemed GROUP BY pool_id
"""


def match_redemptions(*, now: datetime) -> int:
    """Mark the codes that new orders have redeemed; return how many. A repeated call finds nothing new.

    Codes whose order was canceled or removed are no longer redeemed, so that another order can redeem them.
    """
    found = 0
    with transaction.atomic(), connection.cursor() as cursor:
        changes: Counter[int] = Counter()
        cursor.execute(RESET)
        reset = cursor.fetchall()
        changes.subtract({pool_id: number for pool_id, number, _claimed_at in reset})
        since = min(read_start(), *(claimed_at for _pool_id, _number, claimed_at in reset), now - LOOK_BACK)
        while matched := redeem(cursor, since=since):  # of several orders with one text, each statement matches one
            changes.update(matched)
            found += sum(matched.values())
        add_counts(redeemed=changes)
        RedemptionProgress.objects.update_or_create(pk=1, defaults={"matched_until": now})
    return found


def read_start() -> datetime:
    """Return the arrival of the first orders that may not be matched yet."""
    progress = RedemptionProgress.objects.first()
    return progress.matched_until - LOOK_BACK if progress is not None else BEGINNING


def redeem(cursor: Any, *, since: datetime) -> dict[int, int]:
    """Match orders that arrived after a moment; return how many by pool."""
    cursor.execute(REDEEM, {"since": since})
    return dict(cursor.fetchall())
