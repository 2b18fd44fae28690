"""Group commit: calls that wait at the same time in this process are stored by one statement.

Each commit costs a flush of the write-ahead log, and each statement has an overhead, whether it stores one event or a thousand.
If no other call is waiting, a call is written by its own thread. While a statement runs, further calls queue up without holding their threads,
and a thread of the group commit writes them. Each call gets its own result, after the commit.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg
from django.db import DatabaseError, OperationalError, connections

from config.foundation.database.array_parameters import register_array_dumpers
from config.foundation.database.wait_limits import limit_database_wait
from customers.events.collector.event_store import CollectorCall, EventWriter, RejectedItem, StoreResult, count_items
from customers.events.collector.parsing import EventRow
from customers.events.recent.interactions import remember_interactions

logger = logging.getLogger(__name__)

MAX_ROWS = 5000  # in one statement
MAX_WAITING_ROWS = 10_000  # parsed rows in memory; beyond them, the threads of further calls wait
MIN_GROUP_ROWS = 12
GROUPING_SECONDS = 0.001
OUTAGE_SECONDS = 0.5  # after the server failed, calls are refused immediately for this long
STATEMENT_TIMEOUT_SECONDS = 20
CONNECT_TIMEOUT_SECONDS = 3


class PendingCall:
    """A call in the queue, and its result after the commit."""

    __slots__ = ("_callback", "_error", "_has_callback_or_result", "_result", "call", "size")

    def __init__(self, call: CollectorCall) -> None:
        self.call = call
        self.size = len(call.rows) + len(call.rejected)
        self._result: StoreResult | None = None
        self._error: Exception | None = None
        self._callback: Callable[[], None] | None = None
        # Acquired by whichever is first, the callback or the result; the second one finds it locked and runs the callback.
        self._has_callback_or_result = threading.Lock()

    def get_result(self) -> StoreResult:
        """Return the result or raise the error, once the call is finished."""
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def when_finished(self, callback: Callable[[], None]) -> None:
        """Call a function once, in this thread if the call is finished, otherwise in the one that finishes it."""
        self._callback = callback
        if not self._has_callback_or_result.acquire(blocking=False):
            callback()

    def wait(self) -> StoreResult:
        """Wait for the result and return it, or raise the error; instead of `when_finished`."""
        finished = threading.Lock()
        finished.acquire()
        self.when_finished(finished.release)
        finished.acquire()
        return self.get_result()

    def finish(self, result: StoreResult | Exception) -> None:
        """Set the result or the error."""
        if isinstance(result, Exception):
            self._error = result
        else:
            self._result = result
        if not self._has_callback_or_result.acquire(blocking=False) and self._callback is not None:
            try:
                self._callback()
            except Exception:  # the other calls of the group must finish too
                logger.exception("The result of a call could not be passed on")


class GroupCommit:
    """Stores the calls of all threads of a process through one connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[PendingCall] = []
        self._waiting_rows = 0
        self._is_writing = False
        self._was_shared = False  # whether the last group had more than one call
        self._writer: threading.Thread | None = None
        self._has_queue = threading.Semaphore(0)  # released once whenever the writer must empty the queue
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._down_until = 0.0

    def store(self, rows: Sequence[EventRow], rejected: Sequence[RejectedItem]) -> StoreResult:
        """Store a call and return its result after the commit; the recent interactions include it by then.

        Raises:
            OperationalError: the database is unreachable; a call may only count as stored when that is certain.
        """
        return self.submit(rows, rejected).wait()

    def submit(self, rows: Sequence[EventRow], rejected: Sequence[RejectedItem]) -> PendingCall:
        """Store a call now if no other is being written, otherwise soon; its result is that of `store`.

        Waits while too many rows are in the queue.
        """
        pending = PendingCall(CollectorCall(rows, rejected))
        with self._lock:
            self._queue.append(pending)
            self._waiting_rows += pending.size
            is_first = not self._is_writing
            self._is_writing = True
            is_full = self._waiting_rows > MAX_WAITING_ROWS
        if is_first:
            self._write_groups(limit=1)
        elif is_full:
            self._wait_for(pending)
        return pending

    def _wait_for(self, pending: PendingCall) -> None:
        with suppress(Exception):  # whoever asks for the result gets the error
            pending.wait()

    def _write_groups(self, *, limit: int | None = None) -> None:
        """Write what is in the queue until it is empty; after ``limit`` groups, leave the rest to the writer.

        At every moment at most one thread writes, and whatever is in the queue has a thread that will write it.
        """
        written = 0
        has_more = True
        try:
            while has_more and written != limit:
                self._write_group()
                written += 1
                with self._lock:
                    has_more = self._is_writing = bool(self._queue)
        except BaseException:
            with self._lock:
                has_more = self._is_writing = bool(self._queue)
            raise
        finally:
            if has_more:
                self._wake_writer()

    def _wake_writer(self) -> None:
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=self._write_whenever_needed, name="group-commit", daemon=True)
            self._writer.start()
        self._has_queue.release()

    def _write_whenever_needed(self) -> None:
        while True:
            self._has_queue.acquire()
            try:
                self._write_groups()
            except Exception:  # this thread must live as long as the process
                logger.exception("A group of calls could not be stored")

    def _write_group(self) -> None:
        if (
            self._was_shared
            and sum(len(pending.call.rows) for pending in self._queue[:MIN_GROUP_ROWS]) < MIN_GROUP_ROWS
        ):
            # Under load, a millisecond of waiting puts many more small calls into this statement and saves their commits. After a
            # group of one call there is no load, and nothing waits.
            time.sleep(GROUPING_SECONDS)
        with self._lock:
            group = self._take_group()
            self._was_shared = len(group) > 1
        results: Sequence[StoreResult | Exception] = [OperationalError("The call was interrupted.")] * len(group)
        try:
            results = self._store_group(group)
        finally:
            for pending, result in zip(group, results, strict=True):
                pending.finish(result)

    def _take_group(self) -> list[PendingCall]:
        """Remove and return the calls at the head of the queue."""
        count = rows = 0
        for pending in self._queue:
            if count and rows + pending.size > MAX_ROWS:
                break
            rows += pending.size
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        self._waiting_rows -= rows
        return group

    def _store_group(self, group: list[PendingCall]) -> Sequence[StoreResult | Exception]:
        """Return the result or the error of every call in the group."""
        try:
            results = self._write([pending.call for pending in group])
        except Exception as error:
            if len(group) == 1 or isinstance(error, OperationalError):
                return [error] * len(group)
            logger.exception("A group of %s calls failed; each is stored separately", len(group))
            return [result for pending in group for result in self._store_group([pending])]
        count_items(results)
        remember_interactions(row for result in results for row in result.rows)
        return results

    def _write(self, calls: Sequence[CollectorCall]) -> list[StoreResult]:
        if time.monotonic() < self._down_until:
            raise OperationalError("The database failed a moment ago.")
        try:
            try:
                return self._write_once(calls)
            except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
                # the connection may predate a restart of the server, or lead to one that has become a standby; what was stored before it
                # broke is a duplicate now
                logger.warning("Events could not be stored (%s); retrying with a new connection", error)
                self.close()
                return self._write_once(calls)
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
            self.close()
            self._down_until = time.monotonic() + OUTAGE_SECONDS
            raise OperationalError(str(error)) from error
        except psycopg.Error as error:
            raise DatabaseError(str(error)) from error

    def _write_once(self, calls: Sequence[CollectorCall]) -> list[StoreResult]:
        if self._connection is None or self._connection.closed:
            self._connection = open_connection()
        with limit_database_wait(lambda: self._connection):
            return EventWriter(self._connection, self._connection.transaction).store(calls)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def open_connection() -> psycopg.Connection[tuple[object, ...]]:
    """Open a connection for the insert statement only, with one generic plan that fits calls of any size."""
    settings = connections["default"].settings_dict
    options = f"-c plan_cache_mode=force_generic_plan -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c timezone=UTC"
    connection = psycopg.connect(
        dbname=settings["NAME"],
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        target_session_attrs=settings.get("OPTIONS", {}).get("target_session_attrs") or None,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=options,
        application_name="perennial collector",
    )
    register_array_dumpers(connection)
    return connection
