"""Wait for other processes without a fixed sleep, hold locks for which they wait, and measure time without stalls of the machine."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from django.db import connection

# ends a test that would hang; long, because a machine that is five times slower than usual must not make a test fail
DEADLINE_SECONDS = 400
TICK_SECONDS, LONGEST_TICK_SECONDS = 0.05, 0.25
HOUR_SECONDS, LAST_SECONDS_OF_HOUR = 3600, 20.0


def wait_until(condition: Callable[[], object], *, what: str = "the condition") -> None:
    """Wait until the condition is true. Raises AssertionError after ``DEADLINE_SECONDS``."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {DEADLINE_SECONDS} s"
        time.sleep(0.02)


def compute_wait_for_next_hour(seconds: float) -> float:
    """Return how long to wait before a test that would start in the last seconds of an hour, 0 at other times.

    With the hour, a day ends in one of the time zones of the tests: what a test has made today would be of yesterday.

    seconds: since 1970.
    """
    left = HOUR_SECONDS - seconds % HOUR_SECONDS
    return left if left < LAST_SECONDS_OF_HOUR else 0.0


@contextmanager
def measure_running_seconds() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds since the beginning of the block, without those in which this process got no processor.

    A machine that stalls for a minute must not make a test fail that asserts a time limit.
    """
    total, last, lock, is_over = 0.0, time.monotonic(), threading.Lock(), threading.Event()

    def add_up() -> float:
        nonlocal total, last
        with lock:
            now = time.monotonic()
            total += min(now - last, LONGEST_TICK_SECONDS)
            last = now
            return total

    def tick() -> None:
        while not is_over.wait(TICK_SECONDS):
            add_up()

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield add_up
    finally:
        is_over.set()
        thread.join()


def is_lock_awaited() -> bool:
    """Return whether a connection to this database waits for a lock; the databases of other test processes are on the same server."""
    with connection.cursor() as cursor:
        # otherwise pg_stat_activity shows the same until the transaction ends
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
        )
        return cursor.rowcount > 0


def run_elsewhere[T](function: Callable[[], T]) -> T:
    """Return the result of a function that has a connection of its own, as in another process; the test has to commit."""

    def run() -> T:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@contextmanager
def hold_lock_elsewhere(name: str) -> Iterator[None]:
    """Hold an advisory lock in another session, as another process does.

    It is released before the session is closed: the server may end a session long after its client has closed it.
    """
    from config.foundation.database.advisory_locks import compute_lock_key
    from tests.child_processes import get_test_database_url

    key = compute_lock_key(name)
    with psycopg.connect(get_test_database_url(), autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [key])
        try:
            yield
        finally:
            session.execute("SELECT pg_advisory_unlock(%s)", [key])
