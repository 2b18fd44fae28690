"""Operations on rejected events: count by reason, preview a correction, replay, discard, export."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet, TextField
from django.db.models.functions import Cast

from customers.events.dead_letters.replay import NotOpenError, ReplayResult, ingest_payload, replay_rejected
from customers.events.models import Event, RejectedEvent
from customers.events.payload_masking import (
    UnreadablePayloadError,
    format_compact,
    mask_payload,
    read_payload,
)
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from customers.identity.personal_data.masking import mask_text

MAX_REPLAYED = 1000  # in one call of replay_many
CHUNK = 500
Status = RejectedEvent.Status
RejectedEvents = QuerySet[RejectedEvent, Any]


@dataclass(frozen=True, slots=True)
class OpenReason:
    """The number of open rejected events with one code, and the times of the first and the last."""

    code: str
    events: int
    oldest: datetime
    newest: datetime


def defer_payloads(events: RejectedEvents) -> RejectedEvents:
    """Annotate payloads as ciphertext, so that one with a lost key does not break a whole list.

    ``read_current_payload`` decrypts them.
    """
    return events.defer("payload", "corrected_payload").annotate(
        sealed_payload=Cast("payload", TextField()), sealed_correction=Cast("corrected_payload", TextField())
    )


def read_current_payload(rejected: RejectedEvent) -> str:
    """Return what a replay would send: the last correction, or the original. Raises UnreadableFieldError."""
    return decrypt(rejected.sealed_correction or rejected.sealed_payload)  # type: ignore[attr-defined]


def count_open_reasons() -> list[OpenReason]:
    """Return the open rejected events by reason, the most frequent first, in one query."""
    rows = (
        RejectedEvent.objects.filter(status=Status.OPEN)
        .values_list("code")
        .annotate(events=Count("pk"), oldest=Min("received_at"), newest=Max("received_at"))
        .order_by("-events", "code")
    )
    return [OpenReason(*row) for row in rows]


def preview_replay(*, rejected: RejectedEvent, payload: str) -> ReplayResult:
    """Return what a replay would do now: it is executed and rolled back."""
    payload = payload.encode(errors="replace").decode()
    with transaction.atomic():
        outcome, _stored = ingest_payload(rejected, payload)
        transaction.set_rollback(True)
    return outcome


@dataclass(slots=True)
class BulkReplay:
    """The result of replaying many events; ``reasons`` counts the codes of those rejected again."""

    accepted: int = 0
    duplicates: int = 0
    skipped: int = 0
    remaining: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def replay_many(*, events: RejectedEvents, at: datetime) -> BulkReplay:
    """Replay the oldest thousand events with their current payloads, each in a transaction of its own."""
    result = BulkReplay()
    waiting = events.filter(status=Status.OPEN)
    result.remaining = max(waiting.count() - MAX_REPLAYED, 0)
    for rejected in defer_payloads(waiting).order_by("received_at", "pk")[:MAX_REPLAYED]:
        try:
            outcome = replay_rejected(rejected_id=rejected.pk, payload=read_current_payload(rejected), at=at)
        except (NotOpenError, UnreadableFieldError):
            result.skipped += 1
            continue
        if outcome.accepted:
            result.accepted += 1
            result.duplicates += outcome.duplicate
        else:
            result.reasons[outcome.code] += 1
    return result


def discard_rejected(*, events: RejectedEvents) -> int:
    """Discard the open events; they are kept until retention deletes them, but no longer counted as open."""
    return events.filter(status=Status.OPEN).order_by().update(status=Status.DISCARDED)


def reopen_discarded(*, events: RejectedEvents) -> int:
    """Open discarded events again."""
    return events.filter(status=Status.DISCARDED).order_by().update(status=Status.OPEN)


def find_replayed_event(rejected: RejectedEvent) -> Event | None:
    """Return the event that a replay created; None if it was a duplicate or has been deleted since."""
    if rejected.status != Status.REPLAYED:
        return None
    return Event.objects.filter(
        source=rejected.source_id, message_id=rejected.replay_message_id, received_at=rejected.received_at
    ).first()


def export_lines(*, pks: Collection[int], with_personal: bool) -> Iterator[str]:
    """Yield JSON Lines, the oldest first; without the permission, personal values are masked."""
    events = RejectedEvent.objects.filter(pk__in=pks).select_related("source").order_by("received_at", "pk")
    for rejected in defer_payloads(events).iterator(chunk_size=CHUNK):
        payload, problem = export_payload(rejected, with_personal=with_personal)
        line = {
            "id": rejected.pk,
            "received_at": rejected.received_at.isoformat(),
            "source": rejected.source.key if rejected.source else None,
            "status": rejected.status,
            "code": rejected.code,
            "reason": mask_text(rejected.reason, with_personal=with_personal),
            "call_type": rejected.call_type,
            "sent_at": rejected.sent_at,
            "payload": payload,
        }
        yield format_compact({**line, "problem": problem} if problem else line) + "\n"


def export_payload(rejected: RejectedEvent, *, with_personal: bool) -> tuple[Any, str]:
    """Return the payload as JSON (or text if it is not JSON), and why it cannot be shown."""
    try:
        text = read_current_payload(rejected)
    except UnreadableFieldError as error:
        return None, str(error)
    try:
        return read_payload(text if with_personal else mask_payload(text).text), ""
    except UnreadablePayloadError as error:
        return (text, "") if with_personal else (None, f"Not valid JSON ({error}); it may contain personal data.")
