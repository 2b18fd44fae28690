"""Looks up customers by identifier, and creates customers for unknown user ids safely under concurrency."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from customers.identity.erased.blocked_identifiers import find_blocked_keys
from customers.identity.models import Customer, Identifier

MAX_ID = 255

# customers are inserted first, then their identifiers; a process that comes second uses the other's customers and deletes its own
INSERT_CUSTOMERS = """
INSERT INTO identity_customer
    (created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language, country, traits)
SELECT now(), %(seen_at)s, %(seen_at)s, '', '', '', '', '', '', '{}' FROM generate_series(1, %(count)s)
RETURNING id
"""
CLAIM_IDENTIFIERS = """
INSERT INTO identity_identifier (kind, value, customer_id, created_at)
SELECT 'user_id', value, customer_id, now()
FROM unnest(%(values)s::text[], %(ids)s::bigint[]) AS row (value, customer_id)
ORDER BY value COLLATE "C"
ON CONFLICT (kind, value) DO NOTHING
RETURNING value, customer_id
"""
FIND_USER_IDS = "SELECT value, customer_id FROM identity_identifier WHERE kind = 'user_id' AND value = ANY(%s::text[])"
WIDEN_SEEN_TIMES = """
UPDATE identity_customer
SET first_seen_at = LEAST(first_seen_at, %(seen_at)s), last_seen_at = GREATEST(last_seen_at, %(seen_at)s)
WHERE id IN (
    SELECT id FROM identity_customer
    WHERE id = ANY(%(ids)s)
      AND (first_seen_at IS NULL OR last_seen_at IS NULL OR first_seen_at > %(seen_at)s OR last_seen_at < %(seen_at)s)
    ORDER BY id
    FOR NO KEY UPDATE
)
"""


class InvalidUserIdError(ValueError):
    """A user id cannot be stored."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"user_id {user_id[:60]!r} is not valid; use a text of 1 to {MAX_ID} characters without NUL.")
        self.user_id = user_id


@dataclass(frozen=True, slots=True)
class ResolvedUserIds:
    """The customer id of each user id, except for those of erased people; ``created`` contains the user ids that were unknown."""

    customer_ids: dict[str, int]
    created: frozenset[str]


def find_or_create_customers(*, user_ids: Iterable[str], seen_at: datetime) -> dict[str, int]:
    """Return the customer ids of user ids, creating unknown ones; ``seen_at`` extends when each was seen.

    Raises:
        InvalidUserIdError: an id is empty, too long or contains NUL; nothing is written then.
    """
    return resolve_user_ids(user_ids=user_ids, seen_at=seen_at).customer_ids


def resolve_user_ids(*, user_ids: Iterable[str], seen_at: datetime, widens_seen_times: bool = True) -> ResolvedUserIds:
    """Find or create customers as `find_or_create_customers` does, and return which ids were unknown.

    Args:
        widens_seen_times: whether ``seen_at`` also applies to customers that exist.
    """
    unique_ids = sorted(set(user_ids))
    for user_id in unique_ids:
        if not 1 <= len(user_id) <= MAX_ID or "\0" in user_id:
            raise InvalidUserIdError(user_id)
    if not unique_ids:
        return ResolvedUserIds({}, frozenset())
    with transaction.atomic():
        existing = find_customers_by_user_id(user_ids=unique_ids)
        missing = [user_id for user_id in unique_ids if user_id not in existing]
        erased = find_blocked_keys((Identifier.Kind.USER_ID.value, user_id) for user_id in missing)
        missing = [user_id for user_id in missing if (Identifier.Kind.USER_ID.value, user_id) not in erased]
        # identifiers first, customers afterwards: all writers use this order, so that they cannot deadlock
        created = create_missing_customers(missing, seen_at) if missing else {}
        if existing and widens_seen_times:
            with connection.cursor() as cursor:
                cursor.execute(WIDEN_SEEN_TIMES, {"ids": sorted(set(existing.values())), "seen_at": seen_at})
        # what another process created between our lookup and our insert is committed by now
        created_elsewhere = find_customers_by_user_id(
            user_ids=[user_id for user_id in missing if user_id not in created]
        )
    return ResolvedUserIds(existing | created | created_elsewhere, frozenset(created))


def create_customers(count: int, *, seen_at: datetime) -> list[int]:
    """Create customers without identifiers, which the caller adds in the same transaction; return their IDs."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute(INSERT_CUSTOMERS, {"seen_at": seen_at, "count": count})
        return [customer_id for (customer_id,) in cursor.fetchall()]


def create_missing_customers(user_ids: list[str], seen_at: datetime) -> dict[str, int]:
    """Create customers; return the user ids that no other process created in the meantime."""
    ids = create_customers(len(user_ids), seen_at=seen_at)
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_IDENTIFIERS, {"values": user_ids, "ids": ids})
        created = dict(cursor.fetchall())
        if len(created) < len(ids):
            cursor.execute(
                "DELETE FROM identity_customer WHERE id = ANY(%s)", [sorted(set(ids) - set(created.values()))]
            )
    return created


def find_customers_by_user_id(*, user_ids: list[str]) -> dict[str, int]:
    """Return the customer ids of known user ids."""
    if not user_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_USER_IDS, [user_ids])
        return dict(cursor.fetchall())


def find_customer(kind: str, value: str) -> Customer | None:
    """Return the customer of an identifier; email addresses and phone numbers are looked up by their hash."""
    return Customer.objects.filter(identifiers__kind=kind, identifiers__value=value).first()
