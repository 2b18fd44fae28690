"""Gives user IDs to customers who are known by a proven address only, as when two files of a shop list the same people.

Both sides must be the shop's own: the address is proven, and the caller has the user ID from a file. A customer never gets a second user ID,
and two customers are never merged.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from customers.identity.locking import lock_identities

FIND_LINKS = """
SELECT DISTINCT ON (e.customer_id) s.user_id, e.customer_id
FROM unnest(%(user_ids)s::text[], %(hashes)s::text[]) WITH ORDINALITY AS s (user_id, email_hash, position)
JOIN identity_identifier e ON e.kind = 'email_hash' AND e.value = s.email_hash AND e.is_proven
JOIN identity_customer c ON c.id = e.customer_id AND c.erased_at IS NULL
WHERE NOT EXISTS (SELECT FROM identity_identifier u WHERE u.kind = 'user_id' AND u.value = s.user_id)
  AND NOT EXISTS (SELECT FROM identity_identifier o WHERE o.kind = 'user_id' AND o.customer_id = e.customer_id)
ORDER BY e.customer_id, s.position
"""
LINK_USER_IDS = f"""
INSERT INTO identity_identifier (kind, value, customer_id, created_at, linked_by)
SELECT 'user_id', l.user_id, l.customer_id, %(at)s, 'import' FROM ({FIND_LINKS}) AS l ORDER BY l.user_id
ON CONFLICT (kind, value) DO NOTHING
"""  # noqa: S608 — our own text


def link_user_ids(*, pairs: Sequence[tuple[str, str]], at: datetime) -> int:
    """Link user IDs that nobody has to the customers with these addresses, in the caller's transaction; return their number.

    Args:
        pairs: a user ID and the hash of an e-mail address. Of several user IDs with one address, the first is linked.
    """
    if not pairs:
        return 0
    parameters: dict[str, Any] = {
        "user_ids": [pair[0] for pair in pairs],
        "hashes": [pair[1] for pair in pairs],
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({FIND_LINKS})", parameters)
        if cursor.fetchone() != (True,):
            return 0
        lock_identities()  # a customer must not get another user ID meanwhile
        cursor.execute(LINK_USER_IDS, parameters)
        return int(cursor.rowcount)
