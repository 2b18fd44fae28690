"""The rules by which events say who is who, in memory: what is known comes in, what follows from the traces comes out.

No event ever puts two user ids on one person, and nothing it says takes an identifier from a person who has a user id:
what would is noted as a conflict, and the event belongs to whom its user id names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from customers.identity.personal_data.hashing import keyed_hash, normalise_email, normalise_phone
from customers.identity.resolution.blocklist import is_blocked_email, is_blocked_id, is_blocked_phone

USER, ANONYMOUS, EMAIL, PHONE, DEVICE = "user_id", "anonymous_id", "email_hash", "phone_hash", "device_id"
# how many identifiers of a kind one person may have; more speak of a shared or a made-up one
LIMITS = {ANONYMOUS: 200, DEVICE: 100, EMAIL: 5, PHONE: 5}

MOST_VALUE = 255
MOST_NAMED = 20  # people and identifiers that one conflict names

type Key = tuple[str, str]  # kind, value


class Trace(msgspec.Struct, frozen=True):
    """What one event says about who is behind it; an empty text stands for what it does not say."""

    source_id: int
    message_id: str
    type: str
    occurred_at: datetime
    user_id: str = ""
    anonymous_id: str = ""
    previous_id: str = ""  # of an alias
    device_id: str = ""
    email: str = ""
    phone: str = ""
    traits: Mapping[str, Any] = {}  # plain and unsealed personal ones together


@dataclass(slots=True, eq=False)
class Person:
    """Somebody known by some identifiers. One who turned out to be another refers to that one."""

    id: int | None = None  # None until a customer is made
    is_erased: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    first_at: datetime | None = None
    last_at: datetime | None = None
    same_as: "Person | None" = None

    @property
    def has_user(self) -> bool:
        return self.counts.get(USER, 0) > 0

    def has_room(self, kind: str) -> bool:
        return self.counts.get(kind, 0) < LIMITS[kind]


class Claim(NamedTuple):
    """An identifier that became known by a trace."""

    kind: str
    value: str
    person: Person
    trace: Trace


class Fold(NamedTuple):
    """A customer who turned out to be another one."""

    folded: Person
    trace: Trace


@dataclass(slots=True)
class Doubt:
    """What was not believed: see IdentityConflict. The first key is the one in dispute, the first person who has it."""

    reason: str
    trace: Trace
    keys: list[Key]
    people: list[Person]
    first_at: datetime
    last_at: datetime


def person_of(person: Person) -> Person:
    """The one whom somebody turned out to be."""
    while person.same_as is not None:
        if person.same_as.same_as is not None:
            person.same_as = person.same_as.same_as
        person = person.same_as
    return person


class Hashes:
    """Keyed hashes of e-mail addresses and phone numbers, each computed once; empty for what can belong to nobody."""

    def __init__(self) -> None:
        self._known: dict[Key, str] = {}

    def of_email(self, email: str) -> str:
        return self._of((EMAIL, email)) if email else ""

    def of_phone(self, phone: str) -> str:
        return self._of((PHONE, phone)) if phone else ""

    def _of(self, key: Key) -> str:
        if key not in self._known:
            kind, text = key
            normal = normalise_email(text) if kind == EMAIL else normalise_phone(text)
            blocked = is_blocked_email(normal) if kind == EMAIL else is_blocked_phone(normal)
            self._known[key] = "" if blocked else keyed_hash(normal)
        return self._known[key]


class Gathering:
    """Follows traces one after the other.

    Args:
        owners: who is known by which identifier.
        undone: pairs of customers whose merge somebody has undone; no event joins them again.
    """

    def __init__(self, *, owners: dict[Key, Person], undone: Sequence[tuple[Person, Person]], hashes: Hashes) -> None:
        self.owners = owners
        self.claims: list[Claim] = []
        self.folds: list[Fold] = []
        self.new: list[Person] = []
        self.doubts: dict[tuple[Any, ...], Doubt] = {}
        self._undone = undone
        self._hashes = hashes
        self._met: dict[tuple[str, ...], Person] = {}  # what needs no thought when it comes again
        self._in_doubt = False

    def follow(self, trace: Trace) -> Person | None:
        """Who is behind a trace; None when no id of it can be used. `person_of` says who that is in the end."""
        identifies, aliases = trace.type == "identify", trace.type == "alias"
        signs = (
            trace.user_id,
            trace.anonymous_id,
            trace.device_id,
            trace.previous_id if aliases else "",
            trace.email if identifies else "",
            trace.phone if identifies else "",
        )
        person = self._met.get(signs)
        if person is None:
            self._in_doubt = False
            person = self._settle(trace, identifies=identifies, aliases=aliases)
            if person is None:
                return None
            if not self._in_doubt:
                self._met[signs] = person
        person = person_of(person)
        moment = trace.occurred_at
        if person.first_at is None or moment < person.first_at:
            person.first_at = moment
        if person.last_at is None or moment > person.last_at:
            person.last_at = moment
        return person

    def _settle(self, trace: Trace, *, identifies: bool, aliases: bool) -> Person | None:
        user = self._usable(USER, trace.user_id, trace)
        if user is None and trace.user_id and self._is_erased((USER, trace.user_id)):
            return None
        anonymous = self._usable(ANONYMOUS, trace.anonymous_id, trace)
        others = [anonymous, self._previous(trace, user) if aliases else None]
        if identifies:
            others += [self._hashed(EMAIL, trace.email), self._hashed(PHONE, trace.phone)]
        keys = [key for key in others if key is not None]
        device = self._usable(DEVICE, trace.device_id, trace)
        person = self._named(user, keys, trace) if user else self._unnamed(anonymous, keys, device, trace)
        if person is None:
            return None
        for key in keys:
            person = self._link(person, key, trace)
        if device and device not in self.owners and person.has_room(DEVICE):
            self._claim(device, person, trace)
        return person

    def _usable(self, kind: str, value: str, trace: Trace) -> Key | None:
        if not value or len(value) > MOST_VALUE:
            return None
        key = (kind, value)
        if is_blocked_id(value):
            self._doubt(("blocked", *key), "blocked", trace, [key], [])
            return None
        return None if self._is_erased(key) else key

    def _hashed(self, kind: str, text: str) -> Key | None:
        value = self._hashes.of_email(text) if kind == EMAIL else self._hashes.of_phone(text)
        return (kind, value) if value and not self._is_erased((kind, value)) else None

    def _previous(self, trace: Trace, user: Key | None) -> Key | None:
        """What an alias says a user was: another user id where one is known, else the id of a visitor."""
        if trace.previous_id in ("", trace.user_id, trace.anonymous_id):
            return None
        is_user = user is not None and (USER, trace.previous_id) in self.owners
        return self._usable(USER if is_user else ANONYMOUS, trace.previous_id, trace)

    def _is_erased(self, key: Key) -> bool:
        owner = self.owners.get(key)
        return owner is not None and owner.is_erased

    def _owner(self, key: Key) -> Person | None:
        owner = self.owners.get(key)
        return None if owner is None else person_of(owner)

    def _named(self, user: Key, keys: Sequence[Key], trace: Trace) -> Person:
        """Whom a user id names. A new one belongs to the visitor who comes with it, if that one has none yet."""
        owner = self._owner(user)
        if owner is not None:
            return owner
        visitors = (self._owner(key) for key in keys)
        person = next((one for one in visitors if one and not one.has_user), None) or self._make()
        self._claim(user, person, trace)
        twin = self._owner((ANONYMOUS, user[1]))
        if twin is not None and twin is not person and twin.has_user:
            # an alias said that this id is somebody else's earlier one, before it was known for a user id
            self._doubt_users(user, person, twin, trace)
        return person

    def _unnamed(self, anonymous: Key | None, keys: Sequence[Key], device: Key | None, trace: Trace) -> Person | None:
        """Whom the rest speaks of, the strongest sign first. A device alone never says who of its users it is."""
        kind = keys[0][0] if keys else DEVICE
        for key in keys:
            owner = self._owner(key)
            if owner is not None and (key is anonymous or not anonymous or owner.has_room(ANONYMOUS)):
                return owner
        holder = self._owner(device) if device else None
        if not keys:
            return holder or (self._make() if device else None)
        if holder is not None and not holder.has_user and holder.has_room(kind):
            return holder
        return self._make()

    def _link(self, person: Person, key: Key, trace: Trace) -> Person:
        """Whom a person and the owner of an identifier are, if they can be one."""
        owner = self._owner(key)
        if owner is person:
            return person
        if owner is None:
            if person.has_room(key[0]):
                self._claim(key, person, trace)
            else:
                self._doubt_number(key[0], person, trace, [key])
            return person
        if owner.has_user and person.has_user:
            self._doubt_users(key, owner, person, trace)
        elif self._is_undone(owner, person):
            pair = sorted((owner.id or 0, person.id or 0))
            self._doubt(("undone", *pair), "undone", trace, [key], [owner, person])
        elif kind := too_many(owner, person):
            self._doubt_number(kind, person, trace, [key])
        else:
            return self._join(owner, person, trace)
        return person

    def _join(self, one: Person, other: Person, trace: Trace) -> Person:
        """Who has a user id is kept; else who was there first."""
        kept, folded = sorted((one, other), key=lambda person: (not person.has_user, person.id is None, person.id or 0))
        folded.same_as = kept
        for kind, count in folded.counts.items():
            kept.counts[kind] = kept.counts.get(kind, 0) + count
        moments = [at for person in (one, other) for at in (person.first_at, person.last_at) if at is not None]
        if moments:
            kept.first_at, kept.last_at = min(moments), max(moments)
        if kept.id is None:
            kept.id = folded.id
        elif folded.id is not None:
            self.folds.append(Fold(folded, trace))
        return kept

    def _claim(self, key: Key, person: Person, trace: Trace) -> None:
        self.owners[key] = person
        person.counts[key[0]] = person.counts.get(key[0], 0) + 1
        self.claims.append(Claim(*key, person, trace))

    def _make(self) -> Person:
        person = Person()
        self.new.append(person)
        return person

    def _is_undone(self, one: Person, other: Person) -> bool:
        return any({person_of(kept), person_of(folded)} == {one, other} for kept, folded in self._undone)

    def _doubt_users(self, key: Key, owner: Person, person: Person, trace: Trace) -> None:
        keys = [key, (USER, trace.user_id)] if trace.user_id else [key]
        self._doubt(("two_user_ids", *key), "two_user_ids", trace, keys, [owner, person])

    def _doubt_number(self, kind: str, person: Person, trace: Trace, keys: list[Key]) -> None:
        self._doubt(("limit", kind, id(person)), "limit", trace, keys, [person])

    def _doubt(self, about: tuple[Any, ...], reason: str, trace: Trace, keys: list[Key], people: list[Person]) -> None:
        self._in_doubt = True
        doubt = self.doubts.get(about)
        if doubt is None:
            self.doubts[about] = Doubt(reason, trace, keys, people, trace.occurred_at, trace.occurred_at)
            return
        doubt.first_at = min(doubt.first_at, trace.occurred_at)
        doubt.last_at = max(doubt.last_at, trace.occurred_at)
        if len(doubt.people) < MOST_NAMED:
            doubt.keys += [key for key in keys if key not in doubt.keys]
            doubt.people += [person for person in people if person not in doubt.people]


def too_many(one: Person, other: Person) -> str:
    """The kind of which two people together would have more identifiers than one may have; empty when there is none."""
    return next(
        (kind for kind, most in LIMITS.items() if one.counts.get(kind, 0) + other.counts.get(kind, 0) > most), ""
    )
