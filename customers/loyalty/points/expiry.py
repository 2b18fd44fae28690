"""Expires points: the oldest first, and only those not spent; points in open reservations do not expire."""

from datetime import datetime

from django.db import connection, transaction

from config.foundation.database.array_parameters import format_bigint_list
from customers.loyalty.points.ledger import lock_members, refresh_expiry
from customers.loyalty.program import get_shop_day

BATCH_SIZE = 10_000
FIND_DUE = """
SELECT customer_id FROM loyalty_loyaltymember
WHERE next_expiry_on < %(today)s AND next_expiry_points > reserved AND customer_id > %(after)s
ORDER BY customer_id LIMIT %(limit)s
"""
EXPIRE = """
WITH total AS (
    SELECT m.customer_id, m.reserved, max(e.id) AS last_id,
           COALESCE(sum(e.points) FILTER (WHERE e.points > 0 AND e.expires_on < %(today)s), 0) AS due,
           COALESCE(-sum(e.points) FILTER (WHERE e.points < 0), 0) AS used
    FROM loyalty_loyaltymember m JOIN loyalty_pointentry e USING (customer_id)
    WHERE m.customer_id = ANY(%(ids)s::bigint[]) GROUP BY m.customer_id, m.reserved
)
INSERT INTO loyalty_pointentry (customer_id, kind, points, at, cause)
SELECT customer_id, 'expiry', used + reserved - due, %(now)s, format('expiry:%%s:%%s', customer_id, last_id)
FROM total WHERE due > used + reserved ORDER BY customer_id
ON CONFLICT (cause) DO NOTHING
"""


def expire_points(*, now: datetime) -> int:
    """Post the expiry of all points whose last day is over; return how many members lost points.

    Each batch is a transaction of its own, so that an interrupted run continues where it stopped.
    """
    today, after, expired = get_shop_day(now), 0, 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(FIND_DUE, {"today": today, "after": after, "limit": BATCH_SIZE})
                ids = [customer_id for (customer_id,) in cursor.fetchall()]
                if not ids:
                    return expired
                lock_members(ids)
                cursor.execute(EXPIRE, {"today": today, "now": now, "ids": format_bigint_list(ids)})
                expired += cursor.rowcount
            refresh_expiry(ids)
        after = ids[-1]
