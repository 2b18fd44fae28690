"""Impressions follow their customer when people are merged, apart again, or erased.

A merge may concern thousands of impressions, so no list of them is kept: what goes back is what named the folded customer's ids.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

MOVE = """
UPDATE serving_impression i SET customer_id = pair.kept
FROM unnest(%(kept)s::bigint[], %(folded)s::bigint[]) AS pair (kept, folded)
WHERE i.customer_id = pair.folded
"""
GIVE_BACK = """
UPDATE serving_impression i SET customer_id = pair.folded
FROM unnest(%(kept)s::bigint[], %(folded)s::bigint[]) AS pair (kept, folded)
WHERE i.customer_id = pair.kept AND pair.folded = COALESCE(
    (SELECT customer_id FROM identity_identifier WHERE kind = 'user_id' AND value = i.user_id),
    (SELECT customer_id FROM identity_identifier WHERE kind = 'anonymous_id' AND value = i.anonymous_id)
)
"""
# also what nobody has looked up yet, as long as the customer's ids are known
FORGET = """
WITH named AS (
    SELECT kind, value FROM identity_identifier WHERE customer_id = %(customer)s
)
UPDATE serving_impression i SET user_id = '', anonymous_id = '', customer_id = NULL
WHERE i.customer_id = %(customer)s
   OR (i.customer_id IS NULL AND (i.user_id <> '' OR i.anonymous_id <> '') AND EXISTS (
        SELECT FROM named WHERE (kind, value) IN (('user_id', i.user_id), ('anonymous_id', i.anonymous_id))
   ))
"""
# who was unknown when it was stored may be known by now; who was merged or erased meanwhile is put right
LOOK_UP = """
UPDATE serving_impression i
SET customer_id = found.customer_id,
    user_id = CASE WHEN found.erased THEN '' ELSE i.user_id END,
    anonymous_id = CASE WHEN found.erased THEN '' ELSE i.anonymous_id END
FROM (
    SELECT known.recommendation_id, known.served_at, p.erased_at IS NOT NULL AS erased,
           CASE WHEN p.erased_at IS NULL THEN p.id END AS customer_id
    FROM serving_impression known
    LEFT JOIN identity_identifier u ON u.kind = 'user_id' AND u.value = known.user_id AND known.user_id <> ''
    LEFT JOIN identity_identifier a ON a.kind = 'anonymous_id' AND a.value = known.anonymous_id AND known.anonymous_id <> ''
    LEFT JOIN identity_customer p ON p.id = COALESCE(u.customer_id, a.customer_id)
    WHERE known.served_at >= %(since)s AND known.served_at < %(until)s
      AND (known.user_id <> '' OR known.anonymous_id <> '')
      AND (known.customer_id IS DISTINCT FROM p.id OR p.erased_at IS NOT NULL)
) found
WHERE i.recommendation_id = found.recommendation_id AND i.served_at = found.served_at
"""


def columns_of(pairs: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    return {"kept": [kept for kept, _folded in pairs], "folded": [folded for _kept, folded in pairs]}


def follow_merge(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MOVE, columns_of(pairs))


def follow_revert(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, columns_of([(kept, folded) for kept, folded, _rows in merges]))


def forget_customer(*, customer_id: int, **_kwargs: Any) -> None:
    """What was shown stays, as shown to nobody."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET, {"customer": customer_id})


def look_up_customers(*, since: datetime, until: datetime) -> int:
    """Names the customers of what was served in that time as they are known now; how many impressions changed."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK_UP, {"since": since, "until": until})
        return cursor.rowcount
