"""Who is behind an identifier; unknown user ids become customers, however many processes ask at the same moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from customers.identity.models import Customer, Identifier

MOST_ID = 255

# the rows are made first, then offered as identifiers; whoever comes second finds the first one's and drops its own
MAKE_CUSTOMERS = """
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
NOTE_SEEN = """
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


class WrongUserIdError(ValueError):
    """A user id that can't be stored."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"user_id {user_id[:60]!r} is wrong: give a text of 1 to {MOST_ID} characters without NUL.")
        self.user_id = user_id


@dataclass(frozen=True, slots=True)
class Resolved:
    """``customer_ids`` of all user ids asked for; ``created`` are those that were unknown."""

    customer_ids: dict[str, int]
    created: frozenset[str]


def find_or_create_customers(*, user_ids: Iterable[str], seen_at: datetime) -> dict[str, int]:
    """The customer ids of user ids; those unknown are made. ``seen_at`` widens the time in which each was seen.

    Raises:
        WrongUserIdError: an id is empty, too long or holds NUL; then nothing is written.
    """
    return resolve_user_ids(user_ids=user_ids, seen_at=seen_at).customer_ids


def resolve_user_ids(*, user_ids: Iterable[str], seen_at: datetime) -> Resolved:
    """Like `find_or_create_customers`, and says which were unknown."""
    wanted = sorted(set(user_ids))
    for user_id in wanted:
        if not 1 <= len(user_id) <= MOST_ID or "\0" in user_id:
            raise WrongUserIdError(user_id)
    if not wanted:
        return Resolved({}, frozenset())
    with transaction.atomic():
        known = customers_of_user_ids(user_ids=wanted)
        missing = [user_id for user_id in wanted if user_id not in known]
        # identifiers first, customers afterwards: all writers in one order, so that none waits in a circle
        created = make_customers(missing, seen_at) if missing else {}
        if known:
            with connection.cursor() as cursor:
                cursor.execute(NOTE_SEEN, {"ids": sorted(set(known.values())), "seen_at": seen_at})
        # what another process made between our look and our insert is committed by now
        others = customers_of_user_ids(user_ids=[user_id for user_id in missing if user_id not in created])
    return Resolved(known | created | others, frozenset(created))


def make_customers(user_ids: list[str], seen_at: datetime) -> dict[str, int]:
    """Those of the user ids that nobody else made in the meantime."""
    with connection.cursor() as cursor:
        cursor.execute(MAKE_CUSTOMERS, {"seen_at": seen_at, "count": len(user_ids)})
        ids = [customer_id for (customer_id,) in cursor.fetchall()]
        cursor.execute(CLAIM_IDENTIFIERS, {"values": user_ids, "ids": ids})
        created = dict(cursor.fetchall())
        if len(created) < len(ids):
            cursor.execute(
                "DELETE FROM identity_customer WHERE id = ANY(%s)", [sorted(set(ids) - set(created.values()))]
            )
    return created


def customers_of_user_ids(*, user_ids: list[str]) -> dict[str, int]:
    """The customer ids of those user ids that are known."""
    found = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value__in=user_ids)
    return dict(found.values_list("value", "customer_id"))


def customer_of(kind: str, value: str) -> Customer | None:
    """The customer known by an identifier; e-mail addresses and phone numbers are asked for by their hash."""
    return Customer.objects.filter(identifiers__kind=kind, identifiers__value=value).first()
