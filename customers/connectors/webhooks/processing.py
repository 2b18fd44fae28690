"""Processes stored webhooks. Only the latest webhook of a record counts, and one that is older than the stored record changes nothing."""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from time import monotonic

from django.db import DatabaseError
from django.db.models import F

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.job_runs import describe_error
from config.foundation.json_nesting import load_json
from customers.connectors.models import ReceivedWebhook, ShopConnection, ShopRecordKind
from customers.connectors.platforms.base import Connector, MappedRecord, PlatformError, TemporaryError
from customers.connectors.platforms.values import read_amount
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.seen_records import (
    choose_gone,
    lock_records,
    read_times,
    remember_deletions,
    remember_records,
)
from customers.connectors.sync.writing import delete_records, write_records

logger = logging.getLogger(__name__)
BATCH = 500
MAX_ATTEMPTS = 10
RETRY_SECONDS = 20
Status = ReceivedWebhook.Status


def process_due(*, at: datetime, seconds: float) -> int:
    """Process waiting webhooks of all shops for at most some seconds; return how many.

    A shop that fails does not stop the others; its error is raised when they are done.
    """
    deadline = monotonic() + seconds
    waiting = ReceivedWebhook.objects.filter(status=Status.WAITING, next_attempt_at__lte=at)
    shops = ShopConnection.objects.filter(pk__in=waiting.values("connection"), is_enabled=True).select_related("source")
    count, errors = 0, []
    for shop in shops:
        try:
            while monotonic() < deadline and (number := process_shop(shop, at=at)):
                count += number
        except Exception as error:
            logger.exception("Webhooks of connector %s could not be processed", shop.pk)
            errors.append(error)
    if errors:
        raise errors[0]
    return count


def process_shop(connection: ShopConnection, *, at: datetime, connector: Connector | None = None) -> int:
    """Process a batch of the waiting webhooks of a shop; return how many."""
    try:
        with exclusive_lock(f"connectors.webhooks:{connection.pk}"):
            due = ReceivedWebhook.objects.filter(connection=connection, status=Status.WAITING, next_attempt_at__lte=at)
            rows = list(due.order_by("pk")[:BATCH])
            if rows:
                with connector or open_connector(connection) as opened:
                    for kind in ShopRecordKind:
                        process_kind(connection, opened, kind, [row for row in rows if row.kind == kind], at=at)
            return len(rows)
    except AlreadyRunningError:
        return 0


def process_kind(
    connection: ShopConnection, connector: Connector, kind: str, rows: Sequence[ReceivedWebhook], *, at: datetime
) -> None:
    """Process webhooks of one kind. A batch that fails unexpectedly is halved, so that only the webhooks that cause it are postponed.

    Plugins of a shop change the contents of webhooks, so any error is possible while a record is mapped and written.
    """
    waiting = [rows]
    while waiting:
        batch = waiting.pop()
        if not batch:
            continue
        try:
            process_batch(connection, connector, kind, batch, at=at)
        except PlatformError as error:
            postpone(batch, error, at=at)
        except Exception as error:
            if len(batch) == 1:
                logger.exception("Webhook %s of connector %s", batch[0].pk, connection.pk)
                postpone(batch, error, at=at)
            else:
                # the first half goes on top of the stack, so that webhooks stay in order
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]


def process_batch(
    connection: ShopConnection, connector: Connector, kind: str, rows: Sequence[ReceivedWebhook], *, at: datetime
) -> None:
    """Write the records of webhooks, all or none. Raises PlatformError, or whatever a malformed content causes."""
    while not write_batch(connection, connector, kind, rows, at=at):
        logger.info("Webhooks of connector %s are compared again: a run has written the same records", connection.pk)


def write_batch(
    connection: ShopConnection, connector: Connector, kind: str, rows: Sequence[ReceivedWebhook], *, at: datetime
) -> bool:
    """Write the records of webhooks; return False, without changes, if another process has written one of them since they were compared."""
    named = name_records(connector, kind, rows)
    numbers = {row.external_id for row in named}
    times = read_times(connection=connection, kind=kind, external_ids=numbers)
    current = choose_current(named, times)
    records, gone, missing = read_records(connector, kind, current)
    gone |= set(choose_gone(connector, connection=connection, kind=kind, missing=missing, at=at))
    with lock_records(connection=connection, kind=kind):
        if read_times(connection=connection, kind=kind, external_ids=numbers) != times:
            return False
        if records:
            write_records(connection=connection, kind=kind, records=records, at=at)
            remember_records(connection=connection, kind=kind, records=records)
        delete_records(connection=connection, kind=kind, external_ids=sorted(gone), at=at)
        remember_deletions(connection=connection, kind=kind, external_ids=gone, at=at)
        used = {row.pk for row in current.values()}
        done = ReceivedWebhook.objects.filter(pk__in=used)
        done.update(status=Status.DONE, content="", error="")
        outdated = ReceivedWebhook.objects.filter(pk__in={row.pk for row in rows} - used)
        outdated.update(status=Status.OUTDATED, content="", error="")
    return True


def name_records(connector: Connector, kind: str, rows: Sequence[ReceivedWebhook]) -> list[ReceivedWebhook]:
    """Return the webhooks with the IDs of records instead of those of their parts, such as stock items; leave out parts without a record."""
    names = connector.resolve_ids(kind, {row.external_id for row in rows})
    named = [copy(row) for row in rows]  # the given ones may be named again, in a smaller batch
    for row in named:
        row.external_id = names.get(row.external_id, "")
    return [row for row in named if row.external_id]


def choose_current(rows: Sequence[ReceivedWebhook], times: Mapping[str, datetime | None]) -> dict[str, ReceivedWebhook]:
    """Return the webhooks that are not older than the stored records, by record ID.

    The times of WooCommerce have seconds, so two changes can have the same; writing the same version again changes nothing.

    times: of the last stored change, by record ID.
    """
    return {
        external_id: row
        for external_id, row in choose_latest(rows).items()
        if row.changed_at is None or (known := times.get(external_id)) is None or row.changed_at >= known
    }


def choose_latest(rows: Sequence[ReceivedWebhook]) -> dict[str, ReceivedWebhook]:
    """Return the latest webhook of each record, by the platform's time of the change, then by arrival."""
    latest: dict[str, ReceivedWebhook] = {}
    for row in rows:
        known = latest.get(row.external_id)
        if known is None or (row.changed_at or row.received_at) >= (known.changed_at or known.received_at):
            latest[row.external_id] = row
    return latest


def read_records(
    connector: Connector, kind: str, current: dict[str, ReceivedWebhook]
) -> tuple[list[MappedRecord], set[str], set[str]]:
    """Return the records of webhooks, from their contents or from the platform, and the IDs of those that are deleted or missing."""
    gone = {external_id for external_id, row in current.items() if row.is_deletion}
    records = [
        connector.map_record(kind, load_json(row.content, parse_float=read_amount))
        for row in current.values()
        if row.content and not row.is_deletion
    ]
    wanted = {external_id for external_id, row in current.items() if not row.content} - gone
    fetched = list(connector.fetch_records(kind, wanted)) if wanted else []
    return [*records, *fetched], gone, wanted - {record.external_id for record in fetched}


def postpone(rows: Sequence[ReceivedWebhook], error: Exception, *, at: datetime) -> None:
    """Try webhooks again later; those that failed too often, or whose error is permanent, wait for a user to retry them.

    An unexpected error is permanent, except for errors of the database, such as a conflict with another transaction.
    """
    passes = isinstance(error, TemporaryError | DatabaseError)
    pks = [row.pk for row in rows]
    attempts = min(max(row.attempts for row in rows), 6)
    wait = max(
        timedelta(seconds=RETRY_SECONDS * 2**attempts),
        timedelta(seconds=error.retry_after if isinstance(error, TemporaryError) else 0),
    )
    text = str(error) if isinstance(error, PlatformError) else describe_error(error)
    changed = ReceivedWebhook.objects.filter(pk__in=pks)
    changed.update(attempts=F("attempts") + 1, next_attempt_at=at + wait, error=text.replace("\0", "")[:500])
    stuck = changed.filter(attempts__gte=MAX_ATTEMPTS) if passes else changed
    stuck.update(status=Status.FAILED)
    if isinstance(error, PlatformError):
        logger.warning("Webhooks of connector %s: %s", rows[0].connection_id, error)
        if not passes:
            ShopConnection.objects.filter(pk=rows[0].connection_id).update(problem=str(error))


def retry_failed(connection: ShopConnection, *, at: datetime) -> int:
    """Let the failed webhooks of a shop be processed again."""
    failed = ReceivedWebhook.objects.filter(connection=connection, status=Status.FAILED)
    return failed.update(status=Status.WAITING, attempts=0, next_attempt_at=at)
