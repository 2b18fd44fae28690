"""Writes what a shop says about its customers: personal fields encrypted, e-mail and phone findable by keyed hash."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, Problem, Status, merge_outcomes
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.encrypted_field import encrypt
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.resolution.user_ids import customers_of_user_ids, resolve_user_ids
from customers.identity.traits import TRAIT, microseconds

PERSONAL_FIELDS = ("name", "email", "phone", "birthday")
TEXT_FIELDS = (*PERSONAL_FIELDS, "language", "country")
# field → the kind of identifier its hash is, and the hash
HASHED = {"email": (Identifier.Kind.EMAIL_HASH, hash_email), "phone": (Identifier.Kind.PHONE_HASH, hash_phone)}

MOST_TRIES = 3

WRITE_CUSTOMERS = """
UPDATE identity_customer AS customer
SET name = row.name, email = row.email, phone = row.phone, birthday = row.birthday, language = row.language,
    country = row.country, traits = row.traits::jsonb, told_at = row.told_at::jsonb
FROM unnest(%(id)s::bigint[], %(name)s::text[], %(email)s::text[], %(phone)s::text[], %(birthday)s::text[],
            %(language)s::text[], %(country)s::text[], %(traits)s::text[], %(told_at)s::text[])
     AS row (id, name, email, phone, birthday, language, country, traits, told_at)
WHERE customer.id = row.id
"""


class CustomerGoneError(Exception):
    """A customer was merged or erased since it was looked up."""


@dataclass(frozen=True, slots=True)
class CustomerChange:
    """What is to be written about one customer: a field that is not named keeps its value, an empty text empties it.

    Traits are merged by key; the value None removes a key.
    """

    user_id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)


def upsert_customers(*, changes: Sequence[CustomerChange], seen_at: datetime) -> BulkResult:
    """Creates or changes customers by user id, in one transaction; each item's fate is in the result.

    An item is rejected when its user id came before in the same list, or when its e-mail address or phone number belongs
    to another customer: two people are never joined by a list.
    """
    for _attempt in range(MOST_TRIES - 1):
        try:
            with transaction.atomic():
                return write_upserts(changes, seen_at)
        except CustomerGoneError:
            continue
    with transaction.atomic():
        return write_upserts(changes, seen_at)


def write_upserts(changes: Sequence[CustomerChange], seen_at: datetime) -> BulkResult:
    problems = find_conflicts(changes)
    accepted = [change for change, wrong in zip(changes, problems, strict=True) if not wrong]
    resolved = resolve_user_ids(user_ids=[change.user_id for change in accepted], seen_at=seen_at)
    add_identifiers(
        {key: resolved.customer_ids[change.user_id] for change in accepted for key in hashes_of(change.fields).values()}
    )
    written = dict.fromkeys(resolved.created, Status.CREATED)
    for user_id in write_changes(accepted, resolved.customer_ids, seen_at):
        written.setdefault(user_id, Status.UPDATED)
    return merge_outcomes(keys=[change.user_id for change in changes], problems=problems, written=written)


def find_conflicts(changes: Sequence[CustomerChange]) -> list[list[Problem]]:
    """What is wrong with each item, seen beside the others and beside what is stored."""
    hashes = [hashes_of(change.fields) for change in changes]
    owners = owners_of({key for found in hashes for key in found.values()})
    customer_ids = customers_of_user_ids(user_ids=[change.user_id for change in changes])
    problems: list[list[Problem]] = []
    seen: set[str] = set()
    claimed: dict[tuple[str, str], str] = {}
    for change, found in zip(changes, hashes, strict=True):
        wrong = []
        if change.user_id in seen:
            wrong.append(Problem("user_id", "duplicate", _("This user_id stands in the list before."), change.user_id))
        seen.add(change.user_id)
        for name, key in found.items():
            owner = owners.get(key)
            taken = owner is not None and owner != customer_ids.get(change.user_id)
            if taken or claimed.get(key, change.user_id) != change.user_id:
                wrong.append(
                    Problem(name, "taken", _("It belongs to another customer; merge the two, or leave it out."))
                )
        if not wrong:
            claimed.update(dict.fromkeys(found.values(), change.user_id))
        problems.append(wrong)
    return problems


def hashes_of(fields: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Field → (kind, value) of the identifier that its text is found by; empty texts have none."""
    return {name: (kind.value, digest(fields[name])) for name, (kind, digest) in HASHED.items() if fields.get(name)}


def owners_of(keys: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    condition = Q(pk__in=[])
    for kind in {kind for kind, _value in keys}:
        condition |= Q(kind=kind, value__in=[value for other, value in keys if other == kind])
    rows = Identifier.objects.filter(condition).values_list("kind", "value", "customer_id")
    return {(kind, value): customer_id for kind, value, customer_id in rows}


def write_changes(changes: Sequence[CustomerChange], customer_ids: Mapping[str, int], at: datetime) -> list[str]:
    """The user ids whose customer was changed by it."""
    locked = Customer.objects.select_for_update().order_by("id").in_bulk(set(customer_ids.values()))
    if len(locked) < len(set(customer_ids.values())):
        raise CustomerGoneError
    changed: dict[str, Customer] = {}
    gone: set[tuple[str, str]] = set()
    for change in changes:
        customer = locked[customer_ids[change.user_id]]
        before = hashes_of({name: getattr(customer, name) for name in HASHED})
        if not apply(change, customer, at):
            continue
        changed[change.user_id] = customer
        after = hashes_of({name: getattr(customer, name) for name in HASHED})
        gone |= set(before.values()) - set(after.values())
    write_customers(list({customer.pk: customer for customer in changed.values()}.values()))
    remove_identifiers(gone)
    return list(changed)


def apply(change: CustomerChange, customer: Customer, at: datetime) -> bool:
    """Whether anything is different now. An event that is older than ``at`` can't replace what this change says."""
    texts = {name: text for name, text in change.fields.items() if getattr(customer, name) != text}
    traits = {key: value for key, value in {**customer.traits, **change.traits}.items() if value is not None}
    if not texts and traits == customer.traits:
        return False
    for name, text in texts.items():
        setattr(customer, name, text)
    customer.traits = traits
    note_told(customer, [*change.fields, *(TRAIT + name for name in change.traits)], at)
    return True


def note_told(customer: Customer, names: Iterable[str], at: datetime) -> None:
    customer.told_at |= dict.fromkeys(names, microseconds(at))


def write_customers(customers: Sequence[Customer]) -> None:
    if not customers:
        return
    columns: dict[str, list[Any]] = {"id": [customer.pk for customer in customers]}
    for name in TEXT_FIELDS:
        texts = [getattr(customer, name) for customer in customers]
        columns[name] = [encrypt(text) if text else "" for text in texts] if name in PERSONAL_FIELDS else texts
    for name in ("traits", "told_at"):
        columns[name] = [json.dumps(getattr(customer, name)) for customer in customers]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_CUSTOMERS, columns)


def add_identifiers(owners: Mapping[tuple[str, str], int]) -> None:
    """Before the customers are locked: all writers take their locks in this order."""
    Identifier.objects.bulk_create(
        [Identifier(kind=kind, value=value, customer_id=owner) for (kind, value), owner in sorted(owners.items())],
        ignore_conflicts=True,  # claimed by another process since we looked: it keeps what it has
    )


def remove_identifiers(keys: set[tuple[str, str]]) -> None:
    for kind in {kind for kind, _value in keys}:
        Identifier.objects.filter(kind=kind, value__in=[value for other, value in keys if other == kind]).delete()
