"""Describes a customer before the erasure: all identifiers, earlier numbers, and the texts that must not be found afterwards."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection

from config.foundation.personal_data.person import Person
from customers.identity.models import Customer, Identifier, IdentityMerge
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from customers.identity.personal_data.hashing import (
    hash_email,
    hash_phone,
    hash_wechat_id,
    normalize_email,
    normalize_phone,
)
from customers.identity.personal_data.masking import is_hidden_trait
from customers.identity.personal_data.sealed_traits import unseal_traits
from customers.identity.personal_data.wechat_ids import list_wechat_ids

MIN_IDENTIFIER = 6  # shorter ones would match everywhere, so they are only compared with whole values of columns
MIN_TEXT = 6
FIND_REFERENCES = """
SELECT (SELECT COALESCE(jsonb_agg(jsonb_build_array(source_id, order_id)), '[]') FROM orders_order WHERE customer_id = ANY(%(ids)s::bigint[])),
       (SELECT COALESCE(array_agg(id), '{}') FROM sending_delivery WHERE customer_id = ANY(%(ids)s::bigint[]))
"""


def describe_person(customer: Customer) -> Person:
    """Return everything that identifies a customer, for erasure, export and proof."""
    merges = list(IdentityMerge.objects.filter(kept=customer, reverted_at=None).order_by("id"))
    merged_ids = tuple(dict.fromkeys(merge.merged_id for merge in merges))
    rows = [read_row(customer), *(merge.moved.get("customer", {}) for merge in merges)]
    identifiers = list(
        Identifier.objects.filter(customer=customer).order_by("kind", "value").values_list("kind", "value")
    )
    contacts = [pair for row in rows for pair in list_contact_hashes(row)]
    pairs = tuple(dict.fromkeys([*identifiers, *contacts]))
    order_keys, delivery_ids = find_references([customer.pk, *merged_ids])
    search_terms = {text for row in rows for text in list_texts(row)}
    search_terms |= {value for _kind, value in pairs if len(value) >= MIN_IDENTIFIER}
    return Person(
        customer_id=customer.pk,
        merged_ids=merged_ids,
        identifiers=pairs,
        search_terms=tuple(sorted(search_terms)),
        order_keys=order_keys,
        delivery_ids=delivery_ids,
    )


def read_row(customer: Customer) -> dict[str, Any]:
    """Return the personal fields of a customer, decrypted."""
    return {name: getattr(customer, name) for name in ("name", "email", "phone", "birthday", "traits")}


def read_field(row: Mapping[str, Any], name: str) -> str:
    """Return a personal field, which the record of a merge holds encrypted; empty if its key is gone."""
    value = str(row.get(name) or "")
    if not value.startswith("gAAAA"):
        return value
    try:
        return decrypt(value)
    except UnreadableFieldError:
        return ""


def list_contact_hashes(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the identifiers of the email address, the phone number and the IDs of WeChat in a row."""
    if email := read_field(row, "email"):
        yield Identifier.Kind.EMAIL_HASH.value, hash_email(email)
    if phone := read_field(row, "phone"):
        yield Identifier.Kind.PHONE_HASH.value, hash_phone(phone)
    yield from ((kind, hash_wechat_id(text)) for kind, text in list_wechat_ids(read_traits(row)))


def list_texts(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a row that only this person has; a short or common word would be found everywhere."""
    name = read_field(row, "name").strip()
    if is_distinctive_name(name):
        yield name
    if email := read_field(row, "email"):
        yield from {email.strip(), normalize_email(email)}
    if phone := read_field(row, "phone"):
        yield from (text for text in {phone.strip(), normalize_phone(phone)} if len(text) >= MIN_TEXT)
    for trait, value in read_traits(row).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text) >= MIN_TEXT and is_hidden_trait(trait, text):
                yield text


def read_traits(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the traits of a row, decrypted."""
    traits = row.get("traits")
    return unseal_traits(traits) if isinstance(traits, dict) else {}


def is_distinctive_name(name: str) -> bool:
    """Return whether a name has at least two parts, or two Chinese characters."""
    return (" " in name and len(name) >= MIN_TEXT) or (not name.isascii() and len(name.encode()) >= MIN_TEXT)


def find_references(customer_ids: list[int]) -> tuple[tuple[tuple[int, str], ...], tuple[int, ...]]:
    """Return the orders and messages of customers; messages belong to an app above this one, so they are read by SQL."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_REFERENCES, {"ids": customer_ids})
        orders, deliveries = cursor.fetchone()
    return tuple((int(source_id), str(order_id)) for source_id, order_id in json.loads(orders)), tuple(deliveries)
