"""Identity of a customer: fields and traits, each with its time and source.

A field or trait stores its update time; its source is the identify event of exactly that time. Objects such as a company or an address
are not stored with customers, so they are read from the latest identify events. Updates at or after as_of are left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from customers.events.personal_parts import merge_personal_parts
from customers.identity.backoffice.identifier_labels import label_field
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from customers.identity.personal_data.masking import PERSONAL_PART, is_hidden_trait
from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS, unseal_personal
from customers.identity.personal_data.sealed_traits import unseal_traits
from customers.identity.traits import IGNORED_TRAITS, TRAIT_PREFIX, find_trait_problem
from customers.lifecycle.facts.histories import from_microseconds, to_microseconds
from customers.lifecycle.portrait.line import (
    FactSource,
    MissingReason,
    PortraitGroup,
    PortraitLine,
    ValueFormat,
    make_line,
)
from customers.lifecycle.portrait.queries import CustomerEvent
from customers.lifecycle.portrait.trait_labels import (
    FormattedValue,
    format_age_from_birthday,
    format_birthday,
    format_plain,
    format_trait,
    get_country_name,
    get_language_name,
    get_trait_label,
    normalize_trait_name,
)

MAX_TRAITS = 40
MAX_MOMENTS = 300
# Traits that are stored in fields of the customer.
FIELD_TRAITS = frozenset(
    {"name", "fullname", "firstname", "middlename", "lastname", "email", "emailaddress", "phone", "phonenumber", "birthday"}
    | {"language", "locale", "country", "address.country"}
)  # fmt: skip
LEADING_TRAITS = ("age", "gender", "sex", "address.city", "city", "company", "company.name", "title", "createdat")

# Raw SQL returns the personal fields encrypted, as they are stored; only those that the reader may view are decrypted.
CUSTOMER = """
SELECT erased_at, name, email, phone, birthday, language, country, traits::text, field_updated_at::text
FROM identity_customer WHERE id = %(customer)s
"""
TRAIT_SOURCES = """
SELECT (extract(epoch FROM e.occurred_at) * 1000000)::bigint, s.key, s.name
FROM identity_identifier i
CROSS JOIN LATERAL (
    (SELECT occurred_at, source_id FROM events_event
     WHERE i.kind = 'user_id' AND user_id = i.value AND user_id <> '' AND type = 'identify' AND occurred_at = ANY(%(moments)s))
    UNION ALL
    (SELECT occurred_at, source_id FROM events_event
     WHERE i.kind = 'anonymous_id' AND anonymous_id = i.value AND anonymous_id <> '' AND user_id = '' AND type = 'identify'
       AND occurred_at = ANY(%(moments)s))
) AS e
JOIN events_source s ON s.id = e.source_id
WHERE i.customer_id = %(customer)s AND i.kind IN ('user_id', 'anonymous_id')
"""


@dataclass(frozen=True)
class StoredCustomer:
    """A customer as stored.

    updated_at: update time of a field or `traits.name`, in microseconds since 1970.
    """

    erased_at: datetime | None
    sealed: dict[str, str]
    language: str
    country: str
    traits: dict[str, Any]
    updated_at: dict[str, int]

    def get_updated_at(self, name: str) -> int | None:
        """Return the update time of a field or `traits.name`; None if it is unknown or not a number."""
        updated_at = self.updated_at.get(name)
        return updated_at if isinstance(updated_at, int) else None


@dataclass(frozen=True)
class IdentityLines:
    """The lines.

    hidden: number of lines that need a permission; more: number of traits beyond the maximum.
    """

    lines: list[PortraitLine]
    hidden: int
    more: int


@dataclass(frozen=True)
class CustomerTrait:
    name: str
    value: Any
    at: int | None
    source: tuple[str, str] | None


def read_stored_customer(*, customer_id: int) -> StoredCustomer | None:
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMER, {"customer": customer_id})
        row = cursor.fetchone()
    if row is None:
        return None
    erased_at, *sealed, language, country, traits, updated_at = row
    fields = dict(zip(PERSONAL_FIELDS, sealed, strict=True))
    return StoredCustomer(
        erased_at, fields, language, country, unseal_traits(_parse_object(traits)), _parse_object(updated_at)
    )


def make_identity_lines(
    *, customer_id: int, stored: StoredCustomer, events: Sequence[CustomerEvent], as_of: datetime, with_personal: bool
) -> IdentityLines:
    """Return the lines. events: of the customer, latest first; only identify events are read."""
    sources = read_trait_sources(customer_id=customer_id, stored=stored)
    until = to_microseconds(as_of)
    lines = list(_make_field_lines(stored, sources, as_of, with_personal))
    hidden = 0 if with_personal else sum(1 for name, text in stored.sealed.items() if text and name != "birthday")
    stored_traits = [
        CustomerTrait(
            name,
            value,
            stored.get_updated_at(TRAIT_PREFIX + name),
            sources.get(stored.get_updated_at(TRAIT_PREFIX + name) or -1),
        )
        for name, value in stored.traits.items()
    ]
    traits = [
        trait
        for trait in [*stored_traits, *extract_event_traits(events, with_personal=with_personal)]
        if trait.value not in (None, "", [], {}) and (trait.at is None or trait.at < until)
    ]
    if any(line.key == "age" for line in lines):
        traits = [trait for trait in traits if normalize_trait_name(trait.name) != "age"]
    visible_traits = [trait for trait in traits if with_personal or not is_hidden_trait(trait.name, trait.value)]
    visible_traits.sort(key=_build_sort_key)
    lines += [_make_trait_line(trait, as_of, with_personal) for trait in visible_traits[:MAX_TRAITS]]
    return IdentityLines(lines, hidden + len(traits) - len(visible_traits), max(len(visible_traits) - MAX_TRAITS, 0))


def read_trait_sources(*, customer_id: int, stored: StoredCustomer) -> dict[int, tuple[str, str]]:
    """Return key and name of the source of each update time."""
    moments = sorted({at for at in stored.updated_at.values() if isinstance(at, int)}, reverse=True)[:MAX_MOMENTS]
    with connection.cursor() as cursor:
        cursor.execute(TRAIT_SOURCES, {"customer": customer_id, "moments": [from_microseconds(at) for at in moments]})
        return {at: (key, name) for at, key, name in cursor.fetchall()}


def extract_event_traits(events: Sequence[CustomerEvent], *, with_personal: bool) -> Iterator[CustomerTrait]:
    """Yield the latest value of each trait that is not stored with customers.

    Personal ones only with permission.
    """
    known_names: set[str] = set()
    for event in events:
        if event.type != "identify" or not event.traits:
            continue
        traits = _parse_object(event.traits)
        sealed = traits.pop(PERSONAL_PART, None)
        if with_personal and isinstance(sealed, str):
            traits = merge_personal_parts(traits, _decrypt_personal(sealed))
        for name, value in _flatten_objects(traits):
            normalized = normalize_trait_name(name)
            if normalized in known_names or normalized in FIELD_TRAITS or _is_stored_on_customer(name, value):
                continue
            known_names.add(normalized)
            yield CustomerTrait(name, value, event.at, (event.source, event.source_name))


def _make_field_lines(
    stored: StoredCustomer, sources: Mapping[int, tuple[str, str]], as_of: datetime, with_personal: bool
) -> Iterator[PortraitLine]:
    def make_field_line(key: str, field: str, formatted: FormattedValue, name: str | Promise = "") -> PortraitLine:
        return _make_identity_line(
            key,
            name or label_field(field),
            formatted,
            stored.get_updated_at(field),
            sources.get(stored.get_updated_at(field) or -1),
            as_of,
        )

    for field in ("name", "email", "phone") if with_personal else ():
        if stored.sealed[field] and _is_before(stored.get_updated_at(field), as_of):
            yield make_field_line(field, field, _decrypt_and_format(stored.sealed[field], format_plain))
    if stored.sealed["birthday"] and _is_before(stored.get_updated_at("birthday"), as_of):
        sealed = stored.sealed["birthday"]
        yield make_field_line(
            "age",
            "birthday",
            _decrypt_and_format(sealed, lambda text: format_age_from_birthday(text, as_of=as_of, exact=with_personal)),
            pgettext_lazy("person", "age"),
        )
        if with_personal:
            yield make_field_line("birthday", "birthday", _decrypt_and_format(sealed, format_birthday))
    for field, text, get_name in (
        ("language", stored.language, get_language_name),
        ("country", stored.country, get_country_name),
    ):
        if text and _is_before(stored.get_updated_at(field), as_of):
            yield make_field_line(field, field, FormattedValue(ValueFormat.TEXT, text, get_name(text)))


def _make_trait_line(trait: CustomerTrait, as_of: datetime, with_personal: bool) -> PortraitLine:
    formatted = format_trait(trait.name, trait.value, as_of=as_of, exact=with_personal)
    return _make_identity_line(
        f"{TRAIT_PREFIX}{trait.name}", get_trait_label(trait.name), formatted, trait.at, trait.source, as_of
    )


def _make_identity_line(
    key: str,
    name: str | Promise,
    formatted: FormattedValue,
    at: int | None,
    source: tuple[str, str] | None,
    as_of: datetime,
) -> PortraitLine:
    reported_by, reported_by_name = source or ("", "")
    return make_line(
        key=key,
        group=PortraitGroup.IDENTITY,
        name=name,
        format=formatted.format,
        value=formatted.value,
        text=formatted.text,
        source=FactSource.IDENTIFY if source else FactSource.SHOP,
        newest=None if at is None else from_microseconds(at),
        reported_by=reported_by,
        reported_by_name=reported_by_name,
        missing=formatted.missing,
        as_of=as_of,
    )


def _decrypt_and_format(sealed: str, format_value: Any) -> FormattedValue:
    try:
        formatted: FormattedValue = format_value(decrypt(sealed))
    except UnreadableFieldError:
        return FormattedValue(ValueFormat.TEXT, None, "", MissingReason.UNREADABLE)
    return formatted


def _is_before(at: int | None, as_of: datetime) -> bool:
    return at is None or at < to_microseconds(as_of)


def _flatten_objects(traits: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested objects under names such as address.city."""
    for name, value in traits.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", part) for inner, part in value.items())
        else:
            yield name, value


def _is_stored_on_customer(name: str, value: Any) -> bool:
    """Return whether a trait is stored with the customer, where the latest update wins."""
    if "." in name or name == "createdAt":
        return False
    return name in IGNORED_TRAITS or (name not in PERSONAL_TRAITS and find_trait_problem(name, value) is None)


def _decrypt_personal(sealed: str) -> dict[str, Any]:
    try:
        return unseal_personal(sealed)
    except (UnreadableFieldError, ValueError):
        return {}


def _build_sort_key(trait: CustomerTrait) -> tuple[int, str]:
    normalized = normalize_trait_name(trait.name)
    return (
        LEADING_TRAITS.index(normalized) if normalized in LEADING_TRAITS else len(LEADING_TRAITS),
        trait.name.casefold(),
    )


def _parse_object(text: Any) -> dict[str, Any]:
    """Return the JSON object, or {} for anything else, such as after a manual edit."""
    value = json.loads(text) if isinstance(text, str) else text
    return value if isinstance(value, dict) else {}
