"""The names of customers in lists and titles, without personal data."""

from collections.abc import Iterable
from typing import Protocol

from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.models import Customer, Identifier

PERSONAL_LOOKUPS = tuple(f"customer__{name}" for name in PERSONAL_FIELDS)


class NamedIdentifier(Protocol):
    """The part of an identifier that a name needs."""

    @property
    def kind(self) -> str: ...

    @property
    def value(self) -> str: ...


def get_customer_name(customer: Customer, identifiers: Iterable[NamedIdentifier]) -> str:
    """Return the customer's first user ID, or the customer number without one."""
    user_ids = (identifier.value for identifier in identifiers if identifier.kind == Identifier.Kind.USER_ID)
    return next(user_ids, str(customer))
