"""Group commit: calls that wait at the same moment in this process are written by one statement.

A commit costs a flush of the write-ahead log and a statement its overhead, whether it brings one event or a thousand.
The thread that comes first writes what has gathered, for itself and the others; those who come meanwhile wait for the next
round. Each call gets its own outcome, after the commit.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from django.db import DatabaseError, OperationalError, connections

from config.foundation.database.array_parameters import register_arrays
from customers.events.collector.event_store import Call, Recorded, Refusal, Writer
from customers.events.collector.parsing import EventRow
from customers.events.recent.interactions import remember_interactions

logger = logging.getLogger(__name__)

MOST_ROWS = 5000  # in one statement
ENOUGH_ROWS = 12
GATHER_SECONDS = 0.001
PAUSE_SECONDS = 0.5  # after the server failed, calls are refused at once for this long
STATEMENT_SECONDS = 20
CONNECT_SECONDS = 3


@dataclass(slots=True)
class Waiting:
    """A call in the queue. ``turn`` is locked until its outcome is there, or until it is its turn to write."""

    call: Call
    turn: threading.Lock = field(default_factory=threading.Lock)
    result: Recorded | None = None
    error: Exception | None = None

    def outcome(self) -> Recorded:
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


class GroupCommit:
    """Records the calls of all threads of a process by one connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Waiting] = []
        self._writing = False
        self._in_company = False
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._down_until = 0.0

    def record(self, rows: Sequence[EventRow], refusals: Sequence[Refusal]) -> Recorded:
        """What became of the call, once it is committed; the recent list knows it by then.

        Raises:
            OperationalError: the database can't be reached; nothing that is not known to be stored may count as stored.
        """
        waiting = Waiting(Call(rows, refusals))
        waiting.turn.acquire()
        with self._lock:
            self._queue.append(waiting)
            first = not self._writing
            self._writing = True
        if not first:
            waiting.turn.acquire()  # released by whoever wrote the call, or handed over
            if waiting.result is not None or waiting.error is not None:
                return waiting.outcome()
        self._write_group()
        return waiting.outcome()

    def _write_group(self) -> None:
        if self._in_company and sum(len(waiting.call.rows) for waiting in self._queue[:ENOUGH_ROWS]) < ENOUGH_ROWS:
            time.sleep(GATHER_SECONDS)  # many small calls come at once: more of them fit into this statement
        with self._lock:
            group = self._take()
            self._in_company = len(group) > 1
        try:
            self._settle(group)
        finally:
            with self._lock:
                following = self._queue[0] if self._queue else None
                self._writing = following is not None
            for waiting in group[1:]:
                waiting.turn.release()
            if following is not None:
                following.turn.release()

    def _take(self) -> list[Waiting]:
        """The calls at the head of the queue, the caller's first."""
        count = rows = 0
        for waiting in self._queue:
            rows += len(waiting.call.rows) + len(waiting.call.refusals)
            if count and rows > MOST_ROWS:
                break
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        return group

    def _settle(self, group: list[Waiting]) -> None:
        """Gives every call of the group its result or its error."""
        try:
            results = self._write([waiting.call for waiting in group])
        except Exception as error:
            if len(group) == 1 or isinstance(error, OperationalError):
                for waiting in group:
                    waiting.error = error
            else:
                logger.exception("A group of %s calls failed: each is written by itself", len(group))
                for waiting in group:
                    self._settle([waiting])
            return
        for waiting, result in zip(group, results, strict=True):
            waiting.result = result
        remember_interactions(row for result in results for row in result.rows)

    def _write(self, calls: Sequence[Call]) -> list[Recorded]:
        if time.monotonic() < self._down_until:
            raise OperationalError("The database failed a moment ago.")
        try:
            try:
                return self._write_once(calls)
            except psycopg.OperationalError as error:
                # a connection may be older than the server's last restart; what was stored before it broke is a duplicate now
                logger.warning("Events could not be stored (%s): once more by a new connection", error)
                self.close()
                return self._write_once(calls)
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
            self.close()
            self._down_until = time.monotonic() + PAUSE_SECONDS
            raise OperationalError(str(error)) from error
        except psycopg.Error as error:
            raise DatabaseError(str(error)) from error

    def _write_once(self, calls: Sequence[Call]) -> list[Recorded]:
        if self._connection is None or self._connection.closed:
            self._connection = connect()
        return Writer(self._connection, self._connection.transaction).record(calls)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def connect() -> psycopg.Connection[tuple[object, ...]]:
    """A connection for the recording statement alone, whose plan never depends on what a call brings."""
    settings = connections["default"].settings_dict
    options = f"-c plan_cache_mode=force_generic_plan -c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC"
    connection = psycopg.connect(
        dbname=settings["NAME"],
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        options=options,
        application_name="perennial collector",
    )
    register_arrays(connection)
    return connection
