"""Creates and updates customers by user id; personal fields are encrypted, e-mail and phone searchable by keyed hash."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus, combine_results
from customers.identity.consent.consent_denials import refresh_denials_after_commit
from customers.identity.erased.blocked_identifiers import find_blocked_keys
from customers.identity.locking import lock_identities
from customers.identity.merging.transfers import ProvenClaim, find_unproven, transfer_claimed
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.encrypted_field import encrypt
from customers.identity.personal_data.hashing import adopt_addresses, hash_email, hash_phone, hash_wechat_id
from customers.identity.personal_data.sealed_traits import seal_traits
from customers.identity.personal_data.wechat_ids import list_wechat_ids
from customers.identity.resolution.address_links import link_user_ids
from customers.identity.resolution.blocklist import is_blocked_id
from customers.identity.resolution.user_ids import (
    ResolvedUserIds,
    create_customers,
    find_customers_by_user_id,
    resolve_user_ids,
)
from customers.identity.traits import TRAIT_PREFIX, to_microseconds

PERSONAL_FIELDS = ("name", "email", "phone", "birthday")
TEXT_FIELDS = (*PERSONAL_FIELDS, "language", "country")
# field → the identifier type of its hash, and the hash function
HASHED_FIELDS = {"email": (Identifier.Kind.EMAIL_HASH, hash_email), "phone": (Identifier.Kind.PHONE_HASH, hash_phone)}

MAX_ATTEMPTS = 3
EMAIL_KEY = "\0email:"

WRITE_CUSTOMERS = """
UPDATE identity_customer AS customer
SET name = row.name, email = row.email, phone = row.phone, birthday = row.birthday, language = row.language,
    country = row.country, traits = row.traits::jsonb, field_updated_at = row.field_updated_at::jsonb
FROM unnest(%(id)s::bigint[], %(name)s::text[], %(email)s::text[], %(phone)s::text[], %(birthday)s::text[],
            %(language)s::text[], %(country)s::text[], %(traits)s::text[], %(field_updated_at)s::text[])
     AS row (id, name, email, phone, birthday, language, country, traits, field_updated_at)
WHERE customer.id = row.id
"""

FIND_OWNERS = """
SELECT i.kind, i.value, i.customer_id FROM unnest(%s::text[], %s::text[]) AS k (kind, value)
JOIN identity_identifier i ON i.kind = k.kind AND i.value = k.value
WHERE i.is_proven
"""
INSERT_IDENTIFIERS = """
INSERT INTO identity_identifier (kind, value, customer_id, created_at)
SELECT kind, value, customer_id, now()
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS row (kind, value, customer_id)
ORDER BY kind COLLATE "C", value COLLATE "C"
ON CONFLICT (kind, value) DO NOTHING
"""


UNLINK = """
DELETE FROM identity_identifier i USING unnest(%s::bigint[], %s::text[], %s::text[]) AS link (customer_id, kind, value)
WHERE i.customer_id = link.customer_id AND i.kind = link.kind AND i.value = link.value
"""


class CustomerGoneError(Exception):
    """A customer was merged or erased after it was looked up."""


@dataclass(frozen=True, slots=True)
class CustomerChange:
    """The changes to one customer: a field that is not listed keeps its value, an empty text clears it.

    Traits are merged by key; the value None removes a key. Without a user ID, the email address identifies the customer.
    """

    user_id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The user ID, or the hash of the address with a prefix that no user ID has."""
        return self.user_id or f"{EMAIL_KEY}{hash_email(self.fields.get('email', ''))}"


def upsert_customers(
    *,
    changes: Sequence[CustomerChange],
    seen_at: datetime,
    widens_seen_times: bool = True,
    links_addresses: bool = False,
) -> BulkResult:
    """Create or update customers by user id in one transaction; the result lists the outcome of each item.

    An item is rejected if its user id appears earlier in the list, or if its email address or phone number belongs to another
    customer: a bulk update never merges customers.

    Args:
        widens_seen_times: whether known customers were seen at ``seen_at``, as opposed to being listed in a file.
        links_addresses: whether a new user ID goes to the customer with its address, if that customer has none.
    """
    for _attempt in range(MAX_ATTEMPTS - 1):
        try:
            with transaction.atomic():
                return write_upserts(
                    changes, seen_at, widens_seen_times=widens_seen_times, links_addresses=links_addresses
                )
        except CustomerGoneError:
            continue
    with transaction.atomic():
        return write_upserts(changes, seen_at, widens_seen_times=widens_seen_times, links_addresses=links_addresses)


def write_upserts(
    changes: Sequence[CustomerChange],
    seen_at: datetime,
    *,
    widens_seen_times: bool = True,
    links_addresses: bool = False,
) -> BulkResult:
    adopt_addresses(
        emails=[change.fields.get("email", "") for change in changes],
        phones=[change.fields.get("phone", "") for change in changes],
        wechat_ids=[text for change in changes for _kind, text in list_wechat_ids(change.traits)],
    )
    by_email = [change for change in changes if not change.user_id]
    if by_email or find_unproven(keys={key for change in changes for key in hash_change(change).values()}).exists():
        lock_identities()  # before any other lock, because identifiers will go from one customer to another
    if links_addresses:
        named = [
            change
            for change in changes
            if change.user_id and change.fields.get("email") and not is_blocked_id(change.user_id)
        ]
        known = find_customers_by_user_id(user_ids=[change.user_id for change in named])
        new = [change for change in named if change.user_id not in known]
        link_user_ids(pairs=[(change.user_id, hash_email(change.fields["email"])) for change in new], at=seen_at)
    problems = find_conflicts(changes)
    accepted = [change for change, item_problems in zip(changes, problems, strict=True) if not item_problems]
    resolved = resolve_user_ids(
        user_ids=[change.user_id for change in accepted if change.user_id],
        seen_at=seen_at,
        widens_seen_times=widens_seen_times,
    )
    emails = resolve_emails([change for change in accepted if not change.user_id], seen_at=seen_at)
    customer_ids = resolved.customer_ids | emails.customer_ids
    add_identifiers(
        {key: customer_ids[change.key] for change in accepted for key in hash_change(change).values()},
        at=seen_at,
    )
    refresh_denials_after_commit(
        customer_ids=[customer_ids[change.key] for change in accepted if change.fields.get("country")]
    )
    statuses = dict.fromkeys(resolved.created | emails.created, ItemStatus.CREATED)
    for key in write_changes(accepted, customer_ids, seen_at):
        statuses.setdefault(key, ItemStatus.UPDATED)
    return combine_results(keys=[change.key for change in changes], problems=problems, written=statuses)


def resolve_emails(changes: Sequence[CustomerChange], *, seen_at: datetime) -> ResolvedUserIds:
    """Find or create the customers of changes without a user ID, by their addresses; the caller holds the identity lock."""
    hashes = {change.key: hash_email(change.fields["email"]) for change in changes}
    kind = Identifier.Kind.EMAIL_HASH.value
    owners = find_identifier_owners({(kind, value) for value in hashes.values()})
    known = {key: owners[kind, value] for key, value in hashes.items() if (kind, value) in owners}
    missing = [key for key in hashes if key not in known]
    return ResolvedUserIds(
        known | dict(zip(missing, create_customers(len(missing), seen_at=seen_at), strict=True)), frozenset(missing)
    )


def find_conflicts(changes: Sequence[CustomerChange]) -> list[list[FieldProblem]]:
    """Return the problems of each item, compared with the other items and with stored customers."""
    hashes = [hash_change(change) for change in changes]
    owners = find_identifier_owners({key for keys_by_field in hashes for key in keys_by_field.values()})
    customer_ids = find_customers_by_user_id(user_ids=[change.user_id for change in changes if change.user_id])
    for change in changes:
        if not change.user_id and (
            owner := owners.get((Identifier.Kind.EMAIL_HASH.value, hash_email(change.fields["email"])))
        ):
            customer_ids[change.key] = owner
    blocked = find_blocked_keys(list_change_keys(changes, hashes))
    problems: list[list[FieldProblem]] = []
    seen_keys: set[str] = set()
    claimed: dict[tuple[str, str], str] = {}
    for change, keys_by_field in zip(changes, hashes, strict=True):
        item_problems = list_erased_problems(change, keys_by_field, blocked)
        if change.user_id and is_blocked_id(change.user_id):
            message = _(
                "Programs send this when they have no ID; send the customer's own ID, or leave out the customer."
            )
            item_problems.append(FieldProblem("user_id", "placeholder", message, change.user_id))
        elif change.key in seen_keys and change.user_id:
            item_problems.append(
                FieldProblem("user_id", "duplicate", _("This user_id appears earlier in the list."), change.user_id)
            )
        elif change.key in seen_keys:
            item_problems.append(FieldProblem("email", "duplicate", _("This address appears earlier in the list.")))
        seen_keys.add(change.key)
        for name, key in keys_by_field.items():
            owner = owners.get(key)
            is_taken = owner is not None and owner != customer_ids.get(change.key)
            if is_taken or claimed.get(key, change.key) != change.key:
                item_problems.append(
                    FieldProblem(
                        name, "taken", _("This value belongs to another customer; merge the two customers or omit it.")
                    )
                )
        if not item_problems:
            claimed.update(dict.fromkeys(keys_by_field.values(), change.key))
        problems.append(item_problems)
    return problems


def list_change_keys(
    changes: Sequence[CustomerChange], hashes: Sequence[Mapping[str, tuple[str, str]]]
) -> set[tuple[str, str]]:
    """Return the user IDs and contact hashes of all items as identifiers."""
    user_ids = {(Identifier.Kind.USER_ID.value, change.user_id) for change in changes if change.user_id}
    return user_ids | {key for keys_by_field in hashes for key in keys_by_field.values()}


def list_erased_problems(
    change: CustomerChange, keys_by_field: Mapping[str, tuple[str, str]], blocked: set[tuple[str, str]]
) -> list[FieldProblem]:
    """Return a problem for each field that names an erased person."""
    if not blocked:
        return []
    message = _(
        "This person was erased. If the person asks for it, a privacy officer can allow them to be added again."
    )
    fields = {"user_id": (Identifier.Kind.USER_ID.value, change.user_id), **keys_by_field}
    return [FieldProblem(name, "erased", message) for name, key in fields.items() if key in blocked]


def hash_contact_fields(fields: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the hash identifier (type, value) of each contact field that is not empty."""
    return {
        name: (kind.value, digest(fields[name])) for name, (kind, digest) in HASHED_FIELDS.items() if fields.get(name)
    }


def hash_change(change: CustomerChange) -> dict[str, tuple[str, str]]:
    """Return the hash identifier of each contact field and each ID of WeChat of a change by the name of the field or trait."""
    return hash_contact_fields(change.fields) | hash_wechat_traits(change.traits)


def hash_wechat_traits(traits: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the hash identifier (type, value) of each openid and unionid in traits."""
    names: dict[str, tuple[str, str]] = {}
    for name, value in traits.items():
        for number, (kind, text) in enumerate(list_wechat_ids({name: value})):
            if not is_blocked_id(text):
                names[f"{TRAIT_PREFIX}{name}[{number}]" if number else TRAIT_PREFIX + name] = (
                    kind,
                    hash_wechat_id(text),
                )
    return names


def find_identifier_owners(keys: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the customers to whom identifiers certainly belong; those that only a browser has linked can be taken over."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_OWNERS, [[kind for kind, _value in keys], [value for _kind, value in keys]])
        return {(kind, value): customer_id for kind, value, customer_id in cursor.fetchall()}


def write_changes(changes: Sequence[CustomerChange], customer_ids: Mapping[str, int], at: datetime) -> list[str]:
    """Apply changes to locked customers; return the keys of those that changed."""
    customers = Customer.objects.select_for_update().order_by("id").in_bulk(set(customer_ids.values()))
    if len(customers) < len(set(customer_ids.values())):
        raise CustomerGoneError
    changed: dict[str, Customer] = {}
    unlinked: set[tuple[int, str, str]] = set()
    for change in changes:
        customer = customers[customer_ids[change.key]]
        before = hash_contact_fields({name: getattr(customer, name) for name in HASHED_FIELDS})
        cleared = {
            name: customer.traits[name]
            for name, value in change.traits.items()
            if value is None and name in customer.traits
        }
        if not apply_change(change, customer, at):
            continue
        changed[change.key] = customer
        unlinked |= {(customer.pk, *key) for key in hash_wechat_traits(cleared).values()}
        after = hash_contact_fields({name: getattr(customer, name) for name in HASHED_FIELDS})
        unlinked |= {(customer.pk, *key) for key in set(before.values()) - set(after.values())}
    write_customers(list({customer.pk: customer for customer in changed.values()}.values()))
    unlink_identifiers(unlinked)
    return list(changed)


def apply_change(change: CustomerChange, customer: Customer, at: datetime) -> bool:
    """Apply a change; return whether anything changed. An event older than ``at`` cannot overwrite the change."""
    texts = {name: text for name, text in change.fields.items() if getattr(customer, name) != text}
    traits = {key: value for key, value in {**customer.traits, **change.traits}.items() if value is not None}
    if not texts and traits == customer.traits:
        return False
    for name, text in texts.items():
        setattr(customer, name, text)
    customer.traits = traits
    record_update_times(customer, [*change.fields, *(TRAIT_PREFIX + name for name in change.traits)], at)
    return True


def record_update_times(customer: Customer, names: Iterable[str], at: datetime) -> None:
    """Record when fields and traits were last set."""
    customer.field_updated_at |= dict.fromkeys(names, to_microseconds(at))


def write_customers(customers: Sequence[Customer]) -> None:
    if not customers:
        return
    columns: dict[str, list[Any]] = {"id": [customer.pk for customer in customers]}
    for name in TEXT_FIELDS:
        texts = [getattr(customer, name) for customer in customers]
        columns[name] = [encrypt(text) if text else "" for text in texts] if name in PERSONAL_FIELDS else texts
    columns["traits"] = [json.dumps(seal_traits(customer.traits)) for customer in customers]
    columns["field_updated_at"] = [json.dumps(customer.field_updated_at) for customer in customers]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_CUSTOMERS, columns)


def add_identifiers(owners: Mapping[tuple[str, str], int], *, at: datetime | None = None) -> None:
    """Insert identifiers; call it before locking customers, since all writers take their locks in this order.

    An identifier that only a browser has linked to another customer is taken from that customer.
    """
    transfer_claimed(
        claims=[ProvenClaim(kind, value, owner, "API") for (kind, value), owner in sorted(owners.items())],
        at=at or datetime.now(UTC),
    )
    if not owners:
        return
    rows = sorted(owners.items())
    kinds, values = [kind for (kind, _value), _owner in rows], [value for (_kind, value), _owner in rows]
    with connection.cursor() as cursor:
        # another process may have claimed one since the lookup; it keeps it
        cursor.execute(INSERT_IDENTIFIERS, [kinds, values, [owner for _key, owner in rows]])


def unlink_identifiers(links: set[tuple[int, str, str]]) -> None:
    """Delete identifiers (customer ID, type, value); one that belongs to someone else stays."""
    if links:
        with connection.cursor() as cursor:
            cursor.execute(UNLINK, [list(column) for column in zip(*sorted(links), strict=True)])


def change_traits(*, customer_id: int, changes: Mapping[str, Any], at: datetime) -> bool:
    """Set traits of one customer, None removes one; return whether anything changed. An older event cannot overwrite them."""
    with transaction.atomic():
        customer = Customer.objects.select_for_update().get(pk=customer_id)
        if not apply_change(CustomerChange("", traits=changes), customer, at):
            return False
        customer.save(update_fields=["traits", "field_updated_at"])
    return True
