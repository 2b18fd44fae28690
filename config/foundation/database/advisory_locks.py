"""Advisory locks of PostgreSQL, so that a job never runs twice at the same time; a killed process releases its lock immediately."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any, LiteralString

import psycopg
from django.db import connection
from django.db.utils import OperationalError

from config.foundation.database.direct_connection import is_pooled, open_direct_connection


class AlreadyRunningError(Exception):
    """The same job is running in another process."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is already running; wait until it has finished, then try again.")
        self.name = name


class _LockSession(threading.local):
    """The session that holds this thread's locks behind a pooler, and the number of locks; nested locks share it, as they share a connection."""

    connection: psycopg.Connection[tuple[Any, ...]] | None = None
    locks = 0


_session = _LockSession()


@contextmanager
def open_lock_session() -> Iterator[psycopg.Connection[tuple[Any, ...]] | None]:
    """Yield the connection that holds session locks; None if Django's own connection does. Errors: OperationalError.

    A pooler can run each transaction in a different session, so locks need a separate connection that bypasses it.
    """
    if not is_pooled():
        yield None
        return
    if _session.connection is None or _session.connection.closed:
        try:
            _session.connection = open_direct_connection()
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error
    _session.locks += 1
    try:
        yield _session.connection
    finally:
        _session.locks -= 1
        if _session.locks == 0 and _session.connection is not None:
            _session.connection.close()
            _session.connection = None


@contextmanager
def exclusive_lock(name: str) -> Iterator[None]:
    """Hold the lock ``name`` during the block.

    Raises:
        AlreadyRunningError: another database session holds it.
    """
    key = compute_lock_key(name)
    with open_lock_session() as session:
        if not fetch_value(session, "SELECT pg_try_advisory_lock(%s)", key):
            raise AlreadyRunningError(name)
        try:
            yield
        finally:
            release_lock(session, key)


def release_lock(session: psycopg.Connection[tuple[Any, ...]] | None, key: int) -> None:
    """Release a lock of the session, unless the session has ended, which released all its locks."""
    if session is not None:
        with suppress(psycopg.OperationalError):
            fetch_value(session, "SELECT pg_advisory_unlock(%s)", key)
    elif connection.connection is not None and not connection.connection.closed:
        fetch_value(None, "SELECT pg_advisory_unlock(%s)", key)


def fetch_value(session: psycopg.Connection[tuple[Any, ...]] | None, statement: LiteralString, key: int) -> Any:
    """Return the value of a statement in the session that holds locks, by default that of Django."""
    if session is not None:
        row = session.execute(statement, [key]).fetchone()
    else:
        with connection.cursor() as cursor:
            cursor.execute(statement, [key])
            row = cursor.fetchone()
    return row[0] if row else None


def is_locked(name: str) -> bool:
    """Return whether a session of this database holds the lock: whether a process still works on the job."""
    return bool(find_locked([name]))


def find_locked(names: Sequence[str]) -> set[str]:
    """Return those of the locks that a session of this database holds."""
    keys = {compute_lock_key(name): name for name in names}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (l.classid::bigint << 32) | l.objid::bigint FROM pg_locks l"
            " JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
            " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND ((l.classid::bigint << 32) | l.objid::bigint) = ANY(%s)",
            [list(keys)],
        )
        return {keys[key] for (key,) in cursor}


def name_task_lock(task: str) -> str:
    """Return the name of the lock that an exclusive task holds while it runs."""
    return f"task:{task}"


def wait_until_released(name: str, *, seconds: float) -> None:
    """Wait until no session of this database holds the lock. Raises AlreadyRunningError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while is_locked(name):
        if time.monotonic() > deadline:
            raise AlreadyRunningError(name)
        time.sleep(0.1)


def compute_lock_key(name: str) -> int:
    """Return the 64-bit number that PostgreSQL uses for the lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
