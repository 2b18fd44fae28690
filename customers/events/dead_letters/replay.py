"""Replays a rejected event: the corrected item goes through the same checks as any other event."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from customers.events.collector.event_store import StoreResult, record_events
from customers.events.collector.ingest import build_context
from customers.events.collector.items import ItemError, decode_item
from customers.events.collector.parsing import build_row
from customers.events.models import RejectedEvent
from customers.events.recent.interactions import remember_interactions


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of a replay; ``code`` and ``reason`` are set if the event was rejected again."""

    accepted: bool
    message_id: str = ""
    duplicate: bool = False
    code: str = ""
    reason: str = ""


class NotOpenError(ValueError):
    """The rejected event was already replayed, discarded or deleted."""


def replay_rejected(*, rejected_id: int, payload: str, at: datetime) -> ReplayResult:
    """Ingest the text of a rejected event, corrected or not, as if it had arrived at the original time.

    If it is accepted, the row becomes ``replayed`` in the event's own transaction; otherwise it stays open with the new reason.

    Raises:
        NotOpenError: another user has already handled it.
    """
    # a form may contain lone surrogates and NUL, which cannot be stored
    payload = payload.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    with transaction.atomic():
        rejected = RejectedEvent.objects.select_for_update().filter(pk=rejected_id).first()
        if rejected is None or rejected.status != RejectedEvent.Status.OPEN:
            raise NotOpenError(f"Rejected event {rejected_id} is no longer open.")
        replay, stored = ingest_payload(rejected, payload)
        rejected.corrected_payload = payload if payload != rejected.payload else ""
        if replay.accepted:
            rejected.status = RejectedEvent.Status.REPLAYED
            rejected.replay_message_id, rejected.replayed_at = replay.message_id, at
        else:
            rejected.code, rejected.reason = replay.code, replay.reason
        rejected.save()
    if stored is not None:
        remember_interactions(stored.rows, stored_at=at)
    return replay


def ingest_payload(rejected: RejectedEvent, payload: str) -> tuple[ReplayResult, StoreResult | None]:
    """Parse and store the payload of a rejected event in the caller's transaction."""
    if rejected.source is None:
        return ReplayResult(False, code="unknown_source", reason="The source of this event is unknown."), None
    context = build_context(
        source=rejected.source,
        received_at=rejected.received_at,
        call_type=rejected.call_type or None,
        sent_at=rejected.sent_at or None,
        opted_out=rejected.opted_out,
    )
    data = payload.encode()
    try:
        row = build_row(decode_item(data), index=0, raw=data, context=context)
    except ItemError as error:
        return ReplayResult(False, code=error.code, reason=error.reason), None
    stored = record_events(rows=[row], keep_rejected=False)
    if stored.rejected:
        [item] = stored.rejected
        return ReplayResult(False, code=item.code, reason=item.reason), None
    return ReplayResult(True, row.stored.message_id, duplicate=bool(stored.duplicates)), stored
