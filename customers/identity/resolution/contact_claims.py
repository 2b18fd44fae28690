"""Keeps the addresses that browsers and apps claim, as hashes, until an event of a trusted source confirms them or they expire.

A claim has no effect by itself. A trusted event, such as an order from the shop's server, confirms it by naming the same address for the same
person. The address is then linked to this person if it belongs to nobody else: the visitor may have typed the address of someone
else in the order form, too.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from django.db import connection

from customers.identity.personal_data.wechat_ids import OPENID, OPENID_TRAIT, UNIONID_TRAIT
from customers.identity.resolution.resolution_rules import (
    ANONYMOUS,
    EMAIL,
    LIMITS,
    PHONE,
    USER,
    IdentifierHasher,
    IdentityEvent,
)
from customers.identity.trait_updates import TraitUpdate, apply_trait_updates
from customers.identity.traits import IdentifyTraits

MAX_CLAIMS = 3  # of one type, for each visitor or user id
CLAIM_LIFETIME = timedelta(days=30)
MAX_EXPIRED = 1000  # deleted at once

SAVE_CLAIMS = """
INSERT INTO identity_contactclaim (identifier_id, kind, value, claimed_at)
SELECT i.id, row.kind, row.value, max(row.claimed_at)
FROM json_to_recordset(%s) AS row (id_kind text, id_value text, kind text, value text, claimed_at timestamptz)
JOIN identity_identifier i ON i.kind = row.id_kind AND i.value = row.id_value
GROUP BY i.id, row.kind, row.value
ORDER BY i.id, row.kind, row.value
ON CONFLICT (identifier_id, kind, value) DO UPDATE SET claimed_at = excluded.claimed_at
RETURNING identifier_id
"""
DELETE_SURPLUS = """
DELETE FROM identity_contactclaim WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY identifier_id, kind ORDER BY claimed_at DESC, id DESC) AS number
        FROM identity_contactclaim WHERE identifier_id = ANY(%s)
    ) AS numbered WHERE number > %s
)
"""
DELETE_EXPIRED = """
DELETE FROM identity_contactclaim WHERE id IN (
    SELECT id FROM identity_contactclaim WHERE claimed_at < %s ORDER BY claimed_at LIMIT %s
)
"""
TAKE_CONFIRMED = """
DELETE FROM identity_contactclaim AS claim
USING json_to_recordset(%s) AS row (customer_id bigint, kind text, value text), identity_identifier i
WHERE i.customer_id = row.customer_id AND claim.identifier_id = i.id AND claim.kind = row.kind AND claim.value = row.value
  AND claim.claimed_at >= %s
RETURNING row.customer_id, claim.kind, claim.value
"""
# an address that belongs to someone else stays there
LINK_CONFIRMED = """
INSERT INTO identity_identifier (kind, value, customer_id, created_at, linked_by, is_proven)
SELECT %(kind)s, %(value)s, %(customer)s, %(at)s, %(cause)s, true
WHERE (SELECT count(*) FROM identity_identifier WHERE customer_id = %(customer)s AND kind = %(kind)s) < %(limit)s
ON CONFLICT (kind, value) DO NOTHING
"""


class NamedAddress(NamedTuple):
    """An address or ID of WeChat that an event names."""

    kind: str
    value: str  # the hash
    field: str  # of a customer; empty for an ID of WeChat, which is a trait
    text: str

    @property
    def trait(self) -> str:
        return OPENID_TRAIT if self.kind == OPENID else UNIONID_TRAIT


def record_contact_claims(*, events: Sequence[IdentityEvent], hasher: IdentifierHasher, at: datetime) -> None:
    """Save the claims of untrusted identify calls, inside the caller's transaction; the newest of each person are kept."""
    rows = [
        {
            "id_kind": USER if event.user_id and event.is_verified else ANONYMOUS,
            "id_value": event.user_id if event.user_id and event.is_verified else event.anonymous_id,
            "kind": address.kind,
            "value": address.value,
            "claimed_at": at,
        }
        for event in events
        if not event.is_trusted
        for address in list_addresses(event, hasher)
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(SAVE_CLAIMS, [msgspec.json.encode(rows).decode()])
        identifier_ids = sorted({identifier_id for (identifier_id,) in cursor.fetchall()})
        cursor.execute(DELETE_SURPLUS, [identifier_ids, MAX_CLAIMS])
        cursor.execute(DELETE_EXPIRED, [at - CLAIM_LIFETIME, MAX_EXPIRED])


def confirm_contact_claims(
    *, events: Sequence[IdentityEvent], customer_ids: Sequence[int | None], hasher: IdentifierHasher, at: datetime
) -> None:
    """Link the addresses that trusted events name for people who have claimed them, inside the caller's transaction."""
    named = {
        (customer_id, address.kind, address.value): (event, address)
        for event, customer_id in zip(events, customer_ids, strict=True)
        if event.is_trusted and customer_id is not None
        for address in list_addresses(event, hasher)
    }
    if not named:
        return
    rows = [{"customer_id": customer_id, "kind": kind, "value": value} for customer_id, kind, value in sorted(named)]
    updates = []
    with connection.cursor() as cursor:
        cursor.execute(TAKE_CONFIRMED, [msgspec.json.encode(rows).decode(), at - CLAIM_LIFETIME])
        for key in sorted(set(cursor.fetchall())):
            customer_id, kind, value = key
            event, address = named[key]
            parameters = {"kind": kind, "value": value, "customer": customer_id, "at": at, "limit": LIMITS[kind]}
            cursor.execute(LINK_CONFIRMED, {**parameters, "cause": event.message_id[:100]})
            if cursor.rowcount:
                # fills an empty field only: an order may name another address than the customer's main one
                text = address.text.strip()
                traits = (
                    IdentifyTraits({address.field: text})
                    if address.field
                    else IdentifyTraits({}, {address.trait: text})
                )
                updates.append(TraitUpdate(customer_id, event.occurred_at, traits, is_trusted=False))
    apply_trait_updates(updates=updates)


def list_addresses(event: IdentityEvent, hasher: IdentifierHasher) -> Iterator[NamedAddress]:
    """Yield the usable addresses that an event claims or confirms."""
    for kind, text in event.claimed_wechat_ids:
        if digest := hasher.hash(kind, text):
            yield NamedAddress(kind, digest, "", text)
    if not event.claimed_email and not event.claimed_phone:
        return
    for kind, field, text, digest in (
        (EMAIL, "email", event.claimed_email, hasher.hash_email(event.claimed_email)),
        (PHONE, "phone", event.claimed_phone, hasher.hash_phone(event.claimed_phone)),
    ):
        if digest:
            yield NamedAddress(kind, digest, field, text)
