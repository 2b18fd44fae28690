"""What identify calls tell of customers: for each field and trait the latest telling counts, whenever it arrives."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from customers.identity.customer_upsert import PERSONAL_FIELDS, TEXT_FIELDS
from customers.identity.personal_data.encrypted_field import decrypt, encrypt
from customers.identity.traits import MOST_TRAITS, TRAIT, Facts, microseconds

READ = """
SELECT id, name, email, phone, birthday, language, country, traits::text, told_at::text
FROM identity_customer WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
WRITE = """
UPDATE identity_customer AS customer
SET name = row.name, email = row.email, phone = row.phone, birthday = row.birthday, language = row.language,
    country = row.country, traits = row.traits::jsonb, told_at = row.told_at::jsonb
FROM unnest(%(id)s::bigint[], %(name)s::text[], %(email)s::text[], %(phone)s::text[], %(birthday)s::text[],
            %(language)s::text[], %(country)s::text[], %(traits)s::text[], %(told_at)s::text[])
     AS row (id, name, email, phone, birthday, language, country, traits, told_at)
WHERE customer.id = row.id
"""


class Telling(NamedTuple):
    """What was told of one customer at a moment."""

    customer_id: int
    at: datetime
    facts: Facts


def tell_customers(*, told: Sequence[Telling]) -> None:
    """Writes what is news; inside the caller's transaction."""
    of_customer: dict[int, list[Telling]] = {}
    for telling in told:
        of_customer.setdefault(telling.customer_id, []).append(telling)
    if not of_customer:
        return
    with connection.cursor() as cursor:
        cursor.execute(READ, [list(of_customer)])
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        changed = [row for row in rows if apply_tellings(row, of_customer[row["id"]])]
        if changed:
            cursor.execute(WRITE, {name: [row[name] for row in changed] for name in names})


def apply_tellings(row: dict[str, Any], told: Iterable[Telling]) -> bool:
    """Whether anything in the customer's row, as it stands in the database, is different now."""
    before = dict(row)
    traits, told_at = json.loads(row["traits"]), json.loads(row["told_at"])
    if not isinstance(traits, dict):
        traits = {}
    for telling in told:
        moment = microseconds(telling.at)
        for name, text in telling.facts.fields.items():
            if moment >= told_at.get(name, 0):
                told_at[name] = moment
                write_text(row, name, text)
        for name, value in telling.facts.traits.items():
            if moment >= told_at.get(TRAIT + name, 0) and (name in traits or len(traits) < MOST_TRAITS):
                told_at[TRAIT + name] = moment
                traits[name] = value
    traits = {name: value for name, value in traits.items() if value is not None}
    if traits != json.loads(before["traits"]):
        row["traits"] = json.dumps(traits)
    if told_at != json.loads(before["told_at"]):
        row["told_at"] = json.dumps(forget_oldest(told_at))
    return row != before


def write_text(row: dict[str, Any], name: str, text: str) -> None:
    """The same text encrypted anew would look like a change."""
    if name not in PERSONAL_FIELDS:
        row[name] = text
    elif not row[name] or decrypt(row[name]) != text:
        row[name] = encrypt(text)


def forget_oldest(told_at: Mapping[str, int]) -> dict[str, int]:
    """Without the moments of traits that are long gone, so that made-up names don't fill the table."""
    latest = sorted(told_at.items(), key=lambda item: item[1], reverse=True)
    return dict(latest[: MOST_TRAITS + len(TEXT_FIELDS)])
