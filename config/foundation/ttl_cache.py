"""A cache of recent lookups in the process, so that a warm call makes no database query."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import PoolClosed

from config.foundation.database.wait_limits import limit_database_wait
from config.foundation.test_mode import is_test_mode

logger = logging.getLogger(__name__)

# A revoked key or a disabled source is rejected in every process after at most this time.
TTL_SECONDS = 5.0
REFRESH_SECONDS = 2.5  # older entries in use are refreshed in the background
DOWN_SECONDS = 5.0  # after a database failure, no call waits for the database during this time
STUCK_SECONDS = 1.0  # a refresh that takes longer means that the database does not answer
MAX_ENTRIES = 10_000


@lru_cache(maxsize=1)
def get_background_executor() -> ThreadPoolExecutor:
    """Return an executor with one thread, for work that no call waits for."""
    return ThreadPoolExecutor(1, thread_name_prefix="background")


def run_in_background(work: Callable[[], object]) -> bool:
    """Run database work in the background; inside a transaction, which other threads cannot see, run it immediately.

    If the operating system cannot start another thread, it is also run immediately. Returns False if the process is ending and the work is
    not run: executors accept no more work then, although daemon threads continue for a moment.
    """
    if connection.in_atomic_block:
        work()
        return True
    waiting = [work]
    try:
        get_background_executor().submit(_run_and_log, waiting)
    except RuntimeError as error:
        if "shutdown" in str(error):  # of the executor or of the interpreter; both are plain RuntimeErrors
            return False
        logger.warning("No thread for background work (%s); running it in the calling thread", error)
        # the executor keeps in its queue what it could not start a thread for, and runs it once it has one
        _run_logged(waiting.pop())
    return True


def _run_and_log(waiting: list[Callable[[], object]]) -> None:
    if not waiting:
        return
    try:
        _run_logged(waiting.pop())
    finally:
        connection.close()


def _run_logged(work: Callable[[], object]) -> None:
    try:
        with limit_database_wait():
            work()
    except Exception:
        logger.exception("Background work failed")


class TtlCache[T]:
    """Caches the values that ``load`` returns for ``TTL_SECONDS``, including None for an unknown key.

    Entries in use are refreshed in the background. While the database is down or does not answer, expired values are still
    returned: no key can be revoked during that time.
    """

    def __init__(self, load: Callable[[str], T | None]) -> None:
        self._load = load
        self._entries: dict[str, tuple[float, T | None]] = {}
        self._refreshes: dict[str, tuple[float, threading.Event]] = {}  # when each began, and the event of its end
        self._down_until = 0.0
        self._lock = threading.Lock()

    def get(self, key: str) -> T | None:
        """Return the value of a key.

        Raises:
            OperationalError, InterfaceError: the database is down, and the cache has no value for the key.
        """
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None:
            age = now - entry[0]
            if age < REFRESH_SECONDS or (entry[1] is None and age < TTL_SECONDS):
                return entry[1]
        if connection.in_atomic_block:
            return entry[1] if entry is not None and age < TTL_SECONDS else self._load_now(key)
        if entry is None or entry[1] is None:
            if self._is_down(now):
                raise OperationalError("The database failed a moment ago, or does not answer.")
            return self._load_now(key)
        if self._is_down(now):
            return entry[1]
        refresh = self._refresh_in_background(key)
        if age >= TTL_SECONDS:
            refresh.wait(STUCK_SECONDS)
        entry = self._entries.get(key)
        return entry[1] if entry is not None else self._load_now(key)

    def _is_down(self, now: float) -> bool:
        """Return whether the database failed a moment ago, or a refresh is stuck."""
        if now < self._down_until:
            return True
        if not self._refreshes:
            return False
        with self._lock:
            return any(now - started > STUCK_SECONDS for started, _event in self._refreshes.values())

    def _refresh_in_background(self, key: str) -> threading.Event:
        """Start loading a key unless another call has started already; return the event that is set when loading ends."""
        with self._lock:
            if key in self._refreshes:
                return self._refreshes[key][1]
            is_done = threading.Event()
            self._refreshes[key] = time.monotonic(), is_done

        def end() -> None:
            with self._lock:
                self._refreshes.pop(key, None)
            is_done.set()

        def refresh() -> None:
            try:
                self._load_now(key)
            finally:
                end()

        if not run_in_background(refresh):
            end()
        return is_done

    def _load_now(self, key: str) -> T | None:
        entry = self._entries.get(key)
        try:
            value = self._load_with_retry(key)
        except (OperationalError, InterfaceError) as error:
            self._down_until = time.monotonic() + DOWN_SECONDS
            if entry is None or entry[1] is None:
                raise
            logger.warning("Database not reachable (%s); using the cached value of the key", error)
            value = entry[1]
        if is_test_mode():
            return value  # it may contain what is about to be rolled back
        with self._lock:
            # unknown keys are cached too, so a caller who tries many keys must not fill the memory
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.clear()
            self._entries[key] = (time.monotonic(), value)
        return value

    def _load_with_retry(self, key: str) -> T | None:
        try:
            return self._load(key)
        except (OperationalError, InterfaceError, PoolClosed):
            if connection.in_atomic_block:
                raise
            # pooled connections may date from before a restart of the server, and Celery closes the pool after every task
            connection.close()
            pool = connection.pool  # type: ignore[attr-defined]  # attribute of the PostgreSQL backend
            if pool and not pool.closed:  # the check of a pool that is not open yet would keep it from ever growing
                pool.check()
            return self._load(key)

    def forget(self) -> None:
        with self._lock:
            self._entries.clear()
