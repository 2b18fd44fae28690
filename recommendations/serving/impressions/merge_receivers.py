"""Keep impressions with their customer when customers are merged, split again, or erased.

A merge may move thousands of impressions, so they are not listed: a revert moves back those that name an identifier of the merged customer.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

REASSIGN = """
UPDATE serving_impression i SET customer_id = pair.kept
FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged)
WHERE i.customer_id = pair.merged
"""
REVERT_REASSIGNMENT = """
UPDATE serving_impression i SET customer_id = pair.merged
FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged)
WHERE i.customer_id = pair.kept AND pair.merged = COALESCE(
    (SELECT customer_id FROM identity_identifier WHERE kind = 'user_id' AND value = i.user_id),
    (SELECT customer_id FROM identity_identifier WHERE kind = 'anonymous_id' AND value = i.anonymous_id)
)
"""
# includes impressions without a customer yet that name one of the customer's identifiers
ANONYMIZE = """
WITH named AS (
    SELECT kind, value FROM identity_identifier WHERE customer_id = %(customer)s
)
UPDATE serving_impression i SET user_id = '', anonymous_id = '', customer_id = NULL
WHERE i.customer_id = %(customer)s
   OR (i.customer_id IS NULL AND (i.user_id <> '' OR i.anonymous_id <> '') AND EXISTS (
        SELECT FROM named WHERE (kind, value) IN (('user_id', i.user_id), ('anonymous_id', i.anonymous_id))
   ))
"""
# visitors unknown at storage time may be known by now; merged or erased customers are corrected
UPDATE_CUSTOMERS = """
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


def build_columns(pairs: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    return {"kept": [kept for kept, _merged in pairs], "merged": [merged for _kept, merged in pairs]}


def reassign_merged_impressions(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REASSIGN, build_columns(pairs))


def revert_merged_impressions(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REVERT_REASSIGNMENT, build_columns([(kept, merged) for kept, merged, _rows in merges]))


def anonymize_impressions(*, customer_id: int, **_kwargs: Any) -> None:
    """Remove the customer and identifiers of an erased customer; the impressions stay."""
    with connection.cursor() as cursor:
        cursor.execute(ANONYMIZE, {"customer": customer_id})


def update_impression_customers(*, since: datetime, until: datetime) -> int:
    """Set the current customers of the impressions in a period; return the number of changes."""
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_CUSTOMERS, {"since": since, "until": until})
        return cursor.rowcount
