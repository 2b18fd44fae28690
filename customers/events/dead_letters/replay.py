"""A refused item, mended, goes in by the same door as any other."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from customers.events.collector.event_store import Recorded, Refusal, record_events
from customers.events.collector.parsing import Frame, ItemError, decode_item, row_of
from customers.events.models import RejectedEvent
from customers.events.recent.interactions import remember_interactions


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of a replay. ``code`` and ``reason`` say why it was refused again, and are empty when it was taken."""

    accepted: bool
    message_id: str = ""
    duplicate: bool = False
    code: str = ""
    reason: str = ""


class NotOpenError(ValueError):
    """The rejected event was replayed or discarded already, or is gone."""


def replay_rejected(*, rejected_id: int, payload: str, at: datetime) -> Replay:
    """Takes the text of a rejected event, corrected or not, as if it had come when the first one came.

    Taken, the row becomes ``replayed`` in the transaction of the event; refused, it stays open with the new reason.

    Raises:
        NotOpenError: somebody else was faster.
    """
    payload = payload.encode(errors="replace").decode()  # a form may bring half characters, which nothing can store
    with transaction.atomic():
        rejected = RejectedEvent.objects.select_for_update().filter(pk=rejected_id).first()
        if rejected is None or rejected.status != RejectedEvent.Status.OPEN:
            raise NotOpenError(f"The rejected event {rejected_id} is not open any more.")
        replay, recorded = take_again(rejected, payload)
        rejected.corrected_payload = payload if payload != rejected.payload else ""
        if replay.accepted:
            rejected.status = RejectedEvent.Status.REPLAYED
            rejected.replay_message_id, rejected.replayed_at = replay.message_id, at
        else:
            rejected.code, rejected.reason = replay.code, replay.reason
        rejected.save()
    if recorded is not None:
        remember_interactions(recorded.rows)
    return replay


def take_again(rejected: RejectedEvent, payload: str) -> tuple[Replay, Recorded | None]:
    if rejected.source_id is None:
        return Replay(False, code="unknown_source", reason="The source of this event is not known."), None
    frame = Frame(
        rejected.source_id,
        rejected.received_at,
        rejected.call_type or None,
        rejected.sent_at or None,
        rejected.opted_out,
    )
    data = payload.encode()
    try:
        row = row_of(decode_item(data), index=0, raw=data, frame=frame)
    except ItemError as error:
        return Replay(False, code=error.code, reason=error.reason), None
    except RecursionError:
        return Replay(False, code="nested_too_deeply", reason="The event is nested too deeply."), None
    recorded = record_events(rows=[row], keep_refused=False)
    if recorded.refusals:
        return refused_again(recorded.refusals[0]), None
    return Replay(True, row.stored.message_id, duplicate=bool(recorded.duplicates)), recorded


def refused_again(refusal: Refusal) -> Replay:
    return Replay(False, code=refusal.code, reason=refusal.reason)
