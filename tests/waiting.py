"""Wait for other processes without a fixed sleep."""

import time
from collections.abc import Callable

from django.db import connection


def wait_until(condition: Callable[[], object], *, within: float = 30.0, what: str = "the condition") -> None:
    """Wait until the condition is true. Raises AssertionError after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within} s"
        time.sleep(0.02)


def is_lock_awaited() -> bool:
    """Return whether a connection waits for a lock of PostgreSQL; pg_stat_activity would show the same until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return cursor.rowcount > 0
