"""How identifiers stand on pages: hashes only in part, and nothing that names a person to who may not see names."""

from collections.abc import Mapping
from typing import Any

from django.apps import apps

from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.merging.merge import count_moved
from customers.identity.models import Customer, Identifier

MASK = "•••"
HASHED = frozenset({Identifier.Kind.EMAIL_HASH, Identifier.Kind.PHONE_HASH})
HASH_SHOWN = 8
KINDS = dict(Identifier.Kind.choices)


def shown_value(kind: str, value: str, *, with_personal: bool) -> str:
    """A user id may be an address; a hash says little to people, and lets who has the address try it."""
    if kind in HASHED:
        return f"{value[:HASH_SHOWN]}…" if with_personal else MASK
    return value if with_personal or not looks_personal(value) else MASK


def looks_personal(value: str) -> bool:
    """Whether an id is an e-mail address, or a phone number in international form."""
    return "@" in value or (value.startswith("+") and value[1:].replace(" ", "").isdecimal())


def kind_name(kind: str) -> str:
    return str(KINDS.get(kind, kind))


def personal_lines(customer: Customer) -> list[tuple[str, str]]:
    """Names of the personal fields with what they hold; for who may see it."""
    return [(field_name(name), getattr(customer, name)) for name in PERSONAL_FIELDS]


def field_name(name: str) -> str:
    """What a field of a customer, or a trait, is called on pages."""
    fields = {field.name: field for field in Customer._meta.concrete_fields}
    return str(fields[name].verbose_name) if name in fields else name


def model_counts(moved: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What a merge moves, by the names of the models."""
    return [(model_name(label), count) for label, count in count_moved(moved).items()]


def model_name(label: str) -> str:
    return str(apps.get_model(label)._meta.verbose_name_plural)


def user_ids(customer: Customer, *, with_personal: bool) -> str:
    """All of them, from the prefetched identifiers."""
    found = [one for one in customer.identifiers.all() if one.kind == Identifier.Kind.USER_ID]
    return ", ".join(shown_value(one.kind, one.value, with_personal=with_personal) for one in found)
