"""Passes erasures on: to every destination that has received something of the customer."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.circuit_breakers.breaker import CircuitBreaker
from config.foundation.database.advisory_locks import is_locked
from customers.destinations.kinds.base import BatchRefusedError, DestinationError, UnreachableError
from customers.destinations.models import AdAudienceMember, Destination, OutgoingRecord, RemovalRequest
from customers.destinations.outbox.access import name_audience_lock, name_breaker, open_kind
from customers.destinations.outbox.sharing import read_people
from customers.identity.models import IdentityMerge

RemovalStatus, RecordStatus = RemovalRequest.Status, OutgoingRecord.Status
# A request whose answer did not arrive, or whose process was killed, may have reached the destination.
POSSIBLY_RECEIVED = Q(status=RecordStatus.SENT) | Q(
    status__in=(RecordStatus.WAITING, RecordStatus.DEAD), batch__isnull=False
)
FIRST_PAUSE, LAST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
REMOVED_AT_ONCE = 50


def queue_removals(*, customer_id: int, at: datetime | None = None, **_kwargs: Any) -> None:
    """Store what each destination that may have data of the customer needs to remove the person, and delete the rest."""
    merged = IdentityMerge.objects.filter(kept=customer_id, reverted_at=None).values_list("merged_id", flat=True)
    ids = [customer_id, *merged]
    members = list(AdAudienceMember.objects.filter(customer_id__in=ids))
    received = OutgoingRecord.objects.filter(POSSIBLY_RECEIVED, customer_id__in=ids)
    known = set(received.values_list("destination_id", flat=True)) | {member.destination_id for member in members}
    user_id = next((person.user_id for person in read_people([customer_id]).values()), "")
    now = at or timezone.now()
    RemovalRequest.objects.bulk_create(
        RemovalRequest(
            destination=destination,
            requested_at=now,
            next_attempt_at=now,
            content=json.dumps(
                {
                    "customer_id": customer_id,
                    "customer_ids": ids,
                    "user_id": user_id,
                    "is_being_added": any(
                        member.destination_id == destination.pk and not member.is_confirmed for member in members
                    ),
                    "lists": [
                        [member.list_id, json.loads(member.identifiers)]
                        for member in members
                        if member.destination_id == destination.pk
                    ],
                }
            ),
        )
        for destination in Destination.objects.filter(pk__in=known)
    )
    AdAudienceMember.objects.filter(pk__in=[member.pk for member in members]).delete()
    OutgoingRecord.objects.filter(customer_id__in=ids).delete()


def send_removals(*, at: datetime) -> int:
    """Pass on the erasures that are due, also to disabled destinations; return how many are finished."""
    finished = 0
    due = RemovalRequest.objects.filter(status=RemovalStatus.WAITING, next_attempt_at__lte=at)
    for removal in due.select_related("destination").order_by("id")[:REMOVED_AT_ONCE]:
        content = json.loads(removal.content)
        # A request under way, which adds the person, may arrive after one that removes the person: the next run is soon enough.
        if content.get("is_being_added") and is_locked(name_audience_lock(removal.destination_id)):
            continue
        breaker = CircuitBreaker(name_breaker(removal.destination))
        if not breaker.allow():
            continue
        try:
            with open_kind(removal.destination) as kind:
                is_removed = kind.remove_person(content, f"erasure_{removal.pk}")
        except (DestinationError, BatchRefusedError, UnreachableError) as error:
            if isinstance(error, UnreachableError):
                breaker.record_failure(str(error))
            postpone_removal(removal, str(error), at=at)
            continue
        breaker.record_success()
        removal.status = RemovalStatus.DONE if is_removed else RemovalStatus.UNSUPPORTED
        removal.outcome = str(kind.removal_note)[:300] or _("The destination was notified.")
        removal.content, removal.finished_at = "", at
        removal.save()
        finished += 1
    return finished


def postpone_removal(removal: RemovalRequest, error: str, *, at: datetime) -> None:
    removal.attempts += 1
    removal.outcome = error[:300]
    pause = min(FIRST_PAUSE * 2.0 ** min(removal.attempts - 1, 12), LAST_PAUSE)
    removal.next_attempt_at = at + pause
    removal.save(update_fields=["attempts", "outcome", "next_attempt_at"])
