"""A person to be erased, searched for or exported, with everything by which their data is found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

EARLIER_NAMES = {"needles": "search_terms"}  # an erasure may have begun before an update


@dataclass(frozen=True, slots=True)
class Person:
    """One customer with all their identifiers, as known before the erasure.

    Attributes:
        merged_ids: the customers merged into this one, whose numbers old files and logs may still contain.
        identifiers: (kind, value) of identity, such as ("user_id", "ada"), including hashes of contact data.
        replacement_id: the anonymous number that replaces the customer's in data that is still counted; None before the erasure and for exports.
        search_terms: plain texts that must not be found after the erasure, such as names, addresses and phone numbers.
        order_keys: (source ID, order ID) of the orders, which are anonymized and no longer identify the person.
        delivery_ids: the messages that were sent to the person.
    """

    customer_id: int
    merged_ids: tuple[int, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    replacement_id: int | None = None
    search_terms: tuple[str, ...] = ()
    order_keys: tuple[tuple[int, str], ...] = ()
    delivery_ids: tuple[int, ...] = ()

    @property
    def customer_ids(self) -> tuple[int, ...]:
        """The number of the customer and those of the customers merged into it."""
        return (self.customer_id, *self.merged_ids)

    def list_values(self, *kinds: str) -> list[str]:
        """Return the values of the identifiers of these kinds, by default of all."""
        return [value for kind, value in self.identifiers if not kinds or kind in kinds]

    def to_json(self) -> dict[str, Any]:
        """Return the person as JSON values, to be stored encrypted."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the person of `to_json`, also of an earlier version."""
        pairs = ("identifiers", "order_keys")
        values: dict[str, Any] = {
            EARLIER_NAMES.get(name, name): (tuple(tuple(pair) for pair in value) if name in pairs else tuple(value))
            if isinstance(value, list | tuple)
            else value
            for name, value in content.items()
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Finding:
    """A trace of a person: where it is, how often, and what was recognized (the kind of data, never the data itself)."""

    store: str
    location: str
    count: int
    recognized_by: str = ""


def list_customer_ids(people: Iterable[Person]) -> list[int]:
    """Return the numbers of the customers and of those merged into them."""
    return sorted({customer_id for person in people for customer_id in person.customer_ids})


def list_identifier_values(people: Iterable[Person], kinds: Sequence[str] = ()) -> list[str]:
    """Return the values of the identifiers of these kinds, by default of all."""
    return sorted({value for person in people for value in person.list_values(*kinds)})
