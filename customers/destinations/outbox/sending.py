"""Sends batches: stored before they are sent, repeated with growing pauses, divided when refused, and given up after ten attempts."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from config.foundation.circuit_breakers.breaker import CircuitBreaker
from config.foundation.progress import is_worker_stopping
from customers.destinations.kinds.base import (
    BatchRefusedError,
    DestinationError,
    DestinationKind,
    DestinationReply,
    SharedBatch,
    SharedRecord,
    UnreachableError,
)
from customers.destinations.models import DataStream, Destination, DestinationBatch, OutgoingRecord
from customers.destinations.outbox.access import name_breaker, open_kind
from customers.destinations.outbox.sharing import StreamRow, find_sharing, read_people, read_rows

logger = logging.getLogger(__name__)

BatchStatus, RecordStatus = DestinationBatch.Status, OutgoingRecord.Status
# pauses after each failed attempt; the last one is followed by giving up
PAUSES = (5, 30, 120, 600, 1800, 3600, 6 * 3600, 12 * 3600, 24 * 3600)
MAX_DESTINATION_PAUSE = timedelta(minutes=10)  # a destination may answer again long before an old batch is due
PROBLEM_PAUSE = timedelta(hours=1)
MAX_OPEN_BATCHES = 20  # of a destination that does not answer
NOTICE_AFTER, NOTICE_UNTIL = timedelta(minutes=10), timedelta(days=2)
NO_ERRORS = "ok"


@dataclass
class PreparedBatch:
    """What can be sent of a batch, and why the rest cannot: record number to status and reason."""

    records: list[SharedRecord] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    left_out: dict[int, tuple[str, str]] = field(default_factory=dict)


def send_due(*, at: datetime, seconds: float) -> int:
    """Send what is due for about ``seconds``; return how many records were accepted."""
    deadline, accepted = time.monotonic() + seconds, 0
    ready = Destination.objects.filter(is_enabled=True).filter(Q(retry_at=None) | Q(retry_at__lte=at))
    for destination in ready.order_by(
        F("retry_at").asc(nulls_first=True), F("last_sent_at").asc(nulls_first=True), "pk"
    ):
        if time.monotonic() >= deadline or is_worker_stopping():
            break
        accepted += send_to_destination(destination, at=at, deadline=deadline)
    return accepted


def send_to_destination(destination: Destination, *, at: datetime, deadline: float) -> int:
    """Send the batches of a destination until one fails; return how many records were accepted."""
    accepted = 0
    breaker = CircuitBreaker(name_breaker(destination))
    try:
        opened = open_kind(destination)
    except DestinationError as error:
        report_problem(destination, str(error), at=at)
        return 0
    with opened as kind:
        while time.monotonic() < deadline and not is_worker_stopping():
            batch = find_due_batch(destination, at=at) or open_batch(destination, kind, at=at)
            if batch is None or not breaker.allow():
                break
            if not send_batch(destination, kind, batch, breaker, at=at):
                break
            accepted += batch.sent
    return accepted


def find_due_batch(destination: Destination, *, at: datetime) -> DestinationBatch | None:
    """Return the oldest batch that is due: one that failed before, or that a killed process has left."""
    return destination.batches.filter(status=BatchStatus.WAITING, next_attempt_at__lte=at).order_by("id").first()


def open_batch(destination: Destination, kind: DestinationKind, *, at: datetime) -> DestinationBatch | None:
    """Store a new batch of the oldest waiting records of a stream; None if there are none."""
    if destination.batches.filter(status=BatchStatus.WAITING).count() >= MAX_OPEN_BATCHES:
        return None
    for stream in DataStream.values:
        with transaction.atomic():
            waiting = destination.records.filter(stream=stream, status=RecordStatus.WAITING, batch=None)
            chosen = waiting.order_by("id").select_for_update(skip_locked=True)[: kind.max_records]
            ids = list(chosen.values_list("pk", flat=True))
            if ids:
                return create_batch(destination, stream, ids, at=at)
    return None


def create_batch(destination: Destination, stream: str, ids: list[int], *, at: datetime) -> DestinationBatch:
    batch = DestinationBatch.objects.create(
        destination=destination, stream=stream, key=f"batch_{uuid4().hex}", created_at=at, next_attempt_at=at
    )
    OutgoingRecord.objects.filter(pk__in=ids).update(batch=batch)
    return batch


def send_batch(
    destination: Destination, kind: DestinationKind, batch: DestinationBatch, breaker: CircuitBreaker, *, at: datetime
) -> bool:
    """Send a batch and store the outcome; return whether to send the next one to the destination."""
    prepared = prepare_batch(destination, kind, batch, at=at)
    result = DestinationReply()
    try:
        if prepared.records:
            result = kind.send(SharedBatch(batch.key, batch.stream, prepared.records))
            breaker.record_success()
    except UnreachableError as error:
        breaker.record_failure(str(error))
        postpone_batch(destination, batch, str(error), retry_after=error.retry_after, at=at)
        return False
    except DestinationError as error:
        breaker.record_success()
        report_problem(destination, str(error), at=at)
        return False
    except BatchRefusedError as error:
        breaker.record_success()
        divide_batch(destination, batch, prepared, str(error), at=at)
        return True
    store_outcome(destination, batch, prepared, result, at=at)
    return True


def prepare_batch(
    destination: Destination, kind: DestinationKind, batch: DestinationBatch, *, at: datetime
) -> PreparedBatch:
    """Read the rows, and leave out those of people who do not allow sharing at this moment."""
    prepared = PreparedBatch()
    records = list(batch.records.filter(status=RecordStatus.WAITING).order_by("id"))
    rows = read_rows(batch.stream, [record.source_id for record in records])
    customer_ids = {row.customer_id for row in rows.values() if row.customer_id is not None}
    sharing, informed = find_sharing(customer_ids, type(kind)), find_informed(destination, rows)
    people = read_people(sharing | informed)
    for record in records:
        row = rows.get(record.source_id)
        allowed = informed if row is not None and withdraws_sharing(row) else sharing
        person = people.get(row.customer_id) if row is not None and row.customer_id in allowed else None
        if row is None:
            prepared.left_out[record.pk] = (RecordStatus.SKIPPED, _("no longer stored"))
        elif person is None:
            prepared.left_out[record.pk] = (RecordStatus.NOT_CONSENTED, "")
        else:
            identifier = f"{batch.stream}-{record.source_id}"
            shared = SharedRecord(identifier, batch.stream, row.occurred_at, person, row.content)
            if gap := find_gap(kind, shared, at=at):
                prepared.left_out[record.pk] = (RecordStatus.SKIPPED, gap)
            else:
                prepared.records.append(shared)
                prepared.numbers[identifier] = record.pk
    return prepared


def find_gap(kind: DestinationKind, record: SharedRecord, *, at: datetime) -> str:
    """Return why a record cannot be sent; empty if it can."""
    if kind.max_age is not None and at - record.occurred_at > kind.max_age:
        return _("older than %(days)d days, which the destination refuses") % {"days": kind.max_age.days}
    return kind.find_gap(record)


def withdraws_sharing(row: StreamRow) -> bool:
    return row.content.get("type") == "consent.withdrawn" and row.content.get("purpose") == "sharing"


def find_informed(destination: Destination, rows: Mapping[int, StreamRow]) -> set[int]:
    """Return the customers whose withdrawal of sharing is passed on: those whose data the destination already has."""
    withdrawn = {row.customer_id for row in rows.values() if withdraws_sharing(row)} - {None}
    if not withdrawn:
        return set()
    known = destination.records.filter(customer_id__in=withdrawn, status=RecordStatus.SENT)
    return {number for number in known.values_list("customer_id", flat=True) if number is not None}


def store_outcome(
    destination: Destination,
    batch: DestinationBatch,
    prepared: PreparedBatch,
    result: DestinationReply,
    *,
    at: datetime,
) -> None:
    """Store what was sent, left out and refused. All waiting batches become due, because the destination answers."""
    refused = {prepared.numbers[key]: reason for key, reason in result.refused.items() if key in prepared.numbers}
    sent = [number for number in prepared.numbers.values() if number not in refused]
    with transaction.atomic():
        OutgoingRecord.objects.filter(pk__in=sent).update(status=RecordStatus.SENT, error="")
        store_left_out(prepared.left_out | {pk: (RecordStatus.DEAD, reason) for pk, reason in refused.items()})
        statuses = [status for status, _reason in prepared.left_out.values()]
        batch.status, batch.finished_at, batch.error = BatchStatus.SENT, at, ""
        batch.sent, batch.refused, batch.reference = len(sent), len(refused), result.reference[:200]
        batch.not_consented = statuses.count(RecordStatus.NOT_CONSENTED)
        batch.skipped = statuses.count(RecordStatus.SKIPPED)
        batch.attempts += bool(prepared.records)
        batch.save()
        if prepared.records:
            destination.last_sent_at, destination.problem, destination.retry_at = at, "", None
            destination.save(update_fields=["last_sent_at", "problem", "retry_at"])
            destination.batches.filter(status=BatchStatus.WAITING, next_attempt_at__gt=at).update(next_attempt_at=at)


def store_left_out(left_out: Mapping[int, tuple[str, str]]) -> None:
    groups: dict[tuple[str, str], list[int]] = {}
    for number, outcome in left_out.items():
        groups.setdefault(outcome, []).append(number)
    for (status, reason), numbers in groups.items():
        OutgoingRecord.objects.filter(pk__in=numbers).update(status=status, error=reason[:500])


def postpone_batch(
    destination: Destination, batch: DestinationBatch, error: str, *, retry_after: float, at: datetime
) -> None:
    """Repeat a batch later, or give it up after ten attempts; the destination gets nothing until then."""
    batch.attempts, batch.error = batch.attempts + 1, error[:500]
    if batch.attempts > len(PAUSES):
        give_up(batch, list(batch.records.filter(status=RecordStatus.WAITING)), error, at=at)
        return
    pause = timedelta(seconds=max(PAUSES[batch.attempts - 1], retry_after))
    batch.next_attempt_at = at + pause
    batch.save(update_fields=["attempts", "error", "next_attempt_at"])
    asked = timedelta(seconds=retry_after)
    destination.retry_at = at + max(min(pause, MAX_DESTINATION_PAUSE), asked)
    destination.save(update_fields=["retry_at"])


def report_problem(destination: Destination, problem: str, *, at: datetime) -> None:
    """Stop sending until someone changes the settings; it is tried again once an hour."""
    destination.problem, destination.retry_at = problem, at + PROBLEM_PAUSE
    destination.save(update_fields=["problem", "retry_at"])


def divide_batch(
    destination: Destination, batch: DestinationBatch, prepared: PreparedBatch, error: str, *, at: datetime
) -> None:
    """Divide a refused batch into halves, until the record is found that the destination refuses."""
    numbers = list(prepared.numbers.values())
    if len(numbers) == 1:
        with transaction.atomic():
            store_left_out(prepared.left_out)
            give_up(batch, list(OutgoingRecord.objects.filter(pk__in=numbers)), error, at=at)
        return
    middle = len(numbers) // 2
    with transaction.atomic():
        store_left_out(prepared.left_out)
        statuses = [status for status, _reason in prepared.left_out.values()]
        batch.not_consented = statuses.count(RecordStatus.NOT_CONSENTED)
        batch.skipped = statuses.count(RecordStatus.SKIPPED)
        batch.status, batch.error, batch.finished_at = BatchStatus.SPLIT, error[:500], at
        batch.attempts += 1
        batch.save()
        for half in (numbers[:middle], numbers[middle:]):
            create_batch(destination, batch.stream, half, at=at)


def give_up(batch: DestinationBatch, records: list[OutgoingRecord], error: str, *, at: datetime) -> None:
    """Move records to the dead letters."""
    OutgoingRecord.objects.filter(pk__in=[record.pk for record in records]).update(
        status=RecordStatus.DEAD, error=error[:500]
    )
    batch.status, batch.error, batch.finished_at, batch.refused = BatchStatus.DEAD, error[:500], at, len(records)
    batch.save()


def retry_dead(destination: Destination, *, record_id: int | None = None) -> int:
    """Queue dead letters again, all or one; their content is read again. Return how many."""
    dead = destination.records.filter(status=RecordStatus.DEAD)
    if record_id is not None:
        dead = dead.filter(pk=record_id)
    Destination.objects.filter(pk=destination.pk).update(retry_at=None)
    return dead.update(status=RecordStatus.WAITING, batch=None, error="")


def read_notices(*, at: datetime) -> int:
    """Ask destinations that report the result of a request later; return how many answered."""
    answered = 0
    open_batches = DestinationBatch.objects.filter(
        status=BatchStatus.SENT, notice="", finished_at__range=(at - NOTICE_UNTIL, at - NOTICE_AFTER)
    ).exclude(reference="")
    for destination in Destination.objects.filter(is_enabled=True, batches__in=open_batches).distinct():
        try:
            with open_kind(destination) as kind:
                for batch in open_batches.filter(destination=destination) if kind.has_notices else ():
                    notice = kind.read_notice(batch.reference)
                    if notice is not None:
                        DestinationBatch.objects.filter(pk=batch.pk).update(notice=notice or NO_ERRORS)
                        answered += 1
        except (DestinationError, BatchRefusedError, UnreachableError) as error:
            logger.info("%s: %s", destination, error)
    return answered
