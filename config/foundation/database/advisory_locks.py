"""One run at a time, by an advisory lock of PostgreSQL: it is gone the moment its process is, however that ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from django.db import connection


class AlreadyRunningError(Exception):
    """The same job is under way in another process."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is already running; wait for it to end, then start again.")
        self.name = name


@contextmanager
def exclusive_lock(name: str) -> Iterator[None]:
    """Holds the lock ``name`` while the block runs.

    Raises:
        AlreadyRunningError: another session of this database holds it.
    """
    key = lock_key(name)
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


def lock_key(name: str) -> int:
    """The number by which PostgreSQL knows the lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
