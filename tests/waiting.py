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
    """Return whether a connection waits for a lock of PostgreSQL; pg_stat_activity would show the same until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return cursor.rowcount > 0
