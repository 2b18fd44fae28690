"""Makes the codes of messages that are not sent free again."""

from collections import Counter
from collections.abc import Sequence

from django.db import connection, transaction

from recommendations.messaging.coupons.counts import add_counts

# A code with which somebody has ordered is known to a customer.
RELEASE = """
WITH held AS (
    SELECT id, pool_id, delivery_id FROM messaging_couponcode
    WHERE delivery_id = ANY(%s::bigint[]) AND is_returnable AND redeemed_at IS NULL
    ORDER BY id FOR UPDATE
), released AS (
    UPDATE messaging_couponcode c SET claimed_at = NULL, delivery_id = NULL, customer_id = NULL, is_returnable = false
    FROM held WHERE c.id = held.id
)
SELECT pool_id, delivery_id FROM held
"""
KEEP = """
UPDATE messaging_couponcode SET is_returnable = false WHERE delivery_id = ANY(%s::bigint[]) AND is_returnable
"""


def release_codes(delivery_ids: Sequence[int]) -> set[int]:
    """Make the codes of deliveries that will not be sent free again; return the deliveries that had some.

    Codes that a customer may have seen stay claimed, see `keep_codes`.
    """
    if not delivery_ids:
        return set()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RELEASE, [list(delivery_ids)])
        rows = cursor.fetchall()
        numbers = Counter(pool_id for pool_id, _delivery_id in rows)
        add_counts(claimed={pool_id: -number for pool_id, number in numbers.items()})
    return {delivery_id for _pool_id, delivery_id in rows}


def keep_codes(delivery_ids: Sequence[int]) -> None:
    """Let deliveries keep their codes for good, because a server has got their messages, even if it refused them."""
    if delivery_ids:
        with connection.cursor() as cursor:
            cursor.execute(KEEP, [list(delivery_ids)])
