"""Advisory locks of PostgreSQL, so that a job runs once at a time; a killed process releases its lock immediately."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from django.db import connection


class AlreadyRunningError(Exception):
    """The same job is running in another process."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is already running; wait until it has finished, then try again.")
        self.name = name


@contextmanager
def exclusive_lock(name: str) -> Iterator[None]:
    """Hold the lock ``name`` during the block.

    Raises:
        AlreadyRunningError: another database session holds it.
    """
    key = compute_lock_key(name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if not cursor.fetchone()[0]:
            raise AlreadyRunningError(name)
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def is_locked(name: str) -> bool:
    """Return whether a session of this database holds the lock: whether a process still works on the job."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
            " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND ((l.classid::bigint << 32) | l.objid::bigint) = %s)",
            [compute_lock_key(name)],
        )
        return bool(cursor.fetchone()[0])


def compute_lock_key(name: str) -> int:
    """Return the 64-bit number that PostgreSQL uses for the lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
