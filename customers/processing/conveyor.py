"""The conveyor: takes stored events off the outbox and tells each room what they mean to it, a transaction a batch.

Everything that follows from a batch is committed together with its leaving the outbox. Killed at any line and started again, it
loses and doubles nothing: a batch that was not committed is still waiting, one that was is not.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DataError, IntegrityError, OperationalError, transaction

from catalog.locks import exclusive
from catalog.progress import Progress, no_progress
from customers.events.recording import value_is_wrong
from customers.processing.batch import Claim, claim, read_events, release
from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun
from customers.processing.people import resolve_events
from customers.processing.tallies import add_to_tallies

logger = logging.getLogger(__name__)

LOCK = "process_events"
BATCH = 5_000
ATTEMPTS = 6
DIED = "The process ended before the run did; what it had not finished was still waiting and has been taken since."
# serialization_failure, deadlock_detected, lock_not_available: another transaction was first, the next try sees what it did
TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})
# what a single event can cause by what it holds; a server that is gone or full is no event's fault
SPOILT = (
    DataError,
    IntegrityError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)
FEWEST_TO_BLAME_US = 20


@dataclass
class Processed:
    """What a run did. ``counts`` says what the events became, ``stage_seconds`` where the time went."""

    events: int = 0
    batches: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    stage_seconds: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds[stage] += time.perf_counter() - began

    def add(self, other: "Processed") -> None:
        self.events += other.events
        self.batches += other.batches
        self.counts.update(other.counts)
        self.stage_seconds.update(other.stage_seconds)


class NothingWorksError(Exception):
    """Every event of a batch fails: that is no event's fault, and they stay on the outbox."""

    def __init__(self, events: int, error: Exception) -> None:
        super().__init__(f"All of {events} events fail, the last with {type(error).__name__}: {error}")


def process_events(
    *, at: datetime, limit: int | None = None, seconds: float | None = None, progress: Progress = no_progress
) -> Processed:
    """Processes what waits, oldest first, until nothing does; at most ``limit`` events, for about ``seconds``.

    Errors: AlreadyRunningError; NothingWorksError; errors of the database, after which everything unfinished still waits.
    """
    began = time.monotonic()
    with exclusive(LOCK):
        lag = measure_lag(at=at)
        run = Run(at, began)
        if not lag.waiting:
            return run.done
        with run.recorded(waiting=lag.waiting, oldest_seconds=lag.oldest_seconds):
            total = min(lag.waiting, limit or lag.waiting)
            while limit is None or run.done.events < limit:
                if not run.take(BATCH if limit is None else min(BATCH, limit - run.done.events)):
                    break
                progress(min(run.done.events, total), total)
                if seconds is not None and time.monotonic() - began >= seconds:
                    break
            progress(total, total)
    return run.done


class Run:
    """One emptying of the outbox."""

    def __init__(self, at: datetime, began: float) -> None:
        self.at = at
        self.began = began
        self.done = Processed()
        self.record: ProcessingRun | None = None

    @contextmanager
    def recorded(self, *, waiting: int, oldest_seconds: float) -> Iterator[None]:
        Status = ProcessingRun.Status
        ProcessingRun.objects.filter(status=Status.RUNNING).update(status=Status.FAILED, error=DIED)
        self.record = ProcessingRun.objects.create(started_at=self.at, waiting=waiting, oldest_seconds=oldest_seconds)
        try:
            yield
        except BaseException as error:
            self._finish(Status.FAILED, f"{type(error).__name__}: {error}")
            raise
        self._finish(Status.DONE, "")

    def _finish(self, status: str, error: str) -> None:
        assert self.record is not None
        self.record.status, self.record.error = status, error
        self.record.finished_at = self.at + timedelta(seconds=time.monotonic() - self.began)
        self.record.save(update_fields=["status", "error", "finished_at"])

    def take(self, limit: int) -> int:
        """Processes the next batch; how many events it had."""
        before = self.done.events
        try:
            self._process(limit=limit)
        except (*SPOILT, OperationalError) as error:
            if not is_spoilt(error):
                raise
            logger.warning("A batch of events fails (%s: %s): it is halved", type(error).__name__, error)
            self._halve(limit, error)
        return self.done.events - before

    def _halve(self, limit: int, error: Exception) -> None:
        """Finds the events that make a batch fail; each stands alone in the end and is set aside with its reason."""
        with transaction.atomic():
            claimed = claim(limit=limit)
        if claimed is None:
            return
        waiting: list[Sequence[int]] = [claimed.ids]
        good = 0
        bad: list[tuple[int, Exception]] = []
        while waiting:
            ids = waiting.pop()
            try:
                good += self._process(ids=ids)
            except (*SPOILT, OperationalError) as error:
                if not is_spoilt(error):
                    raise
                if len(ids) > 1:
                    middle = len(ids) // 2
                    waiting += [ids[middle:], ids[:middle]]
                    continue
                bad.append((ids[0], error))
                if len(bad) >= FEWEST_TO_BLAME_US and not good:
                    raise NothingWorksError(len(bad), error) from error
        for event_id, error in bad:
            self._set_aside(event_id, error)

    def _process(self, *, limit: int = 0, ids: Sequence[int] | None = None) -> int:
        """One transaction; tried again when another one was in its way. How many events left the outbox."""
        for attempt in range(1, ATTEMPTS + 1):
            done = Processed()
            try:
                with transaction.atomic():
                    claimed = claim(limit=limit, ids=ids)
                    if claimed is None:
                        return 0
                    self._work(claimed, done)
                    self._count(done)
            except OperationalError as error:
                if sqlstate(error) not in TRY_AGAIN or attempt == ATTEMPTS:
                    raise
                logger.info("A batch of events is tried again: %s", str(error).splitlines()[0])
            else:
                self.done.add(done)
                return done.events
        raise AssertionError("unreachable")

    def _work(self, claimed: Claim, done: Processed) -> None:
        with done.timed("read"):
            events = read_events(claimed)
        with done.timed("identity"):
            people = resolve_events(events, at=self.at)
        done.counts.update(people.counts)
        with done.timed("release"):
            release(claimed)
        done.events, done.batches = len(claimed.ids), 1

    def _count(self, done: Processed) -> None:
        """In the batch's transaction, so that what is counted is what has happened."""
        assert self.record is not None
        together = Processed()
        together.add(self.done)
        together.add(done)
        self.record.events, self.record.batches = together.events, together.batches
        self.record.counts = dict(together.counts)
        self.record.stage_seconds = {name: round(value, 3) for name, value in together.stage_seconds.items()}
        self.record.save(update_fields=["events", "batches", "counts", "stage_seconds"])
        add_to_tallies({"events": done.events, **done.counts})


def is_spoilt(error: Exception) -> bool:
    """Whether an event may have caused the error by what it holds."""
    return isinstance(error, SPOILT) or value_is_wrong(error)


def sqlstate(error: Exception) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""
