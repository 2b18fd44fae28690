"""Moves deliveries that were queued for a customer during a merge to the customer who was kept."""

from collections.abc import Sequence

from django.db import connection

from recommendations.sending.checks.candidates import DueDelivery, load_customers
from recommendations.sending.models import SkipReason

FIND_KEPT = "SELECT merged_id, kept_id FROM identity_identitymerge WHERE merged_id = ANY(%s) AND reverted_at IS NULL"
MOVE = """
UPDATE sending_delivery d SET customer_id = row.kept
FROM unnest(%s::bigint[], %s::bigint[]) AS row (id, kept)
WHERE d.id = row.id AND NOT EXISTS (
    SELECT FROM sending_delivery other
    WHERE other.origin_kind = d.origin_kind AND other.origin_id = d.origin_id AND other.customer_id = row.kept
)
RETURNING d.id
"""


def follow_merges(candidates: Sequence[DueDelivery]) -> None:
    """Move deliveries of customers who no longer exist to those they were merged into; nobody gets the same message twice."""
    missing = [candidate for candidate in candidates if candidate.customer is None]
    if not missing:
        return
    with connection.cursor() as cursor:
        cursor.execute(FIND_KEPT, [[candidate.customer_id for candidate in missing]])
        kept = dict(cursor.fetchall())
        moving = [candidate for candidate in missing if candidate.customer_id in kept]
        first = {
            (candidate.origin_kind, candidate.origin_id, kept[candidate.customer_id]): candidate for candidate in moving
        }
        rows = [(candidate.id, customer_id) for (_kind, _origin, customer_id), candidate in first.items()]
        cursor.execute(MOVE, [[row[0] for row in rows], [row[1] for row in rows]])
        moved = {row[0] for row in cursor.fetchall()}
    for candidate in moving:
        if candidate.id in moved:
            candidate.customer_id = kept[candidate.customer_id]
        else:
            candidate.skip(SkipReason.MERGED)
    load_customers([candidate for candidate in moving if candidate.is_open])
