"""The event pipeline: processes stored events from the outbox in batches, one transaction per batch.

A batch's results and its removal from the outbox are committed together. If the process is killed at any point and started
again, nothing is lost or processed twice: an uncommitted batch is still waiting, a committed one is not.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import Error, OperationalError, transaction

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import JobStatus, describe_error, fail_interrupted_runs, finish_run
from config.foundation.progress import Progress, ignore_progress
from customers.events.recent.correction import forget_purchases
from customers.identity.resolution.resolution import ResolutionRaceError
from customers.lifecycle.refresh.profile_updates import recount_pending, update_profiles
from customers.orders.order_events.projection import project_orders
from customers.processing.batch import ProcessingResult, finish_batch, process_batch
from customers.processing.failures import EVENT_ERRORS, AllEventsFailError, is_event_error, is_transient
from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun
from customers.processing.outbox import claim_events, release_events
from customers.processing.rejections import (
    PROCESSING_FAILED,
    ProcessingRejection,
    build_return_rejections,
    reject_events,
)
from customers.processing.totals import add_to_totals
from customers.warehouse.append import finish_appends
from customers.warehouse.parquet_files import WarehouseWriteError

logger = logging.getLogger(__name__)

LOCK_NAME = "process_events"
BATCH_SIZE = 5_000
MAX_ATTEMPTS = 6
# for customers that an import has queued; a large one must not keep events waiting for minutes
RECOUNT_SECONDS = 5.0
MIN_PROBED_EVENTS = 20


def process_events(
    *, at: datetime, limit: int | None = None, seconds: float | None = None, progress: Progress = ignore_progress
) -> ProcessingResult:
    """Process waiting events, oldest first; at most ``limit`` events, for about ``seconds``.

    Raises:
        AlreadyRunningError: another process is processing events.
        AllEventsFailError: the failure is not caused by the events.
        django.db.Error: the database failed; everything unfinished is still waiting.
    """
    began = time.monotonic()
    with exclusive_lock(LOCK_NAME):
        run = PipelineRun(at, began)
        run.resume_unfinished_work()
        lag = measure_lag(at=at)
        if not lag.waiting:
            return run.result
        with run.record_run(waiting=lag.waiting, oldest_seconds=lag.oldest_seconds):
            total = min(lag.waiting, limit or lag.waiting)
            while limit is None or run.result.events < limit:
                if not run.process_next(BATCH_SIZE if limit is None else min(BATCH_SIZE, limit - run.result.events)):
                    break
                progress(min(run.result.events, total), total)
                if seconds is not None and time.monotonic() - began >= seconds:
                    break
            progress(total, total)
    return run.result


class PipelineRun:
    """One run over the outbox."""

    def __init__(self, at: datetime, began: float) -> None:
        self.at = at
        self.began = began
        self.result = ProcessingResult()
        self.record: ProcessingRun | None = None

    def resume_unfinished_work(self) -> None:
        """Finish the work of earlier runs.

        These are the files of a killed run, and orders and profiles that waited for an import or a refresh.
        """
        fail_interrupted_runs(ProcessingRun)
        try:
            finish_appends()
        except WarehouseWriteError as error:
            self.result.note_warehouse_error(error)
        recount_pending(as_of=self.at, seconds=RECOUNT_SECONDS)
        with transaction.atomic():
            orders = project_orders(messages=[], at=self.at)
            update_profiles(activity={}, created=(), ordered=orders.customer_ids, as_of=self.at)
            reject_events(build_return_rejections(orders.unmatched_returns))
        forget_purchases(orders.cancelled)

    @contextmanager
    def record_run(self, *, waiting: int, oldest_seconds: float) -> Iterator[None]:
        """Record the start and the end of the run."""
        self.record = ProcessingRun.objects.create(started_at=self.at, waiting=waiting, oldest_seconds=oldest_seconds)
        try:
            yield
        except BaseException as error:
            with suppress(Error):  # the database may be what failed; then the next run marks this one as interrupted
                self._finish(JobStatus.FAILED, describe_error(error))
            raise
        self._finish(JobStatus.DONE, self.result.warehouse_error)

    def _finish(self, status: JobStatus, error: str) -> None:
        assert self.record is not None
        # the transactions of the batches have written the counts already
        finish_run(
            self.record, status, started=self.began, error=error, update_fields=["status", "error", "finished_at"]
        )

    def process_next(self, limit: int) -> int:
        """Process the next batch; return how many events it had."""
        events_before = self.result.events
        try:
            self._process(limit=limit)
        except (*EVENT_ERRORS, OperationalError) as error:
            if not is_event_error(error):
                raise
            logger.warning("A batch of events failed and is split (%s: %s)", type(error).__name__, error)
            self._isolate_failures(limit)
        return self.result.events - events_before

    def _isolate_failures(self, limit: int) -> None:
        """Halve a failing batch until each failing event is alone, and reject those events."""
        with transaction.atomic():
            claim = claim_events(limit=limit)
        if claim is None:
            return
        failed = self._probe(claim.ids)
        pending: list[list[int]] = [[event_id for event_id in claim.ids if event_id not in failed]]
        while pending:
            ids = pending.pop()
            cause = self._try(ids)
            if cause is None:
                continue
            if len(ids) == 1:
                failed[ids[0]] = cause
            else:
                middle = len(ids) // 2
                pending += [ids[middle:], ids[:middle]]
        for event_id, cause in failed.items():
            self._reject(event_id, cause)

    def _probe(self, ids: Sequence[int]) -> dict[int, Exception]:
        """Process a sample of the batch, each event alone; return the failures.

        Without the sample, a bug in the pipeline would reject every event of the batch.

        Raises:
            AllEventsFailError: every event of the sample fails.
        """
        if len(ids) < MIN_PROBED_EVENTS:
            return {}
        sample = ids[:: len(ids) // MIN_PROBED_EVENTS]
        failed = {event_id: cause for event_id in sample if (cause := self._try([event_id])) is not None}
        if len(failed) == len(sample):
            raise AllEventsFailError(len(failed), failed[sample[-1]]) from failed[sample[-1]]
        return failed

    def _try(self, ids: Sequence[int]) -> Exception | None:
        """Process events in a transaction of their own; return the error if one of them caused it."""
        try:
            self._process(ids=ids)
        except (*EVENT_ERRORS, OperationalError) as error:
            if not is_event_error(error):
                raise
            return error
        return None

    def _reject(self, event_id: int, cause: Exception) -> None:
        """Move an event from the outbox to the rejected events; the event itself stays stored."""
        logger.error("Event %s cannot be processed", event_id, exc_info=cause)
        reason = f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"
        result = ProcessingResult()
        with transaction.atomic():
            claim = claim_events(ids=[event_id])
            if claim is None:
                return
            reject_events([ProcessingRejection(event_id, PROCESSING_FAILED, reason)])
            release_events(claim)
            result.events, result.batches = 1, 1
            result.counts.update(failed=1)
            self._save_counts(result)
        self.result.add(result)

    def _process(self, *, limit: int = 0, ids: Sequence[int] | None = None) -> None:
        """Process one batch in one transaction, and retry if another transaction was in the way."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            result = ProcessingResult()
            try:
                with transaction.atomic():
                    claim = claim_events(limit=limit, ids=ids)
                    if claim is None:
                        return
                    after_commit = process_batch(claim, result, at=self.at)
                    self._save_counts(result)
            except (OperationalError, ResolutionRaceError) as error:
                if not is_transient(error) or attempt == MAX_ATTEMPTS:
                    raise
                logger.info("Retrying a batch of events: %s", str(error).splitlines()[0])
            else:
                # after the commit: files and links that are written now never belong to a batch that was rolled back
                self.result.add(result)
                finish_batch(after_commit, self.result)
                return

    def _save_counts(self, result: ProcessingResult) -> None:
        """Save the counts in the batch's transaction, so that they always match what was committed."""
        assert self.record is not None
        total = ProcessingResult()  # a copy: if the transaction is rolled back, self.result must not contain the batch
        total.add(self.result)
        total.add(result)
        self.record.events, self.record.batches = total.events, total.batches
        self.record.counts = dict(total.counts)
        self.record.stage_seconds = {name: round(value, 3) for name, value in total.stage_seconds.items()}
        self.record.save(update_fields=["events", "batches", "counts", "stage_seconds"])
        add_to_totals({"events": result.events, **result.counts})
