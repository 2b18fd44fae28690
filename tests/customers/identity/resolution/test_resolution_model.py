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
VISITORS = ["a1", "a2", "a3", "a4", "u1"]  # the last is a user id sent in the wrong place
EMAILS = ["e1@shop.org", "e2@shop.org", "e3@shop.org"]
NOBODY = ["", "null"]

type Key = tuple[str, str]
type Person = set[Key]


@dataclass
class Model:
    """The resolution rules as the decision record states them."""

    people: list[Person] = field(default_factory=list)
    disputes: set[tuple[str, Key]] = field(default_factory=set)
    crowded: bool = False

    def owner(self, key: Key | None) -> Person | None:
        return next((person for person in self.people if key in person), None)

    def see(self, trace: IdentityEvent) -> Person | None:
        user = self.named("user_id", trace.user_id)
        visitor = self.named("anonymous_id", trace.anonymous_id)
        said = [visitor, self.earlier(trace, user)]
        if trace.type == "identify" and trace.email:
            said.append(("email_hash", hash_email(trace.email)))
        keys = [key for key in said if key]
        device = self.named("device_id", trace.device_id)
        person = self.whom_user_names(user, keys) if user else self.whom_signs_name(visitor, keys, device)
        if person is None:
            return None
        for key in keys:
            person = self.link(person, key)
        if device and self.owner(device) is None and count(person, "device_id") < SMALL["device_id"]:
            person.add(device)
        return person

    def named(self, kind: str, value: str) -> Key | None:
        if value in NOBODY:
            if value:
                self.disputes.add(("blocked", (kind, value)))
            return None
        return kind, value

    def earlier(self, trace: IdentityEvent, user: Key | None) -> Key | None:
        """Return the key of an alias's previous id: a known user id, otherwise a visitor, never the event's own id."""
        if trace.type != "alias" or trace.previous_id in (trace.user_id, trace.anonymous_id):
            return None
        is_user = user is not None and self.owner(("user_id", trace.previous_id)) is not None
        return self.named("user_id" if is_user else "anonymous_id", trace.previous_id)

    def whom_user_names(self, user: Key, keys: Iterable[Key]) -> Person:
        known = self.owner(user)
        if known is not None:
            return known
        person = next((one for key in keys if (one := self.owner(key)) and not users(one)), None) or self.make()
        person.add(user)
        twin = self.owner(("anonymous_id", user[1]))
        if twin is not None and twin is not person and users(twin):
            self.disputes.add(("two_user_ids", user))
        return person

    def whom_signs_name(self, visitor: Key | None, keys: list[Key], device: Key | None) -> Person | None:
        for key in keys:
            one = self.owner(key)
            if one is not None and (
                key == visitor or not visitor or count(one, "anonymous_id") < SMALL["anonymous_id"]
            ):
                return one
        holder = self.owner(device)
        if not keys:
            return holder if holder is not None else self.make() if device else None
        if holder is not None and not users(holder) and count(holder, keys[0][0]) < SMALL[keys[0][0]]:
            return holder
        return self.make()

    def link(self, person: Person, key: Key) -> Person:
        other = self.owner(key)
        if other is person:
            return person
        if other is None:
            if count(person, key[0]) < SMALL[key[0]]:
                person.add(key)
            else:
                self.crowded = True
            return person
        if users(other) and users(person):
            self.disputes.add(("two_user_ids", key))
            return person
        if any(count(person, kind) + count(other, kind) > most for kind, most in SMALL.items()):
            self.crowded = True
            return person
        person |= other
        self.people = [one for one in self.people if one is not other]
        return person

    def make(self) -> Person:
        person: Person = set()
        self.people.append(person)
        return person


def users(person: Person) -> set[str]:
    return {value for kind, value in person if kind == "user_id"}


def count(person: Person, kind: str) -> int:
    return sum(one == kind for one, _value in person)


def some(values: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([*NOBODY, *values, *values])


@st.composite
def batches(draw: st.DrawFn) -> list[list[IdentityEvent]]:
    number = 0
    made = []
    for size in draw(st.lists(st.integers(1, 12), min_size=1, max_size=5)):
        batch = []
        for _place in range(size):
            number += 1
            batch.append(
                IdentityEvent(
                    source_id=1,
                    message_id=f"m{number}",
                    type=draw(st.sampled_from(["track", "page", "identify", "alias"])),
                    occurred_at=NOON + timedelta(seconds=number),
                    user_id=draw(some(USERS)),
                    anonymous_id=draw(some(VISITORS)),
                    previous_id=draw(some([*USERS, *VISITORS])),
                    device_id=draw(some(["d1", "d2", "d3"])),
                    email=draw(st.sampled_from(["", *EMAILS])),
                )
            )
        made.append(batch)
    return made


@contextmanager
def taken_back(limits: dict[str, int]) -> Iterator[None]:
    with transaction.atomic(), patch.dict(LIMITS, limits):
        yield
        transaction.set_rollback(True)


def known_people() -> dict[int, Person]:
    people: dict[int, Person] = {}
    for kind, value, customer_id in Identifier.objects.values_list("kind", "value", "customer_id"):
        people.setdefault(customer_id, set()).add((kind, value))
    return people


def known_disputes() -> set[tuple[str, Key]]:
    rows = IdentityConflict.objects.exclude(reason="limit").values_list("reason", "identifiers")
    return {(reason, (keys[0]["kind"], keys[0]["value"])) for reason, keys in rows}


@pytest.mark.django_db
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=batches())
def test_batches_give_the_same_result_as_single_events(made: list[list[IdentityEvent]]) -> None:
    with taken_back(SMALL):
        model = Model()
        for batch in made:
            expected = [model.see(trace) for trace in batch]
            found = resolve_people(events=batch, at=NOON).customer_ids
            people = known_people()
            assert sorted(map(sorted, people.values())) == sorted(map(sorted, model.people))
            for person, customer_id in zip(expected, found, strict=True):
                # a person of the model may have been taken into another one later in the batch
                assert (person is None) == (customer_id is None)
                assert person is None or person <= people[customer_id]  # type: ignore[index]
            assert known_disputes() == model.disputes
            assert IdentityConflict.objects.filter(reason="limit").exists() == model.crowded
            assert all(len(users(person)) <= 1 for person in people.values())


@pytest.mark.django_db
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=batches())
def test_repeated_batch_changes_nothing(made: list[list[IdentityEvent]]) -> None:
    with taken_back({}):  # at a limit, what was refused first may be known by something else the second time
        for batch in made:
            resolve_people(events=batch, at=NOON)
        last, before = made[-1], (known_people(), known_disputes())
        again = resolve_people(events=last, at=NOON)
        assert (known_people(), known_disputes()) == before
        assert (again.created, again.merges) == ([], [])
