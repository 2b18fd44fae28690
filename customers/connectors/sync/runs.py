"""Runs that bring the records of a shop here: the history, changes, and the nightly reconciliation.

A page of records is written in one transaction with the position after it. If a process is killed, nothing is lost or duplicated:
the next one continues after the last committed page, and writing a page twice changes nothing. While a page is written, a thread reads the next ones.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.job_runs import JobStatus, describe_error
from config.foundation.progress import is_worker_stopping
from customers.connectors.models import ShopConnection, ShopRecordKind, SyncDifference, SyncRun
from customers.connectors.platforms.base import Connector, MappedRecord, PlatformError, RecordPage, TemporaryError
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.prefetch import prefetch_pages
from customers.connectors.sync.seen_records import (
    choose_gone,
    list_unseen,
    lock_records,
    mark_seen,
    read_times,
    remember_deletions,
    remember_records,
)
from customers.connectors.sync.writing import WriteResult, delete_records, write_records

logger = logging.getLogger(__name__)

# Each batch of orders has a fixed cost, so small pages are written together.
MIN_BATCH, MAX_BATCH_SECONDS = 5000, 10.0
MAX_DIFFERENCES = 2000  # listed per run; all are counted
OVERLAP = timedelta(minutes=10)  # changes may become visible late, and out of order
MAX_MISSING_SHARE = 0.5  # a shop that lacks more than half of its records is more likely broken than empty
MAX_ATTEMPTS = 30
FIRST_RETRY, MAX_RETRY = timedelta(minutes=1), timedelta(minutes=30)
UPDATE_INTERVAL, RECONCILE_INTERVAL = timedelta(minutes=10), timedelta(days=1)


def start_run(connection: ShopConnection, kind: str, *, at: datetime) -> SyncRun | None:
    """Store a new run, which a worker carries out; None if another run of the shop is not finished."""
    since = {}
    if kind == SyncRun.Kind.UPDATE:
        marks = {name: datetime.fromisoformat(text) for name, text in connection.watermarks.items()}
        since = {name: (mark - OVERLAP).isoformat() for name, mark in marks.items()}
    try:
        with transaction.atomic():
            return SyncRun.objects.create(connection=connection, kind=kind, started_at=at, since=since)
    except IntegrityError:
        return None


def cancel_run(run: SyncRun) -> None:
    """Ask a run to stop after the present page."""
    SyncRun.objects.filter(pk=run.pk, status=JobStatus.RUNNING).update(is_cancelled=True, retry_at=None)


def continue_run(run: SyncRun, *, at: datetime, connector: Connector | None = None) -> SyncRun:
    """Carry out a run from its cursor; a temporary error leaves the rest to a later attempt."""
    try:
        with exclusive_lock(f"connectors:{run.connection_id}"):
            run.refresh_from_db()
            if run.status == JobStatus.RUNNING and not run.connection.is_enabled:
                stop(run, at=at)
            elif run.status == JobStatus.RUNNING:
                with connector or open_connector(run.connection) as opened:
                    carry_out(run, opened, at=at)
    except AlreadyRunningError:
        logger.debug("Connector %s is already running in another process", run.connection_id)
    return run


def carry_out(run: SyncRun, connector: Connector, *, at: datetime) -> None:
    try:
        is_done = read_shop(run, connector, at=at)
    except TemporaryError as error:
        postpone(run, error, at=at)
    except PlatformError as error:
        finish(run, JobStatus.FAILED, at=at, error=str(error))
    except Exception as error:
        finish(run, JobStatus.FAILED, at=at, error=describe_error(error))
        raise
    else:
        if not run.connection.is_enabled:
            stop(run, at=at)
        elif run.is_cancelled:
            finish(run, JobStatus.FAILED, at=at, error=_("Canceled. What was read so far is imported."))
        elif is_done:
            finish(run, JobStatus.DONE, at=at)


def stop(run: SyncRun, *, at: datetime) -> None:
    """End a run because its shop was disabled here, or because the app was removed from the shop."""
    error = _("The connector was disabled. What was read so far is imported.")
    finish(run, JobStatus.FAILED, at=at, error=error, is_problem=False)


def postpone(run: SyncRun, error: TemporaryError, *, at: datetime) -> None:
    """Let a later attempt continue; after many in a row without progress the run fails."""
    run.attempts += 1
    if run.attempts >= MAX_ATTEMPTS:
        finish(run, JobStatus.FAILED, at=at, error=str(error))
        return
    wait = min(FIRST_RETRY * 2 ** min(run.attempts - 1, 6), MAX_RETRY)
    run.retry_at = at + max(timedelta(seconds=error.retry_after), wait)
    run.error = str(error)
    run.save(update_fields=["attempts", "retry_at", "error"])


def finish(run: SyncRun, status: str, *, at: datetime, error: str = "", is_problem: bool = True) -> None:
    run.status, run.error, run.finished_at, run.retry_at = status, error, max(timezone.now(), run.started_at), None
    run.save(update_fields=["status", "error", "finished_at", "retry_at"])
    shop = run.connection
    if is_problem and not run.is_cancelled:
        shop.problem = error
        shop.save(update_fields=["problem"])


def read_shop(run: SyncRun, connector: Connector, *, at: datetime) -> bool:
    """Read all kinds of records from the run's cursor on; return whether it has read everything."""
    kinds = list(ShopRecordKind.values)
    first = kinds.index(run.cursor.get("kind", kinds[0]))
    for kind in kinds[first:]:
        position = run.cursor.get("position", {}) if run.cursor.get("kind") == kind else {}
        if run.cursor.get("kind") != kind:
            save_cursor(run, kind, {})
        since = datetime.fromisoformat(run.since[kind]) if kind in run.since else None
        read_pages = partial(read_batches, connector, kind, position, since)
        with prefetch_pages(connector, read_pages) as pages:
            for page in pages:
                write_page(run, kind, page, at=at)
                if should_stop(run):
                    return False
        if since is None:
            follow_deletions(run, kind, connector, at=at)
        save_watermark(run, kind)
    return True


def should_stop(run: SyncRun) -> bool:
    """Return whether someone has canceled the run or disabled the shop, or the worker is about to stop."""
    states = SyncRun.objects.filter(pk=run.pk).values_list("is_cancelled", "connection__is_enabled")
    run.is_cancelled, run.connection.is_enabled = states[0]
    return run.is_cancelled or not run.connection.is_enabled or is_worker_stopping()


def save_cursor(run: SyncRun, kind: str, position: Any) -> None:
    run.cursor = {**run.cursor, "kind": kind, "position": dict(position)}
    run.save(update_fields=["cursor"])


def read_batches(
    connector: Connector, kind: str, position: Mapping[str, Any], since: datetime | None
) -> Iterator[RecordPage]:
    return join_pages(connector.iterate_pages(kind, position, since=since))


def join_pages(pages: Iterator[RecordPage]) -> Iterator[RecordPage]:
    """Join small pages, so that each transaction is worth its overhead; a page without records is passed on immediately."""
    records: list[MappedRecord] = []
    started, last = time.monotonic(), None
    for page in pages:
        records.extend(page.records)
        last = page
        is_slow = time.monotonic() - started > MAX_BATCH_SECONDS
        if len(records) >= MIN_BATCH or not page.records or is_slow:
            yield RecordPage(records, page.cursor, page.total)
            records, started, last = [], time.monotonic(), None
    if last is not None:
        yield RecordPage(records, last.cursor, last.total)


def write_page(run: SyncRun, kind: str, page: RecordPage, *, at: datetime) -> None:
    """Write a page, its differences and the position after it, in one transaction."""
    with lock_records(connection=run.connection, kind=kind):
        result = WriteResult()
        if page.records:
            current = list_current(run.connection, kind, page.records)
            compares = run.kind == SyncRun.Kind.RECONCILIATION
            result = write_records(connection=run.connection, kind=kind, records=current, at=at, compares=compares)
            remember_records(connection=run.connection, kind=kind, records=current, run_id=run.pk)
            if len(current) < len(page.records):
                mark_seen(connection=run.connection, kind=kind, records=page.records, run_id=run.pk)
        add_counts(run, kind, result, total=page.total)
        store_differences(run, result.differences)
        times = [record.updated_at for record in page.records if record.updated_at]
        mark_changes(run, kind, max(times, default=None))
        run.cursor = {**run.cursor, "kind": kind, "position": dict(page.cursor)}
        run.attempts, run.error, run.retry_at = 0, "", None
        run.save(update_fields=["cursor", "counts", "problems", "attempts", "error", "retry_at"])


def list_current(connection: ShopConnection, kind: str, records: Sequence[MappedRecord]) -> list[MappedRecord]:
    """Return the records that are not older than those already written, since a webhook may have brought a newer version than the page."""
    known = read_times(connection=connection, kind=kind, external_ids=[record.external_id for record in records])
    return [
        record
        for record in records
        if record.updated_at is None or (latest := known.get(record.external_id)) is None or record.updated_at >= latest
    ]


def add_counts(run: SyncRun, kind: str, result: WriteResult, *, total: int | None = None) -> None:
    counts = Counter(run.counts.get(kind, {}))
    counts.update(result.counts)
    if total is not None:
        counts["total"] = total
    run.counts = {**run.counts, kind: dict(counts)}
    run.problems = dict(Counter(run.problems) + result.problems)


def store_differences(run: SyncRun, differences: list[SyncDifference]) -> None:
    room = MAX_DIFFERENCES - run.cursor.get("differences", 0)
    kept = differences[: max(room, 0)]
    for difference in kept:
        difference.run = run
    SyncDifference.objects.bulk_create(kept)
    run.cursor = {**run.cursor, "differences": run.cursor.get("differences", 0) + len(kept)}


def mark_changes(run: SyncRun, kind: str, latest: datetime | None) -> None:
    """Note the latest change by the platform's clock, which may differ from ours."""
    known = run.cursor.get("latest", {})
    if latest is not None and latest.astimezone(UTC).isoformat() > known.get(kind, ""):
        run.cursor = {**run.cursor, "latest": {**known, kind: latest.astimezone(UTC).isoformat()}}


def save_watermark(run: SyncRun, kind: str) -> None:
    """Store the time of the latest imported change of a kind; the next update begins there."""
    latest = run.cursor.get("latest", {}).get(kind)
    if latest and latest > run.connection.watermarks.get(kind, ""):
        run.connection.watermarks = {**run.connection.watermarks, kind: latest}
        run.connection.save(update_fields=["watermarks"])


def follow_deletions(run: SyncRun, kind: str, connector: Connector, *, at: datetime) -> None:
    """Delete the records that a complete run has not seen. Ask the platform for each one first, since lists can skip records."""
    missing = list_unseen(connection=run.connection, kind=kind, run_id=run.pk, before=run.started_at)
    unseen = choose_gone(connector, connection=run.connection, kind=kind, missing=missing, at=at)
    if not unseen:
        return
    seen = run.counts.get(kind, {}).get("seen", 0)
    if len(unseen) > MAX_MISSING_SHARE * (seen + len(unseen)):
        run.problems = {**run.problems, f"{kind}: too_many_missing": len(unseen)}
        run.save(update_fields=["problems"])
        return
    times = read_times(connection=run.connection, kind=kind, external_ids=unseen)
    found = connector.fetch_records(kind, unseen)
    if found:
        write_page(run, kind, RecordPage(found, run.cursor.get("position", {})), at=at)
    gone = sorted(set(unseen) - {record.external_id for record in found})
    with lock_records(connection=run.connection, kind=kind):
        # a webhook may have brought a record back since the platform was asked
        now = read_times(connection=run.connection, kind=kind, external_ids=gone)
        gone = [number for number in gone if now.get(number) == times.get(number)]
        delete_records(connection=run.connection, kind=kind, external_ids=gone, at=at)
        remember_deletions(connection=run.connection, kind=kind, external_ids=gone, at=at)
        result = WriteResult(counts=Counter({"deleted": len(gone)}) if gone else Counter())
        result.differences = [
            SyncDifference(kind=kind, external_id=number, code=SyncDifference.Code.EXTRA, is_repaired=True)
            for number in gone
        ]
        add_counts(run, kind, result)
        store_differences(run, result.differences)
        run.save(update_fields=["cursor", "counts", "problems"])


def start_due_runs(*, at: datetime) -> int:
    """Start the runs that are due: the reconciliation once a night, and changes of platforms without webhooks."""
    started = 0
    for shop in ShopConnection.objects.filter(is_enabled=True, next_run_at__lte=at).select_related("source"):
        has_webhooks = bool(shop.webhooks)
        last = shop.runs.filter(kind__in=(SyncRun.Kind.RECONCILIATION, SyncRun.Kind.BACKFILL), status=JobStatus.DONE)
        latest = last.values_list("started_at", flat=True).first()
        is_nightly = latest is None or at - latest >= RECONCILE_INTERVAL - timedelta(hours=1)
        kind = SyncRun.Kind.RECONCILIATION if has_webhooks or is_nightly else SyncRun.Kind.UPDATE
        started += start_run(shop, kind, at=at) is not None
        shop.next_run_at = find_next_run(at, has_webhooks=has_webhooks)
        shop.save(update_fields=["next_run_at"])
    return started


def find_next_run(at: datetime, *, has_webhooks: bool) -> datetime:
    """Return the time of the next nightly run, or ten minutes from now for a shop without webhooks."""
    if not has_webhooks:
        return at + UPDATE_INTERVAL
    night = timezone.localtime(at).replace(hour=3, minute=20, second=0, microsecond=0)
    return night if night > at else night + timedelta(days=1)


def continue_due_runs(*, at: datetime) -> int:
    """Continue the unfinished runs, such as those whose process was killed."""
    runs = SyncRun.objects.filter(status=JobStatus.RUNNING).exclude(retry_at__gt=at)
    due = list(runs.select_related("connection__source").order_by("started_at"))
    for run in due:
        continue_run(run, at=timezone.now() if at <= timezone.now() else at)
    return len(due)
