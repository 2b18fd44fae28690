"""Keeps audiences of advertising accounts in line: members of the segment who allow sharing, nobody else."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import batched

from config.foundation.circuit_breakers.breaker import CircuitBreaker
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
from customers.destinations.outbox.access import name_breaker, open_kind
from customers.destinations.outbox.sending import report_problem
from customers.destinations.outbox.sharing import find_sharing, read_people
from customers.segments.membership import query_members
from customers.segments.models import Segment

logger = logging.getLogger(__name__)

PEOPLE = 5_000  # of one request; the API takes 10,000


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
                for segment in Segment.objects.filter(pk__in=destination.options.get("audience_ids", {})):
                    changed += synchronize_audience(destination, kind, segment, at=at)
            breaker.record_success()
        except UnreachableError as error:
            breaker.record_failure(str(error))
        except (DestinationError, BatchRefusedError) as error:
            report_problem(destination, str(error), at=at)
    return changed


def synchronize_audience(destination: Destination, kind: DestinationKind, segment: Segment, *, at: datetime) -> int:
    """Remove customers who left the segment or withdrew the consent, then add those who are missing; return how many changed."""
    members = set(query_members(segment=segment, as_of=at).values_list("pk", flat=True))
    wanted: set[int] = set()
    for ids in batched(sorted(members), PEOPLE):
        wanted |= find_sharing(ids, type(kind))
    current = AdAudienceMember.objects.filter(destination=destination, segment=segment)
    present = set(current.values_list("customer_id", flat=True))
    confirmed = set(current.filter(is_confirmed=True).values_list("customer_id", flat=True))
    changed = 0
    for ids in batched(sorted(present - wanted), PEOPLE):
        changed += remove_people(destination, kind, segment, ids)
    for ids in batched(sorted(wanted - confirmed), PEOPLE):
        changed += add_people(destination, kind, segment, ids, at=at)
    return changed


def remove_people(destination: Destination, kind: DestinationKind, segment: Segment, ids: Sequence[int]) -> int:
    rows = list(AdAudienceMember.objects.filter(destination=destination, segment=segment, customer_id__in=ids))
    kind.remove_from_audience(AudienceChange(segment.pk, [json.loads(row.identifiers) for row in rows]))
    return AdAudienceMember.objects.filter(pk__in=[row.pk for row in rows]).delete()[0]


def add_people(
    destination: Destination, kind: DestinationKind, segment: Segment, ids: Sequence[int], *, at: datetime
) -> int:
    """Add people who have an email address or a phone number. They are stored before they are sent, so that they can always be removed again."""
    hashes = {pk: hash_person(person) for pk, person in read_people(ids).items()}
    hashes = {pk: person for pk, person in hashes.items() if list_user_identifiers(person)}
    if not hashes:
        return 0
    rows = [
        AdAudienceMember(
            destination=destination, segment=segment, customer_id=pk, identifiers=json.dumps(person), added_at=at
        )
        for pk, person in hashes.items()
    ]
    AdAudienceMember.objects.bulk_create(rows, ignore_conflicts=True)
    kind.add_to_audience(AudienceChange(segment.pk, list(hashes.values())))
    AdAudienceMember.objects.filter(destination=destination, segment=segment, customer_id__in=hashes).update(
        is_confirmed=True
    )
    return len(rows)
