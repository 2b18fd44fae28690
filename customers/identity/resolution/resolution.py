"""Identity resolution: finds or creates the customer behind each event and links identifiers that belong together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection, transaction

from config.foundation.database.array_parameters import format_bigint_list
from customers.identity.consent.consent_denials import must_ask_strangers, refresh_consent_denials
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.erased.blocked_identifiers import find_blocked_keys
from customers.identity.locking import lock_identities
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.transfers import Eviction, ProvenClaim, evict_oldest, transfer_claimed
from customers.identity.personal_data.hashing import adopt_addresses
from customers.identity.personal_data.wechat_ids import OPENID, UNIONID, get_wechat_kind, list_wechat_ids
from customers.identity.resolution.conflicts import record_conflicts
from customers.identity.resolution.contact_claims import confirm_contact_claims, record_contact_claims
from customers.identity.resolution.resolution_rules import (
    ANONYMOUS,
    DEVICE,
    EMAIL,
    PHONE,
    USER,
    IdentifierClaim,
    IdentifierHasher,
    IdentityEvent,
    IdentityResolver,
    Key,
    ResolvedPerson,
    follow_merges,
)
from customers.identity.trait_updates import TraitUpdate, apply_trait_updates
from customers.identity.traits import read_identify_traits

__all__ = ["IdentityEvent", "ResolutionRaceError", "ResolutionResult", "resolve_people"]

MAX_ATTEMPTS = 20  # each failed attempt needs another writer that creates one of the same people at the same moment

# rows and ids are passed as one text each: psycopg would quote every element separately
FIND_OWNERS = """
SELECT i.kind, i.value, i.customer_id, i.is_proven
FROM json_array_elements(%s::json) AS key
JOIN identity_identifier i ON i.kind = key ->> 0 AND i.value = key ->> 1
"""
COUNT_IDENTIFIERS = """
SELECT customer_id, kind, count(*), count(*) FILTER (WHERE NOT is_proven) FROM identity_identifier WHERE customer_id = ANY(%s::bigint[])
GROUP BY customer_id, kind
"""
FIND_ERASED = "SELECT id FROM identity_customer WHERE id = ANY(%s::bigint[]) AND erased_at IS NOT NULL"
# The customer who was restored may have been merged into someone else since: the decision then applies to that one.
FIND_UNDONE_MERGES = """
SELECT undone.kept_id, coalesce(later.kept_id, undone.merged_id) FROM identity_identitymerge undone
LEFT JOIN identity_identitymerge later ON later.merged_id = undone.merged_id AND later.reverted_at IS NULL
WHERE undone.kept_id = ANY(%(ids)s::bigint[]) AND undone.reverted_at IS NOT NULL
  AND coalesce(later.kept_id, undone.merged_id) = ANY(%(ids)s::bigint[])
"""
RESERVE_IDS = "SELECT nextval(pg_get_serial_sequence('identity_customer', 'id')) FROM generate_series(1, %s)"
INSERT_CUSTOMERS = """
INSERT INTO identity_customer
    (id, created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language, country, traits)
SELECT id, %s, first_at, last_at, '', '', '', '', '', '', '{}'
FROM json_to_recordset(%s) AS row (id bigint, first_at timestamptz, last_at timestamptz)
"""
# all writers claim identifiers in the same order: two that claim the same ones wait for each other instead of deadlocking
CLAIM_IDENTIFIERS = """
INSERT INTO identity_identifier (kind, value, customer_id, created_at, linked_by, is_proven)
SELECT kind, value, customer_id, created_at, linked_by, is_proven
FROM json_to_recordset(%s) AS row (
    kind text, value text, customer_id bigint, created_at timestamptz, linked_by text, is_proven boolean
)
ORDER BY kind, value COLLATE "C"
ON CONFLICT (kind, value) DO NOTHING
RETURNING kind, value
"""
PROVE_IDENTIFIERS = """
UPDATE identity_identifier i SET is_proven = true
FROM json_array_elements(%s::json) AS key
WHERE i.kind = key ->> 0 AND i.value = key ->> 1
"""
RELEASE_IDENTIFIERS = """
DELETE FROM identity_identifier i
USING json_array_elements(%s::json) AS key
WHERE i.kind = key ->> 0 AND i.value = key ->> 1
"""
# The subquery locks the customers in the order of their ids before the update, whose own order depends on its plan. All writers
# lock in this order, so that they cannot deadlock. Customers whose times do not change get no new row version.
WIDEN_SEEN_TIMES = """
UPDATE identity_customer AS customer
SET first_seen_at = LEAST(customer.first_seen_at, seen.first_at),
    last_seen_at = GREATEST(customer.last_seen_at, seen.last_at)
FROM (
    SELECT row.* FROM json_to_recordset(%s) AS row (id bigint, first_at timestamptz, last_at timestamptz)
    JOIN identity_customer AS locked USING (id) ORDER BY id FOR NO KEY UPDATE OF locked
) AS seen
WHERE customer.id = seen.id
  AND (customer.first_seen_at IS NULL OR customer.last_seen_at IS NULL
       OR customer.first_seen_at > seen.first_at OR customer.last_seen_at < seen.last_at)
"""


class ResolutionRaceError(Exception):
    """Other writers claimed the identifiers first too many times; the transaction has to be retried."""

    def __init__(self) -> None:
        super().__init__(
            f"Other writers claimed identifiers first {MAX_ATTEMPTS} times in a row; retry the transaction."
        )


@dataclass(frozen=True, slots=True)
class ResolutionResult:
    """The customers behind a list of events, and what changed."""

    customer_ids: list[int | None]  # aligned with the events; None if no id is usable or the customer was erased
    created: list[int]
    merges: list[tuple[int, int]]  # (kept, merged)
    conflicts: list[int]  # ids of the IdentityConflict rows that the events caused


def resolve_people(*, events: Sequence[IdentityEvent], at: datetime) -> ResolutionResult:
    """Find or create the customer of each event, link identifiers, and apply the traits of identify calls.

    Customers that turn out to be one person are merged. Repeating the same events changes nothing, except after a limit on
    identifiers was reached.

    Args:
        events: in order of occurrence.
        at: now.

    Raises:
        ResolutionRaceError: other writers were first too many times.
    """
    with transaction.atomic():
        lock_identities()
        return resolve_in_transaction(events, at)


def resolve_in_transaction(events: Sequence[IdentityEvent], at: datetime) -> ResolutionResult:
    """Resolve events while holding the identity lock."""
    hasher = IdentifierHasher()
    created: set[int] = set()
    linked: set[int] = set()
    for _attempt in range(MAX_ATTEMPTS):
        resolver = load_resolver(events, hasher)
        resolved = [resolver.resolve(event) for event in events]
        unknown = [person for person in resolver.new if person.id is None and person.merged_into is None]
        new = create_customers(unknown, at)
        created |= new
        lost = claim_identifiers(resolver.claims, at)
        linked |= {get_customer_id(claim.person) for claim in resolver.claims}
        if not lost:
            break
        # The next attempt finds the people whose claims all succeeded. The others are resolved again, now with the customers
        # that the other writer created.
        created -= release_claims(resolver.claims, lost, new)
    else:
        raise ResolutionRaceError
    people = [None if person is None else follow_merges(person) for person in resolved]
    prove_identifiers(resolver)
    merges = merge_resolved(resolver, at)
    transfer_resolved(resolver, at)
    apply_trait_updates(updates=build_trait_updates(events, people, resolver, hasher, at))
    widen_seen_times({id(person): person for person in people if person is not None and person.id not in new}.values())
    record_contact_claims(events=events, hasher=hasher, at=at)
    customer_ids = [None if person is None else person.id for person in people]
    confirm_contact_claims(events=events, customer_ids=customer_ids, hasher=hasher, at=at)
    refresh_consent_denials(customer_ids=linked if must_ask_strangers() else linked - created)
    return ResolutionResult(
        customer_ids=customer_ids,
        created=sorted(created - {merged for _kept, merged in merges}),
        merges=merges,
        conflicts=record_conflicts(detected=resolver.conflicts.values()),
    )


def get_customer_id(person: ResolvedPerson) -> int:
    """Return the customer id of a person after all merges."""
    customer_id = follow_merges(person).id
    assert customer_id is not None  # customers were created for all people without one
    return customer_id


def load_resolver(events: Sequence[IdentityEvent], hasher: IdentifierHasher) -> IdentityResolver:
    """Return a resolver that knows the stored identifiers of the events."""
    named = collect_identifiers(events, hasher)
    identifiers = find_owners(named)
    # a user id that is unknown may be known as an anonymous id, if an alias named it before
    unknown = {event.user_id for event in events if event.user_id} - {
        value for kind, value in identifiers if kind == USER
    }
    if unknown:
        identifiers |= find_owners({ANONYMOUS: unknown})
    people = load_people({customer_id for customer_id, _is_proven in identifiers.values()})
    with connection.cursor() as cursor:
        cursor.execute(FIND_UNDONE_MERGES, {"ids": format_bigint_list(people)})
        undone = [(people[kept], people[merged]) for kept, merged in cursor.fetchall()]
    owners = {key: people[customer_id] for key, (customer_id, _is_proven) in identifiers.items()}
    blocked = find_blocked_keys((kind, value) for kind, values in named.items() for value in values if value)
    owners |= {key: ResolvedPerson(is_erased=True) for key in blocked}
    unproven = [key for key, (_customer_id, is_proven) in identifiers.items() if not is_proven]
    return IdentityResolver(owners=owners, undone=undone, hasher=hasher, unproven=unproven)


def collect_identifiers(events: Sequence[IdentityEvent], hasher: IdentifierHasher) -> dict[str, set[str]]:
    """Return all identifiers of the events by type."""
    previous = {event.previous_id for event in events if event.type == "alias"}
    identifies = [event for event in events if event.type == "identify"]
    wechat_ids = {key for event in identifies for key in event.wechat_ids}
    adopt_addresses(
        emails=[event.email for event in identifies],
        phones=[event.phone for event in identifies],
        wechat_ids=[text for _kind, text in wechat_ids],
    )
    return {
        USER: {event.user_id for event in events} | previous,
        ANONYMOUS: {event.anonymous_id for event in events} | previous,
        DEVICE: {event.device_id for event in events},
        EMAIL: {hasher.hash_email(event.email) for event in identifies},
        PHONE: {hasher.hash_phone(event.phone) for event in identifies},
        **{name: {hasher.hash(name, text) for kind, text in wechat_ids if kind == name} for name in (OPENID, UNIONID)},
    }


def find_owners(values: dict[str, set[str]]) -> dict[Key, tuple[int, bool]]:
    """Return the customer id of each known identifier, and whether it is proven."""
    keys = [(kind, value) for kind, kind_values in values.items() for value in kind_values if value]
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_OWNERS, [encode_json(keys)])
        return {(kind, value): (customer_id, is_proven) for kind, value, customer_id, is_proven in cursor.fetchall()}


def load_people(ids: set[int]) -> dict[int, ResolvedPerson]:
    """Return stored customers as people, with the number of their identifiers by type."""
    people = {customer_id: ResolvedPerson(id=customer_id) for customer_id in ids}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_IDENTIFIERS, [format_bigint_list(ids)])
        for customer_id, kind, count, unproven in cursor.fetchall():
            people[customer_id].counts[kind] = count
            people[customer_id].unproven[kind] = unproven
        cursor.execute(FIND_ERASED, [format_bigint_list(ids)])
        for (customer_id,) in cursor.fetchall():
            people[customer_id].is_erased = True
    return people


def create_customers(people: Sequence[ResolvedPerson], at: datetime) -> set[int]:
    """Insert a customer for each new person; return their ids."""
    if not people:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(RESERVE_IDS, [len(people)])
        ids = [customer_id for (customer_id,) in cursor.fetchall()]
        for person, customer_id in zip(people, ids, strict=True):
            person.id = customer_id
        cursor.execute(INSERT_CUSTOMERS, [at, encode_seen_times(people)])
    return set(ids)


def encode_seen_times(people: Iterable[ResolvedPerson]) -> str:
    """Return the times at which people were seen, as JSON."""
    return encode_json([{"id": person.id, "first_at": person.first_at, "last_at": person.last_at} for person in people])


def encode_json(rows: Any) -> str:
    """Return rows as JSON text."""
    return msgspec.json.encode(rows).decode()


def claim_identifiers(claims: Sequence[IdentifierClaim], at: datetime) -> list[IdentifierClaim]:
    """Insert identifiers; return the claims that lost to another writer."""
    if not claims:
        return []
    rows = [
        {
            "kind": claim.kind,
            "value": claim.value,
            "customer_id": get_customer_id(claim.person),
            "created_at": min(claim.event.occurred_at, at),
            "linked_by": claim.event.message_id[:100],
            "is_proven": claim.event.is_proof or claim.kind == USER,
        }
        for claim in claims
    ]
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_IDENTIFIERS, [encode_json(rows)])
        inserted = set(cursor.fetchall())
    return [claim for claim in claims if (claim.kind, claim.value) not in inserted]


def release_claims(claims: Sequence[IdentifierClaim], lost: Sequence[IdentifierClaim], new: set[int]) -> set[int]:
    """Delete all claims of people who lost one, and their customers if these are new; return the deleted customers' ids."""
    losing_ids = {get_customer_id(claim.person) for claim in lost}
    lost_keys = {(claim.kind, claim.value) for claim in lost}
    keys = [(claim.kind, claim.value) for claim in claims if get_customer_id(claim.person) in losing_ids]
    with connection.cursor() as cursor:
        cursor.execute(RELEASE_IDENTIFIERS, [encode_json([key for key in keys if key not in lost_keys])])
        cursor.execute("DELETE FROM identity_customer WHERE id = ANY(%s)", [list(losing_ids & new)])
    return losing_ids & new


def merge_resolved(resolver: IdentityResolver, at: datetime) -> list[tuple[int, int]]:
    """Merge the stored customers that turned out to be one person; return (kept, merged) pairs."""
    pairs, causes = [], []
    for merged, event in resolver.planned_merges:
        assert merged.id is not None
        pairs.append((get_customer_id(merged), merged.id))
        causes.append(event.message_id[:100])
    if pairs:
        merge_customers(pairs=pairs, at=at, causes=causes)
    return pairs


def prove_identifiers(resolver: IdentityResolver) -> None:
    """Mark the identifiers as proven that a trusted source or a verified event has named for their person."""
    if resolver.proofs:
        with connection.cursor() as cursor:
            cursor.execute(PROVE_IDENTIFIERS, [encode_json(sorted(resolver.proofs))])


def transfer_resolved(resolver: IdentityResolver, at: datetime) -> None:
    """Transfer the addresses that trusted events name for other customers, and evict the identifiers above the limits."""
    if resolver.transfers:
        transfer_claimed(
            claims=[
                ProvenClaim(*key, get_customer_id(person), event.message_id)
                for key, person, event in resolver.transfers
            ],
            at=at,
        )
    if resolver.evictions:
        evict_oldest(
            evictions=[
                Eviction(get_customer_id(person), kind, event.message_id) for person, kind, event in resolver.evictions
            ],
            at=at,
        )


def build_trait_updates(
    events: Sequence[IdentityEvent],
    people: Sequence[ResolvedPerson | None],
    resolver: IdentityResolver,
    hasher: IdentifierHasher,
    at: datetime,
) -> list[TraitUpdate]:
    """Return the traits of identify calls by customer.

    An email address or phone number is included only if it belongs to that customer. Personal fields of events that are not
    trusted are left out.
    """
    updates = []
    for event, person in zip(events, people, strict=True):
        if event.type != "identify" or person is None:
            continue
        traits = read_identify_traits(event.traits, at=at)
        if not event.is_trusted:
            for name in PERSONAL_FIELDS:
                traits.fields.pop(name, None)
        for name, kind, text, digest in (
            ("email", EMAIL, event.email, hasher.hash_email(event.email)),
            ("phone", PHONE, event.phone, hasher.hash_phone(event.phone)),
        ):
            owner = resolver.owners.get((kind, digest)) if digest else None
            if owner is not None and follow_merges(owner) is person:
                traits.fields[name] = text.strip()
        keep_own_wechat_ids(traits.traits, event, person, resolver, hasher)
        if traits.fields or traits.traits:
            is_trusted = event.is_trusted
            updates.append(TraitUpdate(get_customer_id(person), event.occurred_at, traits, is_trusted))
    return updates


def keep_own_wechat_ids(
    traits: dict[str, Any],
    event: IdentityEvent,
    person: ResolvedPerson,
    resolver: IdentityResolver,
    hasher: IdentifierHasher,
) -> None:
    """Remove openids and unionids from traits unless a trusted event names them and they are the person's own; claims are kept elsewhere."""
    for name in [name for name in traits if get_wechat_kind(name)]:
        ids = list_wechat_ids({name: traits[name]})
        owners = {text: resolver.owners.get((kind, hasher.hash(kind, text))) for kind, text in ids}
        own = [text for text, owner in owners.items() if event.is_trusted and owner and follow_merges(owner) is person]
        if own:
            traits[name] = own if isinstance(traits[name], list) else own[0]
        elif ids:
            del traits[name]


def widen_seen_times(people: Iterable[ResolvedPerson]) -> None:
    """Extend the times at which known customers were first and last seen."""
    rows = list(people)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(WIDEN_SEEN_TIMES, [encode_seen_times(rows)])
