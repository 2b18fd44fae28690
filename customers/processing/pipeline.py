"""The conveyor: takes stored events off the outbox and tells each room what they mean to it, a transaction a batch.

Everything that follows from a batch is committed together with its leaving the outbox. Killed at any line and started again, it
loses and doubles nothing: a batch that was not committed is still waiting, one that was is not.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DataError, Error, IntegrityError, OperationalError, transaction

from config.foundation.database.advisory_locks import exclusive
from config.foundation.progress import Progress, no_progress
from customers.events.collector.event_store import value_is_wrong
from customers.events.recent.interactions import link_identifiers
from customers.feedback.review_events import project_reviews
from customers.identity.resolution.resolution import LinkingRaceError
from customers.lifecycle.refresh.profile_updates import follow, recount_due
from customers.orders.order_events.projection import project_orders
from customers.processing.customer_resolution import linked_identifiers, resolve_events
from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun
from customers.processing.outbox import Claim, claim, read_events, release
from customers.processing.rejections import PROCESSING_FAILED, RefusedEvent, refuse_events
from customers.processing.routing import activity_of, order_messages, review_messages
from customers.processing.totals import add_to_tallies
from customers.processing.unsubscribes import record_unsubscribes
from customers.warehouse.append import JOINED_FROM, Draft, draft_events, finish_appends, join_appended, publish
from customers.warehouse.parquet_files import WarehouseWriteError

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
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spend(stage, time.perf_counter() - began)

    def _spend(self, stage: str, seconds: float) -> None:
        self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds

    def add(self, other: "Processed") -> None:
        self.events += other.events
        self.batches += other.batches
        self.counts.update(other.counts)
        for stage, seconds in other.stage_seconds.items():
            self._spend(stage, seconds)


class NothingWorksError(Exception):
    """Every event of a batch fails: that is no event's fault, and they stay on the outbox."""

    def __init__(self, events: int, error: Exception) -> None:
        super().__init__(f"All of {events} events that were tried fail, the last with {type(error).__name__}: {error}")


def process_events(
    *, at: datetime, limit: int | None = None, seconds: float | None = None, progress: Progress = no_progress
) -> Processed:
    """Processes what waits, oldest first, until nothing does; at most ``limit`` events, for about ``seconds``.

    Errors: AlreadyRunningError; NothingWorksError; errors of the database, after which everything unfinished still waits.
    """
    began = time.monotonic()
    with exclusive(LOCK):
        run = Run(at, began)
        run.catch_up()
        lag = measure_lag(at=at)
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
        self.trouble = ""

    def catch_up(self) -> None:
        """What earlier runs left: files of a killed one, orders and profiles that had to wait for an import or a refresh."""
        Status = ProcessingRun.Status
        ProcessingRun.objects.filter(status=Status.RUNNING).update(status=Status.FAILED, error=DIED)
        try:
            finish_appends()
        except WarehouseWriteError as error:
            self._note_trouble(error)
        recount_due(as_of=self.at)
        with transaction.atomic():
            orders = project_orders(messages=[], at=self.at)
            follow(activity={}, created=(), ordered=orders.customer_ids, as_of=self.at)

    @contextmanager
    def recorded(self, *, waiting: int, oldest_seconds: float) -> Iterator[None]:
        Status = ProcessingRun.Status
        self.record = ProcessingRun.objects.create(started_at=self.at, waiting=waiting, oldest_seconds=oldest_seconds)
        try:
            yield
        except BaseException as error:
            with suppress(Error):  # the server may be what failed; the next run marks this one then
                self._finish(Status.FAILED, f"{type(error).__name__}: {error}")
            raise
        self._finish(Status.DONE, self.trouble)

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
            self._halve(limit)
        return self.done.events - before

    def _halve(self, limit: int) -> None:
        """Finds the events that make a batch fail; each stands alone in the end and is set aside with its reason."""
        with transaction.atomic():
            claimed = claim(limit=limit)
        if claimed is None:
            return
        bad = self._probe(claimed.ids)
        waiting: list[list[int]] = [[event_id for event_id in claimed.ids if event_id not in bad]]
        while waiting:
            ids = waiting.pop()
            cause = self._try(ids)
            if cause is None:
                continue
            if len(ids) == 1:
                bad[ids[0]] = cause
            else:
                middle = len(ids) // 2
                waiting += [ids[middle:], ids[:middle]]
        for event_id, cause in bad.items():
            self._set_aside(event_id, cause)

    def _probe(self, ids: Sequence[int]) -> dict[int, Exception]:
        """Tries some events from all over the batch, each alone. Raises NothingWorksError when none of them can be processed."""
        if len(ids) < FEWEST_TO_BLAME_US:
            return {}
        some = ids[:: len(ids) // FEWEST_TO_BLAME_US]
        bad = {event_id: cause for event_id in some if (cause := self._try([event_id])) is not None}
        if len(bad) == len(some):
            raise NothingWorksError(len(bad), bad[some[-1]]) from bad[some[-1]]
        return bad

    def _try(self, ids: Sequence[int]) -> Exception | None:
        """Processes events in a transaction of their own; what an event among them is to blame for."""
        try:
            self._process(ids=ids)
        except (*SPOILT, OperationalError) as error:
            if not is_spoilt(error):
                raise
            return error
        return None

    def _set_aside(self, event_id: int, cause: Exception) -> None:
        """The event stays stored; it leaves the outbox as a dead letter with its reason."""
        logger.error("Event %s cannot be processed", event_id, exc_info=cause)
        reason = f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"
        done = Processed()
        with transaction.atomic():
            claimed = claim(ids=[event_id])
            if claimed is None:
                return
            refuse_events([RefusedEvent(event_id, PROCESSING_FAILED, reason)])
            release(claimed)
            done.events, done.batches = 1, 1
            done.counts.update(failed=1)
            self._count(done)
        self.done.add(done)

    def _process(self, *, limit: int = 0, ids: Sequence[int] | None = None) -> int:
        """One transaction; tried again when another one was in its way. How many events left the outbox."""
        for attempt in range(1, ATTEMPTS + 1):
            done = Processed()
            try:
                with transaction.atomic():
                    claimed = claim(limit=limit, ids=ids)
                    if claimed is None:
                        return 0
                    follows = self._work(claimed, done)
                    self._count(done)
            except (OperationalError, LinkingRaceError) as error:
                if not is_passing(error) or attempt == ATTEMPTS:
                    raise
                logger.info("A batch of events is tried again: %s", str(error).splitlines()[0])
            else:
                self.done.add(done)
                self._follow_up(follows)
                return done.events
        raise AssertionError("unreachable")

    def _work(self, claimed: Claim, done: Processed) -> "Follows":
        """Everything that a batch means, in its transaction, as of now or of the last event that came in since the run began."""
        as_of = max(self.at, claimed.high)
        with done.timed("read"):
            events = read_events(claimed)
        with done.timed("identity"):
            people = resolve_events(events, at=as_of)
        with done.timed("orders"):
            orders = project_orders(messages=order_messages(events), at=as_of)
        with done.timed("feedback"):
            reviews = project_reviews(messages=review_messages(events, people.customer_ids))
        with done.timed("consents"):
            unsubscribed = record_unsubscribes(events, people.customer_ids)
        with done.timed("profiles"):
            follow(
                activity=activity_of(events, people.customer_ids),
                created=people.resolution.created,
                ordered=orders.customer_ids,
                as_of=as_of,
            )
        with done.timed("refused"):
            refused = refuse_events(
                RefusedEvent(events[place].id, code, reason)
                for place, code, reason in (*orders.refused, *reviews.refused)
            )
        with done.timed("release"):
            release(claimed)
        with done.timed("warehouse"):
            draft = self._append(claimed)
        done.events, done.batches = len(claimed.ids), 1
        done.counts.update(people.counts)
        done.counts.update(
            orders_created=orders.created,
            orders_updated=orders.updated,
            products_created=orders.products_created,
            reviews=reviews.written,
            unsubscribed=unsubscribed,
            refused=refused,
            appended=draft.rows if draft else 0,
        )
        return Follows(draft, linked_identifiers(events, people))

    def _append(self, claimed: Claim) -> Draft | None:
        """A warehouse that can't be written holds nobody up: the nightly export brings what is missing."""
        try:
            return draft_events(ids=claimed.ids, received=(claimed.low, claimed.high), at=self.at)
        except WarehouseWriteError as error:
            self._note_trouble(error)
            return None

    def _follow_up(self, follows: "Follows") -> None:
        """What comes after the commit: a process that dies here leaves it to the next one, or to the next event."""
        with self.done.timed("links"):
            link_identifiers(groups=follows.groups)
        if follows.draft is None:
            return
        with self.done.timed("files"):
            try:
                publish(follows.draft)
                if follows.draft.number % JOINED_FROM == 0:
                    join_appended()
            except WarehouseWriteError as error:
                self._note_trouble(error)

    def _note_trouble(self, error: WarehouseWriteError) -> None:
        if not self.trouble:
            logger.warning("%s", error)
        self.trouble = str(error)

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


@dataclass(frozen=True)
class Follows:
    """What a batch leaves to be done after its commit."""

    draft: Draft | None
    groups: list[list[tuple[str, str]]]


def is_passing(error: Exception) -> bool:
    """Whether the next try may succeed."""
    return isinstance(error, LinkingRaceError) or sqlstate(error) in TRY_AGAIN


def is_spoilt(error: Exception) -> bool:
    """Whether an event may have caused the error by what it holds."""
    return isinstance(error, SPOILT) or value_is_wrong(error)


def sqlstate(error: Exception) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""
