"""Applies the traits of identify calls to customers; for each field and trait the latest call wins, whenever it arrives."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.customer_upsert import PERSONAL_FIELDS, TEXT_FIELDS
from customers.identity.personal_data.encrypted_field import decrypt, encrypt
from customers.identity.personal_data.sealed_traits import seal_traits, unseal_traits
from customers.identity.traits import MAX_TRAITS, TRAIT_PREFIX, IdentifyTraits, to_microseconds

READ_CUSTOMERS = """
SELECT id, name, email, phone, birthday, language, country, traits::text, field_updated_at::text
FROM identity_customer WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
WRITE_CUSTOMERS = """
UPDATE identity_customer AS customer
SET name = row.name, email = row.email, phone = row.phone, birthday = row.birthday, language = row.language,
    country = row.country, traits = row.traits::jsonb, field_updated_at = row.field_updated_at::jsonb
FROM unnest(%(id)s::bigint[], %(name)s::text[], %(email)s::text[], %(phone)s::text[], %(birthday)s::text[],
            %(language)s::text[], %(country)s::text[], %(traits)s::text[], %(field_updated_at)s::text[])
     AS row (id, name, email, phone, birthday, language, country, traits, field_updated_at)
WHERE customer.id = row.id
"""


class TraitUpdate(NamedTuple):
    """The traits of a customer in one identify call.

    Those of a browser or app (``is_trusted`` is False) fill empty fields only, and any value from the shop replaces them.
    """

    customer_id: int
    at: datetime
    traits: IdentifyTraits
    is_trusted: bool = True


def apply_trait_updates(*, updates: Sequence[TraitUpdate]) -> None:
    """Write what has changed, inside the caller's transaction."""
    by_customer: dict[int, list[TraitUpdate]] = {}
    for update in updates:
        by_customer.setdefault(update.customer_id, []).append(update)
    if not by_customer:
        return
    with connection.cursor() as cursor:
        cursor.execute(READ_CUSTOMERS, [list(by_customer)])
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        countries = {row["id"]: row["country"] for row in rows}
        changed = [row for row in rows if update_row(row, by_customer[row["id"]])]
        if changed:
            cursor.execute(WRITE_CUSTOMERS, {name: [row[name] for row in changed] for name in names})
    refresh_consent_denials(customer_ids=[row["id"] for row in changed if row["country"] != countries[row["id"]]])


def update_row(row: dict[str, Any], updates: Iterable[TraitUpdate]) -> bool:
    """Apply updates to a customer's row in database form; return whether anything changed."""
    before = dict(row)
    stored, field_updated_at = json.loads(row["traits"]), json.loads(row["field_updated_at"])
    known = unseal_traits(stored) if isinstance(stored, dict) else {}
    traits = dict(known)
    for update in updates:
        if not update.is_trusted:
            fill_empty_fields(row, traits, field_updated_at, update.traits)
            continue
        set_at = to_microseconds(update.at)
        for name, text in update.traits.fields.items():
            if set_at >= field_updated_at.get(name, 0):
                field_updated_at[name] = set_at
                write_text(row, name, text)
        for name, value in update.traits.traits.items():
            if set_at >= field_updated_at.get(TRAIT_PREFIX + name, 0) and (name in traits or len(traits) < MAX_TRAITS):
                field_updated_at[TRAIT_PREFIX + name] = set_at
                traits[name] = value
    traits = {name: value for name, value in traits.items() if value is not None}
    if traits != known or not isinstance(stored, dict):
        row["traits"] = json.dumps(seal_traits(traits))
    if field_updated_at != json.loads(before["field_updated_at"]):
        row["field_updated_at"] = json.dumps(drop_oldest_times(field_updated_at))
    return row != before


def fill_empty_fields(
    row: dict[str, Any], traits: dict[str, Any], field_updated_at: Mapping[str, int], given: IdentifyTraits
) -> None:
    """Set fields and traits that nobody has set; no time is recorded, so that any later value from the shop wins."""
    for name, text in given.fields.items():
        if not row[name] and name not in field_updated_at:
            write_text(row, name, text)
    for name, value in given.traits.items():
        if name not in traits and TRAIT_PREFIX + name not in field_updated_at and len(traits) < MAX_TRAITS:
            traits[name] = value


def write_text(row: dict[str, Any], name: str, text: str) -> None:
    """Set a field; an unchanged personal text is not encrypted again, because its ciphertext would look like a change."""
    if name not in PERSONAL_FIELDS:
        row[name] = text
    elif not row[name] or decrypt(row[name]) != text:
        row[name] = encrypt(text)


def drop_oldest_times(field_updated_at: Mapping[str, int]) -> dict[str, int]:
    """Return the update times without those of old traits, so that generated names do not fill the table."""
    latest = sorted(field_updated_at.items(), key=lambda item: item[1], reverse=True)
    return dict(latest[: MAX_TRAITS + len(TEXT_FIELDS)])
