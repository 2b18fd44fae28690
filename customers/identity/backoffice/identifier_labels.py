"""Labels of identifiers and models on pages: hashes are shortened, personal values masked without the permission."""

from collections.abc import Mapping
from typing import Any

from django.apps import apps

from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.merging.merge import count_moved
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import mask_hash, mask_id

HASHED_TYPES = frozenset(kind for kind in Identifier.Kind if kind.endswith("_hash"))
TYPE_LABELS = dict(Identifier.Kind.choices)


def mask_identifier(kind: str, value: str, *, with_personal: bool) -> str:
    """Return an identifier as a user may see it: a user id can be an email address, and a full hash can be compared."""
    mask = mask_hash if kind in HASHED_TYPES else mask_id
    return mask(value, with_personal=with_personal)


def label_identifier_type(kind: str) -> str:
    return str(TYPE_LABELS.get(kind, kind))


def list_personal_fields(customer: Customer) -> list[tuple[str, str]]:
    """Return labels and values of the personal fields, for users who may see them."""
    return [(label_field(name), getattr(customer, name)) for name in PERSONAL_FIELDS]


def label_field(name: str) -> str:
    """Return the label of a customer's field or trait."""
    fields = {field.name: field for field in Customer._meta.concrete_fields}
    return str(fields[name].verbose_name) if name in fields else name


def label_moved_counts(moved: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the labels of the models that a merge affects, with the number of rows."""
    return [(label_model(label), count) for label, count in count_moved(moved).items()]


def label_model(label: str) -> str:
    return str(apps.get_model(label)._meta.verbose_name_plural)


def join_user_ids(customer: Customer, *, with_personal: bool) -> str:
    """Return all user ids of a customer, from the prefetched identifiers."""
    user_ids = [identifier for identifier in customer.identifiers.all() if identifier.kind == Identifier.Kind.USER_ID]
    return ", ".join(
        mask_identifier(identifier.kind, identifier.value, with_personal=with_personal) for identifier in user_ids
    )
