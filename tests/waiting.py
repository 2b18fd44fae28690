"""Wait for other processes without a fixed sleep."""

import time
from collections.abc import Callable

from django.db import connection

# ends a test that would hang; long, because a machine that is five times slower than usual must not make a test fail
DEADLINE_SECONDS = 400


def wait_until(condition: Callable[[], object], *, what: str = "the condition") -> None:
    """Wait until the condition is true. Raises AssertionError after ``DEADLINE_SECONDS``."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {DEADLINE_SECONDS} s"
        time.sleep(0.02)


def is_lock_awaited() -> bool:
    """Return whether a connection to this database waits for a lock; the databases of other test processes are on the same server."""
    with connection.cursor() as cursor:
        # otherwise pg_stat_activity shows the same until the transaction ends
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
        )
        return cursor.rowcount > 0


def count_other_advisory_locks() -> int:
    """Return the number of advisory locks that other connections to this database hold or wait for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]
