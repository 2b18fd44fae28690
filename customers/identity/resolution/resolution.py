"""Who is behind each event: one person for all the identifiers that events say are one, and no more than they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection, transaction

from customers.identity.consent.consent_denials import rewrite_refusals
from customers.identity.locking import lock_identities
from customers.identity.merging.merge import merge_customers
from customers.identity.resolution.conflicts import record_conflicts
from customers.identity.resolution.resolution_rules import (
    ANONYMOUS,
    DEVICE,
    EMAIL,
    PHONE,
    USER,
    Claim,
    Gathering,
    Hashes,
    Key,
    Person,
    Trace,
    person_of,
)
from customers.identity.trait_updates import Telling, tell_customers
from customers.identity.traits import read_facts

__all__ = ["LinkingRaceError", "Resolution", "Trace", "resolve_people"]

MOST_TRIES = 20  # another writer would have to make one of the same people at the very moment each time

# rows and ids go as one text each: psycopg would quote every element by itself
OWNERS = """
SELECT i.kind, i.value, i.customer_id
FROM json_array_elements(%s::json) AS asked
JOIN identity_identifier i ON i.kind = asked ->> 0 AND i.value = asked ->> 1
"""
COUNTS = """
SELECT customer_id, kind, count(*) FROM identity_identifier WHERE customer_id = ANY(%s::bigint[])
GROUP BY customer_id, kind
"""
ERASED = "SELECT id FROM identity_customer WHERE id = ANY(%s::bigint[]) AND erased_at IS NOT NULL"
UNDONE = """
SELECT kept_id, folded_id FROM identity_identitymerge
WHERE folded_id = ANY(%(ids)s::bigint[]) AND kept_id = ANY(%(ids)s::bigint[]) AND reverted_at IS NOT NULL
"""
NEXT_IDS = "SELECT nextval(pg_get_serial_sequence('identity_customer', 'id')) FROM generate_series(1, %s)"
MAKE_CUSTOMERS = """
INSERT INTO identity_customer
    (id, created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language, country, traits)
SELECT id, %s, first_at, last_at, '', '', '', '', '', '', '{}'
FROM json_to_recordset(%s) AS row (id bigint, first_at timestamptz, last_at timestamptz)
"""
# in the order in which the other writers claim theirs: two that claim the same wait for each other once, not in a circle
CLAIM = """
INSERT INTO identity_identifier (kind, value, customer_id, created_at, linked_by)
SELECT kind, value, customer_id, created_at, linked_by
FROM json_to_recordset(%s) AS row (kind text, value text, customer_id bigint, created_at timestamptz, linked_by text)
ORDER BY kind, value COLLATE "C"
ON CONFLICT (kind, value) DO NOTHING
RETURNING kind, value
"""
RELEASE = """
DELETE FROM identity_identifier i
USING json_array_elements(%s::json) AS gone
WHERE i.kind = gone ->> 0 AND i.value = gone ->> 1
"""
WIDEN_SEEN = """
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


class LinkingRaceError(Exception):
    """Other writers were first again and again; the transaction is to be begun anew."""

    def __init__(self) -> None:
        super().__init__(f"Other writers claimed identifiers first {MOST_TRIES} times in a row; begin anew.")


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who is behind each trace, and what became known by them."""

    customer_ids: list[int | None]  # aligned with the traces; None where no id says who it is, or the person was erased
    created: list[int]
    merges: list[tuple[int, int]]  # (kept, folded)
    conflicts: list[int]  # the IdentityConflict rows that these traces gave cause to


def resolve_people(*, traces: Sequence[Trace], at: datetime) -> Resolution:
    """Finds or makes the customer of each trace, links what belongs together, and lets identify calls tell who they are.

    Given again, the same traces change nothing, short of a limit that was reached. Customers that turn out to be one are
    merged at once.

    Args:
        traces: in the order in which they happened.
        at: now.

    Raises:
        LinkingRaceError: after too many others were first.
    """
    with transaction.atomic():
        lock_identities()
        return follow_traces(traces, at)


def follow_traces(traces: Sequence[Trace], at: datetime) -> Resolution:
    hashes = Hashes()
    created: set[int] = set()
    linked: set[int] = set()
    for _attempt in range(MOST_TRIES):
        gathering = gather(traces, hashes)
        met = [gathering.follow(trace) for trace in traces]
        new = make_customers([person for person in gathering.new if person.id is None and person.same_as is None], at)
        created |= new
        lost = claim_identifiers(gathering.claims, at)
        linked |= {id_of(claim.person) for claim in gathering.claims}
        if not lost:
            break
        # who has won all theirs is known the next time; who has not is begun anew, with what the other writer made
        created -= release(gathering.claims, lost, new)
    else:
        raise LinkingRaceError
    people = [None if person is None else person_of(person) for person in met]
    merges = fold(gathering, at)
    tell_customers(told=tellings(traces, people, gathering, hashes, at))
    widen_seen({id(person): person for person in people if person is not None and person.id not in new}.values())
    rewrite_refusals(customer_ids=linked - created)
    return Resolution(
        customer_ids=[None if person is None else person.id for person in people],
        created=sorted(created - {folded for _kept, folded in merges}),
        merges=merges,
        conflicts=record_conflicts(doubts=gathering.doubts.values()),
    )


def id_of(person: Person) -> int:
    customer_id = person_of(person).id
    assert customer_id is not None  # customers were made for all who had none
    return customer_id


def gather(traces: Sequence[Trace], hashes: Hashes) -> Gathering:
    """The rules, and what is known about the identifiers of the traces."""
    identifiers = owners_of(values_of(traces, hashes))
    strangers = {trace.user_id for trace in traces if trace.user_id} - {
        value for kind, value in identifiers if kind == USER
    }
    if strangers:
        identifiers |= owners_of({ANONYMOUS: strangers})
    people = read_people(set(identifiers.values()))
    with connection.cursor() as cursor:
        cursor.execute(UNDONE, {"ids": id_array(people)})
        undone = [(people[kept], people[folded]) for kept, folded in cursor.fetchall()]
    owners = {key: people[customer_id] for key, customer_id in identifiers.items()}
    return Gathering(owners=owners, undone=undone, hashes=hashes)


def values_of(traces: Sequence[Trace], hashes: Hashes) -> dict[str, set[str]]:
    previous = {trace.previous_id for trace in traces if trace.type == "alias"}
    told = [trace for trace in traces if trace.type == "identify"]
    return {
        USER: {trace.user_id for trace in traces} | previous,
        ANONYMOUS: {trace.anonymous_id for trace in traces} | previous,
        DEVICE: {trace.device_id for trace in traces},
        EMAIL: {hashes.of_email(trace.email) for trace in told},
        PHONE: {hashes.of_phone(trace.phone) for trace in told},
    }


def owners_of(values: dict[str, set[str]]) -> dict[Key, int]:
    asked = [(kind, value) for kind, some in values.items() for value in some if value]
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(OWNERS, [as_json(asked)])
        return {(kind, value): customer_id for kind, value, customer_id in cursor.fetchall()}


def read_people(ids: set[int]) -> dict[int, Person]:
    people = {customer_id: Person(id=customer_id) for customer_id in ids}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [id_array(ids)])
        for customer_id, kind, count in cursor.fetchall():
            people[customer_id].counts[kind] = count
        cursor.execute(ERASED, [id_array(ids)])
        for (customer_id,) in cursor.fetchall():
            people[customer_id].is_erased = True
    return people


def make_customers(people: Sequence[Person], at: datetime) -> set[int]:
    if not people:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(NEXT_IDS, [len(people)])
        ids = [customer_id for (customer_id,) in cursor.fetchall()]
        for person, customer_id in zip(people, ids, strict=True):
            person.id = customer_id
        cursor.execute(MAKE_CUSTOMERS, [at, seen_rows(people)])
    return set(ids)


def seen_rows(people: Iterable[Person]) -> str:
    return as_json([{"id": person.id, "first_at": person.first_at, "last_at": person.last_at} for person in people])


def as_json(rows: Any) -> str:
    return msgspec.json.encode(rows).decode()


def id_array(ids: Iterable[int]) -> str:
    return f"{{{','.join(map(str, ids))}}}"


def claim_identifiers(claims: Sequence[Claim], at: datetime) -> list[Claim]:
    """Those that another writer claimed first."""
    if not claims:
        return []
    rows = [
        {
            "kind": claim.kind,
            "value": claim.value,
            "customer_id": id_of(claim.person),
            "created_at": min(claim.trace.occurred_at, at),
            "linked_by": claim.trace.message_id[:100],
        }
        for claim in claims
    ]
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [as_json(rows)])
        won = set(cursor.fetchall())
    return [claim for claim in claims if (claim.kind, claim.value) not in won]


def release(claims: Sequence[Claim], lost: Sequence[Claim], new: set[int]) -> set[int]:
    """Takes back all claims of the people who lost one, and their customers if these are new; the customers' ids."""
    losers = {id_of(claim.person) for claim in lost}
    others = {(claim.kind, claim.value) for claim in lost}
    theirs = [(one.kind, one.value) for one in claims if id_of(one.person) in losers]
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [as_json([key for key in theirs if key not in others])])
        cursor.execute("DELETE FROM identity_customer WHERE id = ANY(%s)", [list(losers & new)])
    return losers & new


def fold(gathering: Gathering, at: datetime) -> list[tuple[int, int]]:
    """Merges the customers who turned out to be one."""
    pairs, causes = [], []
    for folded, trace in gathering.folds:
        assert folded.id is not None
        pairs.append((id_of(folded), folded.id))
        causes.append(trace.message_id[:100])
    if pairs:
        merge_customers(pairs=pairs, at=at, causes=causes)
    return pairs


def tellings(
    traces: Sequence[Trace], people: Sequence[Person | None], gathering: Gathering, hashes: Hashes, at: datetime
) -> list[Telling]:
    """What the identify calls tell of whom; an address or number only where it is that person's."""
    found = []
    for trace, person in zip(traces, people, strict=True):
        if trace.type != "identify" or person is None:
            continue
        facts = read_facts(trace.traits, at=at)
        for name, kind, text, digest in (
            ("email", EMAIL, trace.email, hashes.of_email(trace.email)),
            ("phone", PHONE, trace.phone, hashes.of_phone(trace.phone)),
        ):
            owner = gathering.owners.get((kind, digest)) if digest else None
            if owner is not None and person_of(owner) is person:
                facts.fields[name] = text.strip()
        if facts.fields or facts.traits:
            found.append(Telling(id_of(person), trace.occurred_at, facts))
    return found


def widen_seen(people: Iterable[Person]) -> None:
    rows = list(people)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(WIDEN_SEEN, [seen_rows(rows)])
