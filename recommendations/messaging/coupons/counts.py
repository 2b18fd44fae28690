"""Changes the counts of pools in the transaction that changes their codes."""

from collections.abc import Mapping

from django.db import connection

LOCK_POOLS = "SELECT id FROM messaging_couponpool WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"
ADD_COUNTS = """
UPDATE messaging_couponpool p
SET claimed_count = p.claimed_count + changed.claimed, redeemed_count = p.redeemed_count + changed.redeemed
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS changed (pool_id, claimed, redeemed) WHERE p.id = changed.pool_id
"""


def add_counts(*, claimed: Mapping[int, int] | None = None, redeemed: Mapping[int, int] | None = None) -> None:
    """Add to the numbers of claimed and redeemed codes by pool; numbers may be negative."""
    claimed, redeemed = claimed or {}, redeemed or {}
    pools = [pool_id for pool_id in {**claimed, **redeemed} if claimed.get(pool_id) or redeemed.get(pool_id)]
    if not pools:
        return
    numbers = [[counts.get(pool_id, 0) for pool_id in pools] for counts in (claimed, redeemed)]
    with connection.cursor() as cursor:
        cursor.execute(LOCK_POOLS, [pools])  # in the order in which claims lock them
        cursor.execute(ADD_COUNTS, [pools, *numbers])
