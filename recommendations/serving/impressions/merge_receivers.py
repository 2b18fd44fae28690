"""Keep impressions with their customer when customers are merged, split again, or erased.

A merge may move thousands of impressions, so they are not listed: a revert moves back those that name an identifier of the merged customer.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

REASSIGN = """
UPDATE serving_impression i SET customer_id = pair.surviving
FROM unnest(%(surviving)s::bigint[], %(merged)s::bigint[]) AS pair (surviving, merged)
WHERE i.customer_id = pair.merged
"""
REVERT_REASSIGNMENT = """
UPDATE serving_impression i SET customer_id = pair.merged
FROM unnest(%(surviving)s::bigint[], %(merged)s::bigint[]) AS pair (surviving, merged)
WHERE i.customer_id = pair.surviving AND pair.merged = COALESCE(
    (SELECT customer_id FROM identity_identifier WHERE kind = 'user_id' AND value = i.user_id),
    (SELECT customer_id FROM identity_identifier WHERE kind = 'anonymous_id' AND value = i.anonymous_id)
)
"""
# includes impressions without a customer yet that name one of the customer's identifiers; each part has an index
ANONYMIZE = """
WITH own AS MATERIALIZED (
    SELECT kind, value FROM identity_identifier WHERE customer_id = %(customer)s
), shown AS MATERIALIZED (
    SELECT recommendation_id, served_at FROM serving_impression WHERE customer_id = %(customer)s
    UNION
    SELECT i.recommendation_id, i.served_at FROM own
    JOIN serving_impression i ON i.user_id = own.value AND i.user_id <> '' AND i.customer_id IS NULL
    WHERE own.kind = 'user_id'
    UNION
    SELECT i.recommendation_id, i.served_at FROM own
    JOIN serving_impression i ON i.anonymous_id = own.value AND i.anonymous_id <> '' AND i.customer_id IS NULL
    WHERE own.kind = 'anonymous_id'
)
UPDATE serving_impression i SET user_id = '', anonymous_id = '', customer_id = NULL
FROM shown WHERE i.recommendation_id = shown.recommendation_id AND i.served_at = shown.served_at
"""
# visitors who were unknown when the impression was stored may be known by now; merged or erased customers are corrected
UPDATE_CUSTOMERS = """
UPDATE serving_impression i
SET customer_id = resolved.customer_id,
    user_id = CASE WHEN resolved.erased THEN '' ELSE i.user_id END,
    anonymous_id = CASE WHEN resolved.erased THEN '' ELSE i.anonymous_id END
FROM (
    SELECT named.recommendation_id, named.served_at, p.erased_at IS NOT NULL AS erased,
           CASE WHEN p.erased_at IS NULL THEN p.id END AS customer_id
    FROM serving_impression named
    LEFT JOIN identity_identifier u ON u.kind = 'user_id' AND u.value = named.user_id AND named.user_id <> ''
    LEFT JOIN identity_identifier a ON a.kind = 'anonymous_id' AND a.value = named.anonymous_id AND named.anonymous_id <> ''
    LEFT JOIN identity_customer p ON p.id = COALESCE(u.customer_id, a.customer_id)
    WHERE named.served_at >= %(since)s AND named.served_at < %(until)s
      AND (named.user_id <> '' OR named.anonymous_id <> '')
      AND (named.customer_id IS DISTINCT FROM p.id OR p.erased_at IS NOT NULL)
) resolved
WHERE i.recommendation_id = resolved.recommendation_id AND i.served_at = resolved.served_at
"""


def build_columns(pairs: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Return pairs of surviving and merged customer as parameters of a statement."""
    return {
        "surviving": [surviving for surviving, _merged in pairs],
        "merged": [merged for _surviving, merged in pairs],
    }


def reassign_merged_impressions(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> None:
    """Give the impressions of merged customers to the surviving ones."""
    with connection.cursor() as cursor:
        cursor.execute(REASSIGN, build_columns(pairs))


def revert_merged_impressions(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    """Give impressions back to the customers of reverted merges, by the identifiers they name."""
    with connection.cursor() as cursor:
        cursor.execute(REVERT_REASSIGNMENT, build_columns([(surviving, merged) for surviving, merged, _rows in merges]))


def anonymize_impressions(*, customer_id: int, **_kwargs: Any) -> None:
    """Remove the customer and identifiers of an erased customer; the impressions stay."""
    with connection.cursor() as cursor:
        cursor.execute(ANONYMIZE, {"customer": customer_id})


def update_impression_customers(*, since: datetime, until: datetime) -> int:
    """Set the current customers of the impressions in a period; return the number of changes."""
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_CUSTOMERS, {"since": since, "until": until})
        return cursor.rowcount
