"""Who a customer is: fields and traits, each with the moment and the source that told it.

A field or trait keeps the moment of its telling; an identify event of that very moment is who told it. What customers do not keep,
objects such as a company or an address, is read from the newest identify events themselves. What is told at or after as_of is left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from customers.events.payload_masking import PERSONAL_PART
from customers.identity.backoffice.identifier_labels import field_name
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS, is_personal_trait, unseal_personal
from customers.identity.traits import NO_TRAITS, TRAIT, problem_of_trait
from customers.lifecycle.facts.histories import microseconds, moment_of
from customers.lifecycle.portrait.line import Form, Gap, Group, Line, Origin, make_line
from customers.lifecycle.portrait.queries import SeenEvent
from customers.lifecycle.portrait.trait_labels import (
    Read,
    age_of,
    country_name,
    language_name,
    plain_name,
    read_birthday,
    read_plain,
    read_trait,
    trait_name,
)

MOST_SHOWN = 40
MOST_MOMENTS = 300
# traits that a customer's fields hold
OF_FIELDS = frozenset(
    {"name", "fullname", "firstname", "middlename", "lastname", "email", "emailaddress", "phone", "phonenumber", "birthday"}
    | {"language", "locale", "country", "address.country"}
)  # fmt: skip
FIRST = ("age", "gender", "sex", "address.city", "city", "company", "company.name", "title", "createdat")

# as it is stored: the personal fields encrypted
CUSTOMER = """
SELECT erased_at, name, email, phone, birthday, language, country, traits::text, told_at::text
FROM identity_customer WHERE id = %(customer)s
"""
TELLERS = """
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
class Told:
    """What is known of somebody as it is stored; told_at: field or ``traits.name`` → microseconds since 1970."""

    erased_at: datetime | None
    sealed: dict[str, str]
    language: str
    country: str
    traits: dict[str, Any]
    told_at: dict[str, int]

    def at(self, name: str) -> int | None:
        found = self.told_at.get(name)
        return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Who:
    """lines; hidden: how many lines somebody without the permission does not see; left: how many more traits there are."""

    lines: list[Line]
    hidden: int
    left: int


@dataclass(frozen=True)
class Trait:
    name: str
    value: Any
    at: int | None
    teller: tuple[str, str] | None


def read_told(*, customer_id: int) -> Told | None:
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMER, {"customer": customer_id})
        row = cursor.fetchone()
    if row is None:
        return None
    erased_at, *sealed, language, country, traits, told_at = row
    fields = dict(zip(PERSONAL_FIELDS, sealed, strict=True))
    return Told(erased_at, fields, language, country, _object(traits), _object(told_at))


def who_lines(
    *, customer_id: int, told: Told, events: Sequence[SeenEvent], as_of: datetime, with_personal: bool
) -> Who:
    """events: of the customer, newest first; only what identify calls told is read."""
    tellers = read_tellers(customer_id=customer_id, told=told)
    until = microseconds(as_of)
    lines = list(_field_lines(told, tellers, as_of, with_personal))
    hidden = 0 if with_personal else sum(1 for name, text in told.sealed.items() if text and name != "birthday")
    kept = [
        Trait(name, value, told.at(TRAIT + name), tellers.get(told.at(TRAIT + name) or -1))
        for name, value in told.traits.items()
    ]
    traits = [
        one
        for one in [*kept, *event_traits(events, with_personal=with_personal)]
        if one.value not in (None, "", [], {}) and (one.at is None or one.at < until)
    ]
    if any(line.key == "age" for line in lines):
        traits = [one for one in traits if plain_name(one.name) != "age"]
    shown = [one for one in traits if with_personal or not is_personal_trait(one.name, one.value)]
    shown.sort(key=_place)
    lines += [_trait_line(one, as_of, with_personal) for one in shown[:MOST_SHOWN]]
    return Who(lines, hidden + len(traits) - len(shown), max(len(shown) - MOST_SHOWN, 0))


def read_tellers(*, customer_id: int, told: Told) -> dict[int, tuple[str, str]]:
    """The moment of a telling → key and name of the source whose identify event is of that moment."""
    moments = sorted({at for at in told.told_at.values() if isinstance(at, int)}, reverse=True)[:MOST_MOMENTS]
    with connection.cursor() as cursor:
        cursor.execute(TELLERS, {"customer": customer_id, "moments": [moment_of(at) for at in moments]})
        return {at: (key, name) for at, key, name in cursor.fetchall()}


def event_traits(events: Sequence[SeenEvent], *, with_personal: bool) -> Iterator[Trait]:
    """The latest telling of each trait that customers do not keep; the personal ones only where they may be seen."""
    seen: set[str] = set()
    for event in events:
        if event.type != "identify" or not event.traits:
            continue
        said = _object(event.traits)
        sealed = said.pop(PERSONAL_PART, None)
        if with_personal and isinstance(sealed, str):
            said |= _unsealed(sealed)
        for name, value in _flat(said):
            plain = plain_name(name)
            if plain in seen or plain in OF_FIELDS or _is_kept(name, value):
                continue
            seen.add(plain)
            yield Trait(name, value, event.at, (event.source, event.source_name))


def _field_lines(
    told: Told, tellers: Mapping[int, tuple[str, str]], as_of: datetime, with_personal: bool
) -> Iterator[Line]:
    def line(key: str, field: str, found: Read, name: str | Promise = "") -> Line:
        return _line(key, name or field_name(field), found, told.at(field), tellers.get(told.at(field) or -1), as_of)

    for field in ("name", "email", "phone") if with_personal else ():
        if told.sealed[field] and _is_before(told.at(field), as_of):
            yield line(field, field, _opened(told.sealed[field], read_plain))
    if told.sealed["birthday"] and _is_before(told.at("birthday"), as_of):
        sealed = told.sealed["birthday"]
        yield line(
            "age",
            "birthday",
            _opened(sealed, lambda text: age_of(text, as_of=as_of, exact=with_personal)),
            pgettext_lazy("person", "age"),
        )
        if with_personal:
            yield line("birthday", "birthday", _opened(sealed, read_birthday))
    for field, text, name_of in (("language", told.language, language_name), ("country", told.country, country_name)):
        if text and _is_before(told.at(field), as_of):
            yield line(field, field, Read(Form.TEXT, text, name_of(text)))


def _trait_line(one: Trait, as_of: datetime, with_personal: bool) -> Line:
    found = read_trait(one.name, one.value, as_of=as_of, exact=with_personal)
    return _line(f"{TRAIT}{one.name}", trait_name(one.name), found, one.at, one.teller, as_of)


def _line(
    key: str, name: str | Promise, found: Read, at: int | None, teller: tuple[str, str] | None, as_of: datetime
) -> Line:
    told_by, told_by_name = teller or ("", "")
    return make_line(
        key=key,
        group=Group.WHO,
        name=name,
        form=found.form,
        value=found.value,
        words=found.words,
        origin=Origin.IDENTIFY if teller else Origin.SHOP,
        newest=None if at is None else moment_of(at),
        told_by=told_by,
        told_by_name=told_by_name,
        gap=found.gap,
        as_of=as_of,
    )


def _opened(sealed: str, read: Any) -> Read:
    try:
        found: Read = read(decrypt(sealed))
    except UnreadableFieldError:
        return Read(Form.TEXT, None, "", Gap.UNREADABLE)
    return found


def _is_before(at: int | None, as_of: datetime) -> bool:
    return at is None or at < microseconds(as_of)


def _flat(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Objects by their parts, named address.city."""
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", part) for inner, part in value.items())
        else:
            yield name, value


def _is_kept(name: str, value: Any) -> bool:
    """Whether a trait told by an event is among the customer's own, where what was told last decides."""
    if "." in name or name == "createdAt":
        return False
    return name in NO_TRAITS or (name not in PERSONAL_TRAITS and problem_of_trait(name, value) is None)


def _unsealed(sealed: str) -> dict[str, Any]:
    try:
        return unseal_personal(sealed)
    except (UnreadableFieldError, ValueError):
        return {}


def _place(one: Trait) -> tuple[int, str]:
    plain = plain_name(one.name)
    return (FIRST.index(plain) if plain in FIRST else len(FIRST), one.name.casefold())


def _object(text: Any) -> dict[str, Any]:
    """Of a JSON text; what somebody typed in the back office may be no object."""
    found = json.loads(text) if isinstance(text, str) else text
    return found if isinstance(found, dict) else {}
