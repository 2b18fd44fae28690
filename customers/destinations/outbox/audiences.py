"""Keeps audiences of advertising accounts in line: members of the segment who allow sharing, nobody else."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
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
    wanted: dict[int, int] = {}  # customer to segment
    for segment in segments:
        members = set(query_members(segment=segment, as_of=at).values_list("pk", flat=True)) - wanted.keys()
        for ids in batched(sorted(members), PEOPLE):
            wanted |= dict.fromkeys(find_sharing(ids, type(kind)), segment.pk)
    current = AdAudienceMember.objects.filter(destination=destination, list_id=list_id)
    present = set(current.values_list("customer_id", flat=True))
    confirmed = set(current.filter(is_confirmed=True).values_list("customer_id", flat=True))
    changed = 0
    for ids in batched(sorted(present - wanted.keys()), PEOPLE):
        changed += remove_people(destination, kind, list_id, ids)
    for ids in batched(sorted(wanted.keys() - confirmed), PEOPLE):
        changed += add_people(destination, kind, list_id, {pk: wanted[pk] for pk in ids}, at=at)
    return changed


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
    hashes = {pk: hash_person(person) for pk, person in read_people(segment_ids).items()}
    hashes = {pk: person for pk, person in hashes.items() if list_user_identifiers(person)}
    if not hashes:
        return 0
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
    kind.add_to_audience(AudienceChange(list_id, list(hashes.values())))
    AdAudienceMember.objects.filter(destination=destination, list_id=list_id, customer_id__in=hashes).update(
        is_confirmed=True
    )
    return len(rows)
