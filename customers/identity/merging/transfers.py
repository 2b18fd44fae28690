"""Transfers identifiers from one customer to another, and undoes it: activity under an identifier moves with it, everything else stays.

There are two causes: a server source names an address that only a browser had linked to someone, or a customer has too many
identifiers, so the oldest unproven ones go to new visitors of their own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.locking import lock_identities
from customers.identity.merging.merge import MergeError
from customers.identity.models import Customer, Identifier, IdentifierTransfer, IdentityMerge
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.signals import identifiers_transferred

REASON = IdentifierTransfer.Reason
# identifier type → the field of a customer with the same address, and its hash
ADDRESS_FIELDS = {Identifier.Kind.EMAIL_HASH: ("email", hash_email), Identifier.Kind.PHONE_HASH: ("phone", hash_phone)}
LOCK_FIELD = """
SELECT CASE %(name)s WHEN 'email' THEN email ELSE phone END, (field_updated_at ->> %(name)s)::bigint
FROM identity_customer WHERE id = %(id)s FOR NO KEY UPDATE
"""
WRITE_FIELD = """
UPDATE identity_customer
SET email = CASE %(name)s WHEN 'email' THEN %(text)s ELSE email END,
    phone = CASE %(name)s WHEN 'phone' THEN %(text)s ELSE phone END,
    field_updated_at = (field_updated_at - %(name)s::text)
                       || jsonb_strip_nulls(jsonb_build_object(%(name)s::text, %(set_at)s::bigint))
WHERE id = %(id)s
"""
# the new visitor takes over the consents and denials of the customer
COPY_CONSENTS = """
INSERT INTO identity_consent (customer_id, purpose, status, policy_version, source, recorded_at, lawful_basis, proof)
SELECT %s, purpose, status, policy_version, source, recorded_at, lawful_basis, proof FROM identity_consent WHERE customer_id = %s ORDER BY id
"""
FIND_OLDEST_UNPROVEN = """
SELECT id FROM identity_identifier WHERE customer_id = %s AND kind = %s AND NOT is_proven ORDER BY id LIMIT %s FOR UPDATE
"""


class ProvenClaim(NamedTuple):
    """An identifier that a trusted source names for a customer."""

    kind: str
    value: str
    customer_id: int
    cause: str


class Eviction(NamedTuple):
    """A customer who has one identifier of a type too many."""

    customer_id: int
    kind: str
    cause: str


def transfer_claimed(*, claims: Sequence[ProvenClaim], at: datetime) -> None:
    """Give unproven identifiers to the customers whom a trusted source names, inside the caller's transaction."""
    moved: list[IdentifierTransfer] = []
    claims_by_key = {(claim.kind, claim.value): claim for claim in claims}
    identifiers = find_unproven(keys=claims_by_key).select_for_update().order_by("kind", "value")
    for identifier in identifiers:
        claim = claims_by_key[identifier.kind, identifier.value]
        if identifier.customer_id != claim.customer_id:
            moved.append(start_transfer(identifier, claim.customer_id, REASON.PROVEN_CLAIM, claim.cause, at))
        identifier.customer_id, identifier.linked_by, identifier.is_proven = claim.customer_id, claim.cause[:100], True
        identifier.save(update_fields=["customer", "linked_by", "is_proven"])
    clear_addresses(moved)
    finish_transfers(moved, at)


def find_unproven(*, keys: Iterable[tuple[str, str]]) -> QuerySet[Identifier]:
    """Return those of the identifiers (kind, value) that only a browser or app has linked."""
    values: dict[str, list[str]] = {}
    for kind, value in keys:
        values.setdefault(kind, []).append(value)
    condition = Q(pk__in=[])
    for kind, kind_values in values.items():
        condition |= Q(kind=kind, value__in=kind_values)
    return Identifier.objects.filter(condition, is_proven=False)


def evict_oldest(*, evictions: Sequence[Eviction], at: datetime) -> None:
    """Give the oldest unproven identifiers of customers to visitors of their own, inside the caller's transaction."""
    counts = Counter((eviction.customer_id, eviction.kind) for eviction in evictions)
    causes = {(eviction.customer_id, eviction.kind): eviction.cause for eviction in evictions}
    moved: list[IdentifierTransfer] = []
    for (customer_id, kind), count in counts.items():
        with connection.cursor() as cursor:
            cursor.execute(FIND_OLDEST_UNPROVEN, [customer_id, kind, count])
            ids = [identifier_id for (identifier_id,) in cursor.fetchall()]
        for identifier in Identifier.objects.filter(pk__in=ids).order_by("id"):
            seen_at = identifier.created_at
            visitor = Customer.objects.create(first_seen_at=seen_at, last_seen_at=seen_at)
            moved.append(start_transfer(identifier, visitor.pk, REASON.LIMIT, causes[customer_id, kind], at))
            with connection.cursor() as cursor:
                cursor.execute(COPY_CONSENTS, [visitor.pk, customer_id])
            identifier.customer = visitor
            identifier.save(update_fields=["customer"])
    finish_transfers(moved, at)


def revert_transfer(*, transfer_id: int, at: datetime, by: str) -> None:
    """Give an identifier back to the customer who had it, with the address that was cleared; it counts as proven then.

    The other customer keeps everything else.

    Raises:
        MergeError: the transfer does not exist, was undone, or the customer is gone.
    """
    with transaction.atomic():
        lock_identities()
        transfer = IdentifierTransfer.objects.select_for_update().filter(pk=transfer_id).first()
        if transfer is None:
            raise MergeError("not_found", _("Transfer %(id)d does not exist.") % {"id": transfer_id})
        if transfer.reverted_at is not None:
            raise MergeError("already_reverted", _("Transfer %(id)d was already undone.") % {"id": transfer_id})
        identifier = Identifier.objects.select_for_update().get(pk=transfer.identifier_id)
        previous_id, holder_id = find_present_customer(transfer.from_id), identifier.customer_id
        if previous_id != holder_id:
            identifier.customer_id, identifier.is_proven = previous_id, True
            identifier.save(update_fields=["customer", "is_proven"])
            restore_address(previous_id, transfer.cleared)
        transfer.reverted_at, transfer.reverted_by = at, by[:100]
        transfer.save(update_fields=["reverted_at", "reverted_by"])
        announce_transfer({previous_id, holder_id}, at)


def find_present_customer(customer_id: int) -> int:
    """Return the id of a customer, or of the one into whom they were merged since. Raises MergeError."""
    seen: set[int] = set()
    while customer_id not in seen:
        seen.add(customer_id)
        if Customer.objects.filter(pk=customer_id).exists():
            return customer_id
        merge = IdentityMerge.objects.filter(merged_id=customer_id, reverted_at=None).order_by("-id").first()
        if merge is not None:
            customer_id = merge.kept_id
    raise MergeError("gone", _("Customer #%(id)d no longer exists.") % {"id": customer_id}, customer_id)


def start_transfer(identifier: Identifier, to_id: int, reason: str, cause: str, at: datetime) -> IdentifierTransfer:
    """Return the record of a transfer that the caller makes."""
    return IdentifierTransfer(
        identifier=identifier, from_id=identifier.customer_id, to_id=to_id, reason=reason, at=at, cause=cause[:100]
    )


def finish_transfers(moved: Sequence[IdentifierTransfer], at: datetime) -> None:
    """Save the records of transfers and update what depends on the identifiers of their customers."""
    if moved:
        IdentifierTransfer.objects.bulk_create(moved)
        announce_transfer({customer_id for transfer in moved for customer_id in (transfer.from_id, transfer.to_id)}, at)


def announce_transfer(customer_ids: Iterable[int], at: datetime) -> None:
    """Update the denials of customers and tell the other apps that their identifiers have changed."""
    ids = sorted(customer_ids)
    refresh_consent_denials(customer_ids=ids)
    identifiers_transferred.send(sender=IdentifierTransfer, customer_ids=ids, at=at)


def clear_addresses(moved: Sequence[IdentifierTransfer]) -> None:
    """Empty the email address or phone number of those who have lost its identifier, and remember it in the transfer."""
    for transfer in sorted(moved, key=lambda transfer: transfer.from_id):
        kind = Identifier.Kind(transfer.identifier.kind)
        if kind not in ADDRESS_FIELDS:
            continue
        name, digest = ADDRESS_FIELDS[kind]
        sealed, set_at = lock_field(transfer.from_id, name)
        if sealed and hash_sealed(sealed, digest) == transfer.identifier.value:
            transfer.cleared = {"field": name, "sealed": sealed, "set_at": set_at}
            write_field(transfer.from_id, name, "", None)


def restore_address(customer_id: int, cleared: Mapping[str, Any]) -> None:
    """Set the field that a transfer has emptied, unless it has another value by now."""
    if cleared and not lock_field(customer_id, cleared["field"])[0]:
        write_field(customer_id, cleared["field"], cleared["sealed"], cleared["set_at"])


def lock_field(customer_id: int, name: str) -> tuple[str, int | None]:
    """Return a personal field of a customer as it is stored, and when it was set."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_FIELD, {"name": name, "id": customer_id})
        row = cursor.fetchone()
    return (row[0], row[1]) if row else ("", None)


def write_field(customer_id: int, name: str, sealed: str, set_at: int | None) -> None:
    """Write a personal field of a customer as it is stored, and when it was set."""
    with connection.cursor() as cursor:
        cursor.execute(WRITE_FIELD, {"name": name, "id": customer_id, "text": sealed, "set_at": set_at})


def hash_sealed(sealed: str, digest: Callable[[str], str]) -> str:
    """Return the keyed hash of an encrypted text; empty if it cannot be decrypted."""
    try:
        return digest(decrypt(sealed))
    except UnreadableFieldError:
        return ""
