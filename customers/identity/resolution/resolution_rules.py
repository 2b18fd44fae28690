"""The rules of identity resolution, in memory: known identifiers and events go in, claims, merges and conflicts come out.

No event can give one person two user ids, and no event can take a proven identifier from a person who has a user id. An attempt
is recorded as a conflict, and the event belongs to the customer of its user id.

An identifier is proven if a trusted source or an event with a verified user id has linked it. An address that is not proven gives
way to the customer for whom a trusted source names it. Proven links are made also above a limit, if there are unproven
identifiers to evict.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from customers.identity.personal_data.hashing import hash_normal, normalize_email, normalize_phone
from customers.identity.personal_data.wechat_ids import OPENID, UNIONID, WechatId, is_wechat_id, normalize_wechat_id
from customers.identity.resolution.blocklist import is_blocked_email, is_blocked_id, is_blocked_phone

USER, ANONYMOUS, EMAIL, PHONE, DEVICE = "user_id", "anonymous_id", "email_hash", "phone_hash", "device_id"
# the maximum number of identifiers per type for one person; more indicate a shared or generated identifier
LIMITS = {ANONYMOUS: 200, DEVICE: 100, EMAIL: 5, PHONE: 5, OPENID: 50, UNIONID: 5}
HASHED_KINDS = (EMAIL, PHONE, OPENID, UNIONID)

MAX_VALUE_LENGTH = 255
MAX_LISTED = 20  # people and identifiers listed in one conflict

type Key = tuple[str, str]  # kind, value


class IdentityEvent(msgspec.Struct, frozen=True):
    """What one event says about identity; a missing identifier is empty.

    An event of a browser or app is not trusted: it joins no two customers and changes no trait that the shop has set. Its
    email address, phone number and IDs of WeChat are empty, because anyone can send those of someone else; what it claims is in
    the fields whose names begin with `claimed`. A trusted event that is no identify call, such as an order, confirms such claims by
    what it names in these fields.
    """

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
    traits: Mapping[str, Any] = {}  # including the decrypted personal ones
    is_trusted: bool = True
    is_verified: bool = True  # the user id is certain: of a trusted source, or with a valid user token
    claimed_email: str = ""
    claimed_phone: str = ""
    wechat_ids: tuple[WechatId, ...] = ()  # openids and unionids; empty without trust, like email and phone
    claimed_wechat_ids: tuple[WechatId, ...] = ()

    @property
    def is_proof(self) -> bool:
        """Whether the identifiers of this event certainly belong together."""
        return self.is_trusted or (self.is_verified and bool(self.user_id))


@dataclass(slots=True, eq=False)
class ResolvedPerson:
    """A person known by identifiers; ``merged_into`` refers to the person it was merged into."""

    id: int | None = None  # None until a customer is created
    is_erased: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    unproven: dict[str, int] = field(default_factory=dict)  # those of the counts that are not proven
    first_at: datetime | None = None
    last_at: datetime | None = None
    merged_into: "ResolvedPerson | None" = None

    @property
    def has_user(self) -> bool:
        return self.counts.get(USER, 0) > 0

    def is_below_limit(self, kind: str) -> bool:
        return self.counts.get(kind, 0) < LIMITS[kind]

    def count(self, kind: str, *, by: int = 1, is_proven: bool) -> None:
        """Change the number of identifiers of a type."""
        self.counts[kind] = self.counts.get(kind, 0) + by
        if not is_proven:
            self.unproven[kind] = self.unproven.get(kind, 0) + by


class IdentifierClaim(NamedTuple):
    """An identifier that an event adds to a person."""

    kind: str
    value: str
    person: ResolvedPerson
    event: IdentityEvent


class PlannedMerge(NamedTuple):
    """A stored customer who will be merged into another one."""

    merged: ResolvedPerson
    event: IdentityEvent


class PlannedTransfer(NamedTuple):
    """An unproven identifier that a trusted event names for another person."""

    key: Key
    person: ResolvedPerson
    event: IdentityEvent


class PlannedEviction(NamedTuple):
    """A person who loses the oldest unproven identifier of a type, because there are too many."""

    person: ResolvedPerson
    kind: str
    event: IdentityEvent


@dataclass(slots=True)
class DetectedConflict:
    """A link that the rules rejected: see IdentityConflict. The first key is the disputed one, the first person its owner."""

    reason: str
    event: IdentityEvent
    keys: list[Key]
    people: list[ResolvedPerson]
    first_at: datetime
    last_at: datetime


def follow_merges(person: ResolvedPerson) -> ResolvedPerson:
    """Return the person that a person was finally merged into."""
    # Path halving: each step also shortens the chain, so that long chains of merges are not followed again and again.
    while person.merged_into is not None:
        if person.merged_into.merged_into is not None:
            person.merged_into = person.merged_into.merged_into
        person = person.merged_into
    return person


class IdentifierHasher:
    """Keyed hashes of email addresses, phone numbers and IDs of WeChat, each computed once; empty for placeholders."""

    def __init__(self) -> None:
        self._hashes: dict[Key, str] = {}

    def hash_email(self, email: str) -> str:
        return self._hash((EMAIL, email)) if email else ""

    def hash_phone(self, phone: str) -> str:
        return self._hash((PHONE, phone)) if phone else ""

    def hash(self, kind: str, text: str) -> str:
        return self._hash((kind, text)) if text else ""

    def _hash(self, key: Key) -> str:
        if key not in self._hashes:
            kind, text = key
            normalize, is_blocked = NORMAL_FORMS[kind]
            normal = normalize(text)
            self._hashes[key] = "" if is_blocked(normal) else hash_normal(normal)
        return self._hashes[key]


def is_blocked_wechat_id(text: str) -> bool:
    """Return whether a text cannot be the ID of a person, or is a placeholder."""
    return is_blocked_id(text) or not is_wechat_id(text)


NORMAL_FORMS: Mapping[str, tuple[Callable[[str], str], Callable[[str], bool]]] = {
    EMAIL: (normalize_email, is_blocked_email),
    PHONE: (normalize_phone, is_blocked_phone),
    OPENID: (normalize_wechat_id, is_blocked_wechat_id),
    UNIONID: (normalize_wechat_id, is_blocked_wechat_id),
}


class IdentityResolver:
    """Resolves events one after the other.

    Args:
        owners: the person of each known identifier.
        undone: pairs of customers whose merge a user has undone; no event merges them again.
        unproven: the known identifiers that are not proven.
    """

    def __init__(
        self,
        *,
        owners: dict[Key, ResolvedPerson],
        undone: Sequence[tuple[ResolvedPerson, ResolvedPerson]],
        hasher: IdentifierHasher,
        unproven: Iterable[Key] = (),
    ) -> None:
        self.owners = owners
        self.unproven = set(unproven)
        self.proofs: list[Key] = []
        self.transfers: list[PlannedTransfer] = []
        self.evictions: list[PlannedEviction] = []
        self.claims: list[IdentifierClaim] = []
        self.planned_merges: list[PlannedMerge] = []
        self.new: list[ResolvedPerson] = []
        self.conflicts: dict[tuple[Any, ...], DetectedConflict] = {}
        self._undone = undone
        self._hasher = hasher
        self._resolved: dict[tuple[Any, ...], ResolvedPerson] = {}  # results that can be reused for equal identifiers
        self._has_conflict = False

    def resolve(self, event: IdentityEvent) -> ResolvedPerson | None:
        """Return the person behind an event; None if none of its ids is usable.

        A later event may merge the person: `follow_merges` returns the final one.
        """
        is_identify, is_alias = event.type == "identify", event.type == "alias"
        identifiers = (
            event.user_id,
            event.anonymous_id,
            event.device_id,
            event.previous_id if is_alias else "",
            event.email if is_identify else "",
            event.phone if is_identify else "",
            event.wechat_ids if is_identify else (),
            event.is_trusted,
            event.is_proof,
        )
        person = self._resolved.get(identifiers)
        if person is None:
            self._has_conflict = False
            person = self._link_identifiers(event, is_identify=is_identify, is_alias=is_alias)
            if person is None:
                return None
            # a conflict is counted for each event, so its result is not reused
            if not self._has_conflict:
                self._resolved[identifiers] = person
        person = follow_merges(person)
        occurred_at = event.occurred_at
        if person.first_at is None or occurred_at < person.first_at:
            person.first_at = occurred_at
        if person.last_at is None or occurred_at > person.last_at:
            person.last_at = occurred_at
        return person

    def _link_identifiers(self, event: IdentityEvent, *, is_identify: bool, is_alias: bool) -> ResolvedPerson | None:
        user = self._build_key(USER, event.user_id, event)
        if user is None and event.user_id and self._is_erased((USER, event.user_id)):
            return None
        anonymous = self._build_key(ANONYMOUS, event.anonymous_id, event)
        optional_keys = [anonymous, self._build_previous_key(event, user) if is_alias else None]
        if is_identify:
            optional_keys += [self._build_hashed_key(EMAIL, event.email), self._build_hashed_key(PHONE, event.phone)]
            optional_keys += [self._build_hashed_key(kind, text) for kind, text in event.wechat_ids]
        keys = [key for key in optional_keys if key is not None]
        device = self._build_key(DEVICE, event.device_id, event)
        person = self._find_user(user, keys, event) if user else self._find_visitor(anonymous, keys, device, event)
        if person is None:
            return None
        for key in keys:
            person = self._link(person, key, event)
        if device and device not in self.owners and self._make_room(device, person, event):
            self._claim(device, person, event)
        return person

    def _build_key(self, kind: str, value: str, event: IdentityEvent) -> Key | None:
        if not value or len(value) > MAX_VALUE_LENGTH:
            return None
        key = (kind, value)
        if is_blocked_id(value):
            self._report(("blocked", *key), "blocked", event, [key], [])
            return None
        return None if self._is_erased(key) else key

    def _build_hashed_key(self, kind: str, text: str) -> Key | None:
        value = self._hasher.hash(kind, text)
        return (kind, value) if value and not self._is_erased((kind, value)) else None

    def _build_previous_key(self, event: IdentityEvent, user: Key | None) -> Key | None:
        """Return the previous id of an alias: a user id if it is known as one, else an anonymous id."""
        if event.previous_id in ("", event.user_id, event.anonymous_id):
            return None
        is_user = user is not None and event.is_trusted and (USER, event.previous_id) in self.owners
        return self._build_key(USER if is_user else ANONYMOUS, event.previous_id, event)

    def _is_erased(self, key: Key) -> bool:
        owner = self.owners.get(key)
        return owner is not None and owner.is_erased

    def _find_owner(self, key: Key) -> ResolvedPerson | None:
        owner = self.owners.get(key)
        return None if owner is None else follow_merges(owner)

    def _find_certain_owner(self, key: Key) -> ResolvedPerson | None:
        """Return the owner of an identifier; an address that only a browser has linked identifies nobody."""
        return None if key in self.unproven and key[0] in HASHED_KINDS else self._find_owner(key)

    def _find_user(self, user: Key, keys: Sequence[Key], event: IdentityEvent) -> ResolvedPerson:
        """Return the person of a user id; a new user id goes to the visitor of the same event if that visitor has none."""
        owner = self._find_owner(user)
        if owner is not None:
            return owner
        visitors = (self._find_certain_owner(key) for key in keys)
        person = next((visitor for visitor in visitors if visitor and not visitor.has_user), None) or self._create()
        self._claim(user, person, event)
        anonymous_owner = self._find_owner((ANONYMOUS, user[1]))
        if anonymous_owner is not None and anonymous_owner is not person and anonymous_owner.has_user:
            # an alias linked this id to another user as an anonymous id, before it was known to be a user id
            self._report_two_users(user, person, anonymous_owner, event)
        return person

    def _find_visitor(
        self, anonymous: Key | None, keys: Sequence[Key], device: Key | None, event: IdentityEvent
    ) -> ResolvedPerson | None:
        """Return the person of the other identifiers, the strongest first.

        Several users can share a device. The device's owner is used if the event has no other identifier, or if the owner has no user id.
        """
        kind = keys[0][0] if keys else DEVICE
        for key in keys:
            owner = self._find_certain_owner(key)
            if owner is not None and (key is anonymous or not anonymous or owner.is_below_limit(ANONYMOUS)):
                return owner
        device_owner = self._find_owner(device) if device else None
        if not keys:
            return device_owner or (self._create() if device else None)
        if device_owner is not None and not device_owner.has_user and device_owner.is_below_limit(kind):
            return device_owner
        return self._create()

    def _link(self, person: ResolvedPerson, key: Key, event: IdentityEvent) -> ResolvedPerson:
        """Link an identifier to a person, merging its owner if allowed; return the resulting person."""
        owner = self._find_owner(key)
        if owner is person:
            if event.is_proof:
                self._prove(key, person)
            return person
        if owner is None:
            if self._make_room(key, person, event):
                self._claim(key, person, event)
            else:
                self._report_limit(key[0], person, event, [key])
            return person
        if event.is_trusted and self._find_certain_owner(key) is None:
            self._take_over(key, owner, person, event)
            return person
        if owner.has_user and person.has_user:
            self._report_two_users(key, owner, person, event)
        elif self._is_undone(owner, person):
            pair = sorted((owner.id or 0, person.id or 0))
            self._report(("undone", *pair), "undone", event, [key], [owner, person])
        elif kind := find_exceeded_limit(owner, person, can_evict=event.is_proof):
            self._report_limit(kind, person, event, [key])
        else:
            if event.is_proof:
                self._prove(key, owner)
            merged = self._merge(owner, person, event)
            for kind, limit in LIMITS.items():
                while merged.counts.get(kind, 0) > limit:
                    self._evict(kind, merged, event, key)
            return merged
        return person

    def _make_room(self, key: Key, person: ResolvedPerson, event: IdentityEvent) -> bool:
        """Return whether a person may have one more identifier, after evicting an unproven one if the event is proof."""
        if person.is_below_limit(key[0]):
            return True
        if not event.is_proof or person.unproven.get(key[0], 0) <= 0:
            return False
        self._evict(key[0], person, event, key)
        return True

    def _evict(self, kind: str, person: ResolvedPerson, event: IdentityEvent, key: Key) -> None:
        """Plan that a person's oldest unproven identifier of a type makes room for a new one, and report the limit."""
        person.count(kind, by=-1, is_proven=False)
        self.evictions.append(PlannedEviction(person, kind, event))
        self._report_limit(kind, person, event, [key])

    def _prove(self, key: Key, person: ResolvedPerson) -> None:
        """Mark an identifier as proven."""
        if key in self.unproven:
            self.unproven.discard(key)
            person.unproven[key[0]] = person.unproven.get(key[0], 0) - 1
            self.proofs.append(key)

    def _take_over(self, key: Key, owner: ResolvedPerson, person: ResolvedPerson, event: IdentityEvent) -> None:
        """Give an unproven address to the person whom a trusted event names; its owner keeps everything else."""
        if not self._make_room(key, person, event):
            self._report_limit(key[0], person, event, [key])
            return
        owner.count(key[0], by=-1, is_proven=False)
        person.count(key[0], is_proven=True)
        self.owners[key] = person
        self.unproven.discard(key)
        self.transfers.append(PlannedTransfer(key, person, event))

    def _merge(self, first: ResolvedPerson, second: ResolvedPerson, event: IdentityEvent) -> ResolvedPerson:
        """Merge two people: the one with a user id is kept, otherwise the older one."""
        kept, merged = sorted(
            (first, second), key=lambda person: (not person.has_user, person.id is None, person.id or 0)
        )
        merged.merged_into = kept
        for counts, more in ((kept.counts, merged.counts), (kept.unproven, merged.unproven)):
            for kind, count in more.items():
                counts[kind] = counts.get(kind, 0) + count
        times = [at for person in (first, second) for at in (person.first_at, person.last_at) if at is not None]
        if times:
            kept.first_at, kept.last_at = min(times), max(times)
        if kept.id is None:
            kept.id = merged.id
        elif merged.id is not None:
            self.planned_merges.append(PlannedMerge(merged, event))
        return kept

    def _claim(self, key: Key, person: ResolvedPerson, event: IdentityEvent) -> None:
        self.owners[key] = person
        is_proven = event.is_proof or key[0] == USER
        person.count(key[0], is_proven=is_proven)
        if not is_proven:
            self.unproven.add(key)
        self.claims.append(IdentifierClaim(*key, person, event))

    def _create(self) -> ResolvedPerson:
        person = ResolvedPerson()
        self.new.append(person)
        return person

    def _is_undone(self, first: ResolvedPerson, second: ResolvedPerson) -> bool:
        return any({follow_merges(kept), follow_merges(merged)} == {first, second} for kept, merged in self._undone)

    def _report_two_users(self, key: Key, owner: ResolvedPerson, person: ResolvedPerson, event: IdentityEvent) -> None:
        keys = [key, (USER, event.user_id)] if event.user_id else [key]
        self._report(("two_user_ids", *key), "two_user_ids", event, keys, [owner, person])

    def _report_limit(self, kind: str, person: ResolvedPerson, event: IdentityEvent, keys: list[Key]) -> None:
        self._report(("limit", kind, id(person)), "limit", event, keys, [person])

    def _report(
        self,
        conflict_key: tuple[Any, ...],
        reason: str,
        event: IdentityEvent,
        keys: list[Key],
        people: list[ResolvedPerson],
    ) -> None:
        self._has_conflict = True
        conflict = self.conflicts.get(conflict_key)
        if conflict is None:
            self.conflicts[conflict_key] = DetectedConflict(
                reason, event, keys, people, event.occurred_at, event.occurred_at
            )
            return
        conflict.first_at = min(conflict.first_at, event.occurred_at)
        conflict.last_at = max(conflict.last_at, event.occurred_at)
        if len(conflict.people) < MAX_LISTED:
            conflict.keys += [key for key in keys if key not in conflict.keys]
            conflict.people += [person for person in people if person not in conflict.people]


def find_exceeded_limit(first: ResolvedPerson, second: ResolvedPerson, *, can_evict: bool) -> str:
    """Return the identifier type whose limit two people would exceed together; empty if there is none.

    With ``can_evict``, unproven identifiers do not count.
    """
    for kind, limit in LIMITS.items():
        excess = first.counts.get(kind, 0) + second.counts.get(kind, 0) - limit
        evictable = first.unproven.get(kind, 0) + second.unproven.get(kind, 0) if can_evict else 0
        if excess > max(evictable, 0):
            return kind
    return ""
