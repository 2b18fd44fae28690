"""What people do with refused events: look what is open, try a correction, send again, put aside, take away as a file."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet, TextField
from django.db.models.functions import Cast

from customers.events.dead_letters.replay import NotOpenError, Replay, replay_rejected, take_again
from customers.events.models import Event, RejectedEvent
from customers.events.payload_masking import UnreadablePayloadError, compact, mask_payload, mask_text, read_payload
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt

MOST_SENT_AGAIN = 1000
CHUNK = 500
Status = RejectedEvent.Status
Letters = QuerySet[RejectedEvent, Any]


@dataclass(frozen=True, slots=True)
class OpenReason:
    """How many open dead letters have one code, and since when."""

    code: str
    letters: int
    oldest: datetime
    newest: datetime


def sealed(letters: Letters) -> Letters:
    """With payloads still encrypted: one whose key is gone must not spoil a whole list. ``payload_of`` opens them."""
    return letters.defer("payload", "corrected_payload").annotate(
        sealed_payload=Cast("payload", TextField()), sealed_correction=Cast("corrected_payload", TextField())
    )


def payload_of(rejected: RejectedEvent) -> str:
    """What would be sent: the last correction, or what came. Raises UnreadableFieldError."""
    return decrypt(rejected.sealed_correction or rejected.sealed_payload)  # type: ignore[attr-defined]


def open_reasons() -> list[OpenReason]:
    """The most frequent reason first, in one query."""
    rows = (
        RejectedEvent.objects.filter(status=Status.OPEN)
        .values_list("code")
        .annotate(letters=Count("pk"), oldest=Min("received_at"), newest=Max("received_at"))
        .order_by("-letters", "code")
    )
    return [OpenReason(*row) for row in rows]


def check_payload(*, rejected: RejectedEvent, payload: str) -> Replay:
    """What sending it again would bring now. It is really done, and undone."""
    payload = payload.encode(errors="replace").decode()
    with transaction.atomic():
        outcome, _recorded = take_again(rejected, payload)
        transaction.set_rollback(True)
    return outcome


@dataclass(slots=True)
class SentAgain:
    """What became of many: ``reasons`` counts the codes of those that were refused again."""

    taken: int = 0
    duplicates: int = 0
    skipped: int = 0
    left: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def send_again(*, letters: Letters, at: datetime) -> SentAgain:
    """Sends the oldest thousand of them as they are, or as they were corrected; each is a transaction by itself."""
    result = SentAgain()
    waiting = letters.filter(status=Status.OPEN)
    result.left = max(waiting.count() - MOST_SENT_AGAIN, 0)
    for rejected in sealed(waiting).order_by("received_at", "pk")[:MOST_SENT_AGAIN]:
        try:
            outcome = replay_rejected(rejected_id=rejected.pk, payload=payload_of(rejected), at=at)
        except (NotOpenError, UnreadableFieldError):
            result.skipped += 1
            continue
        if outcome.accepted:
            result.taken += 1
            result.duplicates += outcome.duplicate
        else:
            result.reasons[outcome.code] += 1
    return result


def discard(*, letters: Letters) -> int:
    """They are kept until their time is over, and counted no longer."""
    return letters.filter(status=Status.OPEN).order_by().update(status=Status.DISCARDED)


def reopen(*, letters: Letters) -> int:
    return letters.filter(status=Status.DISCARDED).order_by().update(status=Status.OPEN)


def event_of(rejected: RejectedEvent) -> Event | None:
    """The event that a replayed dead letter became; None where it had been taken before, or is gone by now."""
    if rejected.status != Status.REPLAYED:
        return None
    return Event.objects.filter(
        source=rejected.source_id, message_id=rejected.replay_message_id, received_at=rejected.received_at
    ).first()


def export_lines(*, pks: Collection[int], with_personal: bool) -> Iterator[str]:
    """JSON Lines, the oldest first; without the permission each personal part is dots."""
    letters = RejectedEvent.objects.filter(pk__in=pks).select_related("source").order_by("received_at", "pk")
    for rejected in sealed(letters).iterator(chunk_size=CHUNK):
        payload, problem = exported_payload(rejected, with_personal=with_personal)
        line = {
            "id": rejected.pk,
            "received_at": rejected.received_at.isoformat(),
            "source": rejected.source.key if rejected.source else None,
            "status": rejected.status,
            "code": rejected.code,
            "reason": rejected.reason if with_personal else mask_text(rejected.reason),
            "call_type": rejected.call_type,
            "sent_at": rejected.sent_at,
            "payload": payload,
        }
        yield compact({**line, "problem": problem} if problem else line) + "\n"


def exported_payload(rejected: RejectedEvent, *, with_personal: bool) -> tuple[Any, str]:
    """The payload as JSON, or as text where it is none; and what stands in the way of showing it."""
    try:
        text = payload_of(rejected)
    except UnreadableFieldError as error:
        return None, str(error)
    try:
        return read_payload(text if with_personal else mask_payload(text).text), ""
    except UnreadablePayloadError as error:
        return (text, "") if with_personal else (None, f"It is no JSON ({error}), and may hold personal data.")
