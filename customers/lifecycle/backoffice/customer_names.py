"""The names of customers in lists and titles: a user ID, or the customer number."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from config.foundation.audit_log import record_access
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.masking import MASK, is_personal_id

PERSONAL_LOOKUPS = tuple(f"customer__{name}" for name in PERSONAL_FIELDS)


class NamedIdentifier(Protocol):
    """The part of an identifier that a name needs."""

    @property
    def kind(self) -> str: ...

    @property
    def value(self) -> str: ...


def get_customer_name(customer: Customer, identifiers: Iterable[NamedIdentifier], *, with_personal: bool) -> str:
    """Return the customer's first user ID that the reader may see, or the customer number without one; the audit log records a personal ID."""
    user_ids = (identifier.value for identifier in identifiers if identifier.kind == Identifier.Kind.USER_ID)
    if not with_personal:
        user_ids = (user_id for user_id in user_ids if user_id != MASK and not is_personal_id(user_id))
    name = next(user_ids, str(customer))
    if is_personal_id(name):
        record_access(model=Customer, pks=[customer.pk])
    return name


def read_names(ids: Sequence[int]) -> dict[int, str]:
    """Return the names of customers and record that they are shown; none if the key that encrypted one is missing."""
    try:
        names = {pk: name for pk, name in Customer.objects.filter(pk__in=ids).values_list("pk", "name") if name}
    except UnreadableFieldError:
        return {}
    record_access(model=Customer, pks=names)
    return names
