"""Who said it: the customers behind user ids, and when they were seen saying it."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from customers.identity.resolution.user_ids import customers_of_user_ids, resolve_user_ids

WIDEN_SEEN = """
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


def find_authors(*, sightings: Iterable[tuple[str, datetime]]) -> dict[str, int]:
    """The customer ids of user ids; unknown ones become customers, first and last seen when they spoke.

    Runs in the caller's transaction.
    """
    spoke: dict[str, list[datetime]] = {}
    for user_id, at in sightings:
        spoke.setdefault(user_id, []).append(at)
    if not spoke:
        return {}
    known = customers_of_user_ids(user_ids=sorted(spoke))
    resolved = resolve_user_ids(
        user_ids=[user_id for user_id in spoke if user_id not in known], seen_at=max(map(max, spoke.values()))
    )
    authors = known | resolved.customer_ids
    moments: dict[int, list[datetime]] = {}
    for user_id, times in spoke.items():
        moments.setdefault(authors[user_id], []).extend(times)
    new = {authors[user_id] for user_id in resolved.created}
    with connection.cursor() as cursor:
        cursor.execute(
            WIDEN_SEEN,
            {
                "ids": list(moments),
                "first": [min(times) for times in moments.values()],
                "last": [max(times) for times in moments.values()],
                "new": [customer_id in new for customer_id in moments],
            },
        )
    return authors
