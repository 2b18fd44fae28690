"""Keeps audiences of advertising accounts in line: members of the segment who allow sharing, nobody else."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import batched

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from config.foundation.circuit_breakers.breaker import CircuitBreaker
from config.foundation.database.advisory_locks import exclusive_lock
from customers.destinations.kinds.base import (
    AudienceChange,
    BatchRefusedError,
    DestinationError,
    DestinationKind,
    UnreachableError,
)
from customers.destinations.kinds.google import hash_person, list_user_identifiers
from customers.destinations.kinds.registry import DESTINATION_KINDS
from customers.destinations.models import AdAudienceMember, Destination
from customers.destinations.outbox.access import name_audience_lock, name_breaker, open_kind
from customers.destinations.outbox.sending import report_problem
from customers.destinations.outbox.sharing import RESTRICTED_SCOPES, find_sharing, list_purposes, read_people
from customers.identity.consent.restrictions import build_restricted_filter
from customers.identity.models import Customer
from customers.segments.conditions.consents import compile_effective_consent
from customers.segments.membership import query_members
from customers.segments.models import Segment

logger = logging.getLogger(__name__)

PEOPLE = 5_000  # of one request; the API takes 10,000
HAS_CONTACT = ~Q(email="", phone="")  # encrypted, but an empty text stays empty
LOCK_CUSTOMERS = """
SELECT id FROM identity_customer WHERE id = ANY(%s::bigint[]) AND erased_at IS NULL ORDER BY id FOR KEY SHARE
"""


def synchronize_audiences(*, at: datetime) -> int:
    """Add and remove people at every enabled destination with audiences; return how many changed."""
    kinds = [key for key, kind in DESTINATION_KINDS.items() if kind.has_audiences]
    changed = 0
    for destination in Destination.objects.filter(is_enabled=True, kind__in=kinds).order_by("pk"):
        breaker = CircuitBreaker(name_breaker(destination))
        if not breaker.allow():
            continue
        try:
            with open_kind(destination) as kind:
                lists = read_lists(destination)
                for list_id, segments in lists.items():
                    changed += synchronize_list(destination, kind, list_id, segments, at=at)
                changed += empty_former_lists(destination, kind, lists)
            breaker.record_success()
        except UnreachableError as error:
            breaker.record_failure(str(error))
        except (DestinationError, BatchRefusedError) as error:
            report_problem(destination, str(error), at=at)
    return changed


def read_lists(destination: Destination) -> dict[str, list[Segment]]:
    """Return the configured customer lists with their segments; several may share a list."""
    audience_ids = destination.options.get("audience_ids", {})
    lists: dict[str, list[Segment]] = {}
    for segment in Segment.objects.filter(pk__in=audience_ids).order_by("pk"):
        lists.setdefault(str(audience_ids[str(segment.pk)]), []).append(segment)
    return lists


def synchronize_list(
    destination: Destination, kind: DestinationKind, list_id: str, segments: Sequence[Segment], *, at: datetime
) -> int:
    """Remove customers who left the segments or withdrew the consent, then add those who are missing; return how many changed."""
    current = AdAudienceMember.objects.filter(destination=destination, list_id=list_id)
    present, confirmed = (
        rows.order_by().values_list("customer_id") for rows in (current, current.filter(is_confirmed=True))
    )
    wanted = {segment.pk: query_sharing(segment, type(kind), at=at) for segment in segments}
    changed = 0
    # the database compares, so that an audience that has not changed reads nobody, however many people are in it
    gone = present.difference(*(customers.values_list("pk") for customers in wanted.values()))
    for ids in batched(sorted(number for (number,) in gone), PEOPLE):
        changed += remove_people(destination, kind, list_id, ids)
    for segment_id, customers in wanted.items():
        missing = customers.filter(HAS_CONTACT).values_list("pk").difference(confirmed)
        for ids in batched(sorted(number for (number,) in missing), PEOPLE):
            changed += add_people(destination, kind, list_id, dict.fromkeys(ids, segment_id), at=at)
    return changed


def query_sharing(segment: Segment, kind: type[DestinationKind], *, at: datetime) -> QuerySet[Customer]:
    """Return the members of a segment who allow sharing, as `find_sharing` finds them among given customers."""
    allowed = [compile_effective_consent(purpose=purpose, as_of=at) for purpose in list_purposes(kind)]
    members = query_members(segment=segment, as_of=at).filter(
        ~build_restricted_filter(scopes=RESTRICTED_SCOPES), *allowed
    )
    return members.order_by()


def empty_former_lists(destination: Destination, kind: DestinationKind, lists: Collection[str]) -> int:
    """Remove everyone from the lists that are not configured any more; return how many.

    A list that the account refuses may be deleted there. It is no problem that anyone could fix in the settings.
    """
    members = AdAudienceMember.objects.filter(destination=destination).exclude(list_id__in=["", *lists])
    former: dict[str, list[int]] = {}
    for list_id, customer_id in members.order_by("customer_id").values_list("list_id", "customer_id"):
        former.setdefault(list_id, []).append(customer_id)
    removed = 0
    for list_id, customer_ids in former.items():
        try:
            for ids in batched(customer_ids, PEOPLE):
                removed += remove_people(destination, kind, list_id, ids)
        except (DestinationError, BatchRefusedError) as error:
            logger.warning("%s does not let people be removed from list %s: %s", destination, list_id, error)
    return removed


def remove_people(destination: Destination, kind: DestinationKind, list_id: str, ids: Sequence[int]) -> int:
    rows = list(AdAudienceMember.objects.filter(destination=destination, list_id=list_id, customer_id__in=ids))
    kind.remove_from_audience(AudienceChange(list_id, [json.loads(row.identifiers) for row in rows]))
    return AdAudienceMember.objects.filter(pk__in=[row.pk for row in rows]).delete()[0]


def add_people(
    destination: Destination, kind: DestinationKind, list_id: str, segment_ids: Mapping[int, int], *, at: datetime
) -> int:
    """Add people who have an email address or a phone number. They are stored before they are sent, so that they can always be removed again.

    segment_ids: customer to the segment that brings them into the list.
    """
    with exclusive_lock(name_audience_lock(destination.pk)):
        hashes = store_people(destination, kind, list_id, segment_ids, at=at)
        if not hashes:
            return 0
        kind.add_to_audience(AudienceChange(list_id, list(hashes.values())))
        AdAudienceMember.objects.filter(destination=destination, list_id=list_id, customer_id__in=hashes).update(
            is_confirmed=True
        )
    return len(hashes)


def store_people(
    destination: Destination, kind: DestinationKind, list_id: str, segment_ids: Mapping[int, int], *, at: datetime
) -> dict[int, dict[str, list[str]]]:
    """Store whom a request will add; return their hashed identifiers by customer.

    An erasure either happens before, and its customer is left out, or waits and then finds the row: then it is passed on.
    """
    with transaction.atomic():
        ids = lock_customers(segment_ids)
        people = read_people(find_sharing(ids, type(kind)))
        hashes = {pk: hash_person(person) for pk, person in people.items()}
        hashes = {pk: person for pk, person in hashes.items() if list_user_identifiers(person)}
        rows = [
            AdAudienceMember(
                destination=destination,
                segment_id=segment_ids[pk],
                list_id=list_id,
                customer_id=pk,
                identifiers=json.dumps(person),
                added_at=at,
            )
            for pk, person in hashes.items()
        ]
        AdAudienceMember.objects.bulk_create(rows, ignore_conflicts=True)
    return hashes


def lock_customers(customer_ids: Collection[int]) -> list[int]:
    """Keep customers from being erased or deleted until the transaction ends, but not from being changed; return those who exist."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_CUSTOMERS, [list(customer_ids)])
        return [number for (number,) in cursor.fetchall()]
