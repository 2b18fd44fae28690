"""Finds or creates the customers who wrote reviews or answered surveys."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from customers.identity.resolution.user_ids import find_customers_by_user_id, resolve_user_ids

# The rows are locked in the order of their IDs, as by every other writer of customers, so that two writers cannot deadlock.
WIDEN_SEEN_TIMES = """
UPDATE identity_customer c
SET first_seen_at = CASE WHEN s.is_new THEN s.first_at ELSE LEAST(c.first_seen_at, s.first_at) END,
    last_seen_at = CASE WHEN s.is_new THEN s.last_at ELSE GREATEST(c.last_seen_at, s.last_at) END
FROM (
    SELECT s.* FROM unnest(%(ids)s::bigint[], %(first)s::timestamptz[], %(last)s::timestamptz[], %(new)s::boolean[])
        AS s (id, first_at, last_at, is_new)
    JOIN identity_customer c USING (id) ORDER BY id FOR NO KEY UPDATE OF c
) s
WHERE c.id = s.id
  AND (s.is_new OR c.first_seen_at IS NULL OR c.last_seen_at IS NULL
       OR c.first_seen_at > s.first_at OR c.last_seen_at < s.last_at)
"""


def ensure_authors(*, sightings: Iterable[tuple[str, datetime]]) -> dict[str, int]:
    """Return the customer ID of each user ID; erased people have none.

    Create customers for unknown ones, and widen the seen times of all. Runs in the caller's transaction.

    Args:
        sightings: pairs of user ID and the time of the review or answer.
    """
    times_by_user: dict[str, list[datetime]] = {}
    for user_id, at in sightings:
        times_by_user.setdefault(user_id, []).append(at)
    if not times_by_user:
        return {}
    known = find_customers_by_user_id(user_ids=sorted(times_by_user))
    resolved = resolve_user_ids(
        user_ids=[user_id for user_id in times_by_user if user_id not in known],
        seen_at=max(map(max, times_by_user.values())),
    )
    authors = known | resolved.customer_ids
    times_by_customer: dict[int, list[datetime]] = {}
    for user_id, times in times_by_user.items():
        if user_id not in authors:
            continue
        times_by_customer.setdefault(authors[user_id], []).extend(times)
    created_ids = {authors[user_id] for user_id in resolved.created}
    with connection.cursor() as cursor:
        cursor.execute(
            WIDEN_SEEN_TIMES,
            {
                "ids": list(times_by_customer),
                "first": [min(times) for times in times_by_customer.values()],
                "last": [max(times) for times in times_by_customer.values()],
                "new": [customer_id in created_ids for customer_id in times_by_customer],
            },
        )
    return authors


def is_erased_author(row: Mapping[str, Any], authors: Mapping[str, int]) -> bool:
    """Return whether a row names an author who was erased."""
    user_id = row.get("user_id", "")
    return bool(user_id) and user_id not in authors
