"""Moves the ledger, level changes and reservations when customers are merged, and back when the merge is reverted."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from customers.loyalty.models import LevelChange, PointEntry, PointReservation
from customers.loyalty.points.ledger import refresh_expiry

MERGED_MODELS = (PointEntry, LevelChange, PointReservation)
MEMBERS = (
    "loyalty.members"  # the rows of both members before the merge, as JSON; null for a customer who was not a member
)

READ_MEMBERS = "SELECT customer_id, to_jsonb(m)::text FROM loyalty_loyaltymember m WHERE customer_id = ANY(%s::bigint[]) ORDER BY 1 FOR UPDATE"
# The better level and the later sign-in remain.
JOIN_MEMBERS = """
WITH candidate AS (
    SELECT pair.kept, m.*, COALESCE(l.position, -1) AS position
    FROM (SELECT unnest(%(kept)s::bigint[]) AS kept, unnest(%(merged)s::bigint[]) AS id
          UNION SELECT unnest(%(kept)s::bigint[]), unnest(%(kept)s::bigint[])) pair
    JOIN loyalty_loyaltymember m ON m.customer_id = pair.id
    LEFT JOIN loyalty_loyaltylevel l ON l.id = m.level_id
), best AS (
    SELECT DISTINCT ON (kept) kept, level_id, level_since, level_until, next_level_id, spend_to_next, orders_to_next
    FROM candidate ORDER BY kept, position DESC, level_until DESC NULLS FIRST, customer_id
), latest AS (
    SELECT DISTINCT ON (kept) kept, signed_in_at, signed_in_on, streak
    FROM candidate ORDER BY kept, signed_in_at DESC NULLS LAST, customer_id
), total AS (
    SELECT kept, sum(reserved) AS reserved, sum(spend) AS spend, sum(order_count) AS order_count FROM candidate GROUP BY kept
)
INSERT INTO loyalty_loyaltymember (customer_id, level_id, level_since, level_until, next_level_id, spend_to_next, orders_to_next,
                                   signed_in_at, signed_in_on, streak, reserved, spend, order_count)
SELECT kept, level_id, level_since, level_until, next_level_id, spend_to_next, orders_to_next,
       signed_in_at, signed_in_on, streak, reserved, spend, order_count
FROM best JOIN latest USING (kept) JOIN total USING (kept)
ON CONFLICT (customer_id) DO UPDATE SET (level_id, level_since, level_until, next_level_id, spend_to_next, orders_to_next,
                                         signed_in_at, signed_in_on, streak, reserved, spend, order_count)
    = (excluded.level_id, excluded.level_since, excluded.level_until, excluded.next_level_id, excluded.spend_to_next,
       excluded.orders_to_next, excluded.signed_in_at, excluded.signed_in_on, excluded.streak, excluded.reserved, excluded.spend,
       excluded.order_count)
"""
DELETE_MERGED = "DELETE FROM loyalty_loyaltymember WHERE customer_id = ANY(%(merged)s::bigint[])"
# A sign-in after the merge remains with the kept customer, as its points do: on its day there is no second one.
RESTORE_MEMBERS = """
WITH saved AS (
    SELECT row.*, max(row.signed_in_at) OVER (PARTITION BY row.merged) AS last_before
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS row (
        merged bigint, customer_id bigint, level_id bigint, level_since timestamptz, level_until date, signed_in_at timestamptz,
        signed_in_on date, streak int, spend numeric, order_count int
    )
)
INSERT INTO loyalty_loyaltymember (customer_id, level_id, level_since, level_until, signed_in_at, signed_in_on, streak, spend, order_count)
SELECT s.customer_id, l.id, s.level_since, s.level_until, COALESCE(later.signed_in_at, s.signed_in_at),
       COALESCE(later.signed_in_on, s.signed_in_on), COALESCE(later.streak, s.streak), s.spend, s.order_count
FROM saved s LEFT JOIN loyalty_loyaltylevel l ON l.id = s.level_id
LEFT JOIN loyalty_loyaltymember later
    ON later.customer_id = s.customer_id AND later.signed_in_at > COALESCE(s.last_before, '-infinity')
ON CONFLICT (customer_id) DO UPDATE SET (level_id, level_since, level_until, signed_in_at, signed_in_on, streak, spend, order_count)
    = (excluded.level_id, excluded.level_since, excluded.level_until, excluded.signed_in_at, excluded.signed_in_on, excluded.streak,
       excluded.spend, excluded.order_count)
"""
COUNT_RESERVED = """
UPDATE loyalty_loyaltymember m SET reserved = COALESCE((
    SELECT sum(r.points) FROM loyalty_pointreservation r WHERE r.customer_id = m.customer_id AND r.status = 'open'
), 0) WHERE m.customer_id = ANY(%(ids)s::bigint[])
"""


def move_members(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    """Move everything of the merged customers to the kept ones; the balance follows the ledger."""
    parameters = {"kept": [kept for kept, _merged in pairs], "merged": [merged for _kept, merged in pairs]}
    with connection.cursor() as cursor:
        cursor.execute(READ_MEMBERS, [sorted({customer_id for pair in pairs for customer_id in pair})])
        members = {customer_id: json.loads(row) for customer_id, row in cursor.fetchall()}
        if not members:
            return {}
        cursor.execute(JOIN_MEMBERS, parameters)
    moved: dict[int, dict[str, list[Any]]] = move_rows(models=MERGED_MODELS, pairs=pairs)
    for kept, merged in pairs:
        if kept in members or merged in members:
            moved.setdefault(merged, {})[MEMBERS] = [members.get(kept), members.get(merged)]
    with connection.cursor() as cursor:
        cursor.execute(DELETE_MERGED, parameters)
    refresh_expiry(parameters["kept"])
    return moved


def restore_members(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    """Move back what was moved, and restore the previous level and sign-ins of both customers."""
    restore_rows(models=MERGED_MODELS, merges=merges)
    rows = [row | {"merged": merged} for _kept, merged, moved in merges for row in moved.get(MEMBERS, ()) if row]
    ids = [customer_id for kept, merged, _moved in merges for customer_id in (kept, merged)]
    with connection.cursor() as cursor:
        cursor.execute(RESTORE_MEMBERS, {"rows": json.dumps(rows)})
        cursor.execute(COUNT_RESERVED, {"ids": ids})
    refresh_expiry(ids)
