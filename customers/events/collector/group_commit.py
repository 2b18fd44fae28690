"""Group commit: calls that wait at the same time in this process are stored by one statement.

A commit costs a flush of the write-ahead log and a statement its overhead, whether it stores one event or a thousand.
The first thread writes what has queued up, for itself and the others; threads that arrive meanwhile wait for the next
group. Each call gets its own result, after the commit.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from django.db import DatabaseError, OperationalError, connections

from config.foundation.database.array_parameters import register_array_dumpers
from config.foundation.database.wait_limits import limit_database_wait
from customers.events.collector.event_store import CollectorCall, EventWriter, RejectedItem, StoreResult
from customers.events.collector.parsing import EventRow
from customers.events.recent.interactions import remember_interactions

logger = logging.getLogger(__name__)

MAX_ROWS = 5000  # in one statement
MIN_GROUP_ROWS = 12
GROUPING_SECONDS = 0.001
OUTAGE_SECONDS = 0.5  # after the server failed, calls are refused at once for this long
STATEMENT_TIMEOUT_SECONDS = 20
CONNECT_TIMEOUT_SECONDS = 3


@dataclass(slots=True)
class QueuedCall:
    """A call in the queue; ``turn`` is released when the result is available or this thread must write the next group."""

    call: CollectorCall
    turn: threading.Lock = field(default_factory=threading.Lock)
    result: StoreResult | None = None
    error: Exception | None = None

    def get_result(self) -> StoreResult:
        """Return the result or raise the error."""
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


class GroupCommit:
    """Stores the calls of all threads of a process through one connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[QueuedCall] = []
        self._is_writing = False
        self._was_shared = False  # whether the last group had more than one call
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._down_until = 0.0

    def store(self, rows: Sequence[EventRow], rejected: Sequence[RejectedItem]) -> StoreResult:
        """Store a call and return its result after the commit; the recent interactions include it by then.

        Raises:
            OperationalError: the database is unreachable; a call may only count as stored when that is certain.
        """
        queued = QueuedCall(CollectorCall(rows, rejected))
        queued.turn.acquire()
        with self._lock:
            self._queue.append(queued)
            is_first = not self._is_writing
            self._is_writing = True
        if not is_first:
            # The thread that writes releases this lock: either it stored this call too, or this thread writes the next group.
            queued.turn.acquire()
            if queued.result is not None or queued.error is not None:
                return queued.get_result()
        self._write_group()
        return queued.get_result()

    def _write_group(self) -> None:
        if self._was_shared and sum(len(queued.call.rows) for queued in self._queue[:MIN_GROUP_ROWS]) < MIN_GROUP_ROWS:
            # Under load, a millisecond of waiting puts many more small calls into this statement and saves their commits. After a
            # group of one call there is no load, and nothing waits.
            time.sleep(GROUPING_SECONDS)
        with self._lock:
            group = self._take_group()
            self._was_shared = len(group) > 1
        try:
            self._store_group(group)
        finally:
            # The successor is chosen before the waiting threads continue: at every moment at most one thread writes, and a
            # queued call always has a thread that will write it.
            with self._lock:
                successor = self._queue[0] if self._queue else None
                self._is_writing = successor is not None
            for queued in group[1:]:
                queued.turn.release()
            if successor is not None:
                successor.turn.release()

    def _take_group(self) -> list[QueuedCall]:
        """Remove and return the calls at the head of the queue, the caller's first."""
        count = rows = 0
        for queued in self._queue:
            rows += len(queued.call.rows) + len(queued.call.rejected)
            if count and rows > MAX_ROWS:
                break
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        return group

    def _store_group(self, group: list[QueuedCall]) -> None:
        """Set the result or the error of every call in the group."""
        try:
            results = self._write([queued.call for queued in group])
        except Exception as error:
            if len(group) == 1 or isinstance(error, OperationalError):
                for queued in group:
                    queued.error = error
            else:
                logger.exception("A group of %s calls failed; each is stored separately", len(group))
                for queued in group:
                    self._store_group([queued])
            return
        for queued, result in zip(group, results, strict=True):
            queued.result = result
        remember_interactions(row for result in results for row in result.rows)

    def _write(self, calls: Sequence[CollectorCall]) -> list[StoreResult]:
        if time.monotonic() < self._down_until:
            raise OperationalError("The database failed a moment ago.")
        try:
            try:
                return self._write_once(calls)
            except psycopg.OperationalError as error:
                # the connection may predate a restart of the server; what was stored before it broke is a duplicate now
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
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=options,
        application_name="perennial collector",
    )
    register_array_dumpers(connection)
    return connection
