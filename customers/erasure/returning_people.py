"""Leaves an erased person who has come back out of the proof of their erasure, which would find and erase them again."""

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from config.foundation.personal_data.person import Person
from customers.erasure.models import ErasedPerson

type Key = tuple[str, str]


def exempt_released_identifiers(*, identifiers: Iterable[Key], **_kwargs: Any) -> None:
    """Remove released identifiers from the people of erasures that are not proven yet. Receiver of ``identifiers_released``."""
    released = set(identifiers)
    changed: list[ErasedPerson] = []
    for row in ErasedPerson.objects.select_for_update().exclude(content="").order_by("pk").iterator(chunk_size=1_000):
        person = Person.from_json(json.loads(row.content))
        if released.isdisjoint(person.identifiers):
            continue
        row.content = json.dumps(exempt_person(person, released).to_json())
        changed.append(row)
    ErasedPerson.objects.bulk_update(changed, ["content"])


def exempt_person(person: Person, released: Collection[Key]) -> Person:
    """Return the person without the released identifiers, searched for only by those that stay blocked.

    The name and the addresses are no longer searched for: the person who has come back has them again.
    """
    blocked = tuple(key for key in person.identifiers if key not in released)
    values = {value for _kind, value in blocked}
    return replace(
        person, identifiers=blocked, search_terms=tuple(term for term in person.search_terms if term in values)
    )
