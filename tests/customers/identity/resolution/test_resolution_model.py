"""`resolve_people` against a simple model: one event at a time, people as sets, no batches and no database."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.identity.models import Identifier, IdentityConflict
from customers.identity.personal_data.hashing import hash_email
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from customers.identity.resolution.resolution_rules import LIMITS
from tests.makers import NOON

SMALL = {"anonymous_id": 3, "device_id": 2, "email_hash": 2, "phone_hash": 2}
USERS = ["u1", "u2", "u3"]
VISITORS = ["a1", "a2", "a3", "a4", "u1"]  # the last is a user id sent as an anonymous id
EMAILS = ["e1@shop.org", "e2@shop.org", "e3@shop.org"]
NOBODY = ["", "null"]

type Key = tuple[str, str]
type Person = set[Key]


@dataclass
class Model:
    """The resolution rules of the decision record, one event at a time."""

    persons: list[Person] = field(default_factory=list)
    conflicts: set[tuple[str, Key]] = field(default_factory=set)
    has_exceeded_limit: bool = False

    def find_owner(self, key: Key | None) -> Person | None:
        return next((person for person in self.persons if key in person), None)

    def resolve(self, event: IdentityEvent) -> Person | None:
        user = self.build_key("user_id", event.user_id)
        visitor = self.build_key("anonymous_id", event.anonymous_id)
        optional_keys = [visitor, self.build_previous_key(event, user)]
        if event.type == "identify" and event.email:
            optional_keys.append(("email_hash", hash_email(event.email)))
        keys = [key for key in optional_keys if key]
        device = self.build_key("device_id", event.device_id)
        person = self.find_user(user, keys) if user else self.find_visitor(visitor, keys, device)
        if person is None:
            return None
        for key in keys:
            person = self.link(person, key)
        if device and self.find_owner(device) is None and count_identifiers(person, "device_id") < SMALL["device_id"]:
            person.add(device)
        return person

    def build_key(self, kind: str, value: str) -> Key | None:
        if value in NOBODY:
            if value:
                self.conflicts.add(("blocked", (kind, value)))
            return None
        return kind, value

    def build_previous_key(self, event: IdentityEvent, user: Key | None) -> Key | None:
        """Return the key of an alias's previous id: a known user id, otherwise a visitor, never the event's own id."""
        if event.type != "alias" or event.previous_id in (event.user_id, event.anonymous_id):
            return None
        is_user = user is not None and self.find_owner(("user_id", event.previous_id)) is not None
        return self.build_key("user_id" if is_user else "anonymous_id", event.previous_id)

    def find_user(self, user: Key, keys: Iterable[Key]) -> Person:
        owner = self.find_owner(user)
        if owner is not None:
            return owner
        owners = (self.find_owner(key) for key in keys)
        person = next((owner for owner in owners if owner and not list_user_ids(owner)), None) or self.create_person()
        person.add(user)
        namesake = self.find_owner(("anonymous_id", user[1]))
        if namesake is not None and namesake is not person and list_user_ids(namesake):
            self.conflicts.add(("two_user_ids", user))
        return person

    def find_visitor(self, visitor: Key | None, keys: list[Key], device: Key | None) -> Person | None:
        for key in keys:
            owner = self.find_owner(key)
            if owner is not None and (
                key == visitor or not visitor or count_identifiers(owner, "anonymous_id") < SMALL["anonymous_id"]
            ):
                return owner
        device_owner = self.find_owner(device)
        if not keys:
            return device_owner if device_owner is not None else self.create_person() if device else None
        if (
            device_owner is not None
            and not list_user_ids(device_owner)
            and count_identifiers(device_owner, keys[0][0]) < SMALL[keys[0][0]]
        ):
            return device_owner
        return self.create_person()

    def link(self, person: Person, key: Key) -> Person:
        owner = self.find_owner(key)
        if owner is person:
            return person
        if owner is None:
            if count_identifiers(person, key[0]) < SMALL[key[0]]:
                person.add(key)
            else:
                self.has_exceeded_limit = True
            return person
        if list_user_ids(owner) and list_user_ids(person):
            self.conflicts.add(("two_user_ids", key))
            return person
        if any(
            count_identifiers(person, kind) + count_identifiers(owner, kind) > limit for kind, limit in SMALL.items()
        ):
            self.has_exceeded_limit = True
            return person
        person |= owner
        self.persons = [candidate for candidate in self.persons if candidate is not owner]
        return person

    def create_person(self) -> Person:
        person: Person = set()
        self.persons.append(person)
        return person


def list_user_ids(person: Person) -> set[str]:
    return {value for kind, value in person if kind == "user_id"}


def count_identifiers(person: Person, kind: str) -> int:
    return sum(identifier_kind == kind for identifier_kind, _value in person)


def draw_optional(values: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([*NOBODY, *values, *values])


@st.composite
def draw_batches(draw: st.DrawFn) -> list[list[IdentityEvent]]:
    number = 0
    batches = []
    for size in draw(st.lists(st.integers(1, 12), min_size=1, max_size=5)):
        batch = []
        for _index in range(size):
            number += 1
            batch.append(
                IdentityEvent(
                    source_id=1,
                    message_id=f"m{number}",
                    type=draw(st.sampled_from(["track", "page", "identify", "alias"])),
                    occurred_at=NOON + timedelta(seconds=number),
                    user_id=draw(draw_optional(USERS)),
                    anonymous_id=draw(draw_optional(VISITORS)),
                    previous_id=draw(draw_optional([*USERS, *VISITORS])),
                    device_id=draw(draw_optional(["d1", "d2", "d3"])),
                    email=draw(st.sampled_from(["", *EMAILS])),
                )
            )
        batches.append(batch)
    return batches


@contextmanager
def use_limits(limits: dict[str, int]) -> Iterator[None]:
    with transaction.atomic(), patch.dict(LIMITS, limits):
        yield
        transaction.set_rollback(True)


def read_persons() -> dict[int, Person]:
    persons: dict[int, Person] = {}
    for kind, value, customer_id in Identifier.objects.values_list("kind", "value", "customer_id"):
        persons.setdefault(customer_id, set()).add((kind, value))
    return persons


def read_conflicts() -> set[tuple[str, Key]]:
    rows = IdentityConflict.objects.exclude(reason="limit").values_list("reason", "identifiers")
    return {(reason, (keys[0]["kind"], keys[0]["value"])) for reason, keys in rows}


@pytest.mark.django_db
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=draw_batches())
def test_batches_give_the_same_result_as_single_events(batches: list[list[IdentityEvent]]) -> None:
    with use_limits(SMALL):
        model = Model()
        for batch in batches:
            expected = [model.resolve(event) for event in batch]
            customer_ids = resolve_people(events=batch, at=NOON).customer_ids
            persons = read_persons()
            assert sorted(map(sorted, persons.values())) == sorted(map(sorted, model.persons))
            for person, customer_id in zip(expected, customer_ids, strict=True):
                # a later event of the batch may have merged this person of the model into another one
                assert (person is None) == (customer_id is None)
                assert person is None or person <= persons[customer_id]  # type: ignore[index]
            assert read_conflicts() == model.conflicts
            assert IdentityConflict.objects.filter(reason="limit").exists() == model.has_exceeded_limit
            assert all(len(list_user_ids(person)) <= 1 for person in persons.values())


@pytest.mark.django_db
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=draw_batches())
def test_repeated_batch_changes_nothing(batches: list[list[IdentityEvent]]) -> None:
    with use_limits({}):  # at a limit, a repeated batch may add an identifier that was rejected the first time
        for batch in batches:
            resolve_people(events=batch, at=NOON)
        last, before = batches[-1], (read_persons(), read_conflicts())
        repeated = resolve_people(events=last, at=NOON)
        assert (read_persons(), read_conflicts()) == before
        assert (repeated.created, repeated.merges) == ([], [])
