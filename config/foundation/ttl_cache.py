"""Keys that were looked up a moment ago, so that a warm call makes no database query."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# A key that is revoked, or a source that is disabled, is refused everywhere after at most this long.
TTL_SECONDS = 5.0
REFRESH_SECONDS = 2.5  # of a key in use, beside the calls that use it
DOWN_SECONDS = 5.0  # after the database failed nobody waits for it again for so long
MAX_ENTRIES = 10_000


@lru_cache(maxsize=1)
def get_background_executor() -> ThreadPoolExecutor:
    """One thread for what no call is to wait for."""
    return ThreadPoolExecutor(1, thread_name_prefix="beside-calls")


def run_in_background(work: Callable[[], object]) -> None:
    """Does something with the database beside the call that wants it; in an open transaction, which no other thread sees, at once."""
    if connection.in_atomic_block:
        work()
    else:
        get_background_executor().submit(_done_beside, work)


def _done_beside(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        logger.exception("Something beside a call failed")
    finally:
        connection.close()


class TtlCache[T]:
    """What ``load`` answered for a key, for ``REMEMBERED_SECONDS``; that nothing was found is remembered as well.

    A key in use is asked again beside the calls. While the database can't be asked, an answer that has grown too old is still given:
    nobody can revoke a key then.
    """

    def __init__(self, load: Callable[[str], T | None]) -> None:
        self._load = load
        self._answers: dict[str, tuple[float, T | None]] = {}
        self._asking: set[str] = set()
        self._down_until = 0.0
        self._lock = threading.Lock()

    def get(self, key: str) -> T | None:
        """Raises OperationalError or InterfaceError when the database is down and the key was never seen."""
        now = time.monotonic()
        known = self._answers.get(key)
        if known is not None:
            age = now - known[0]
            if age < REFRESH_SECONDS:
                return known[1]
            if known[1] is not None and (age < TTL_SECONDS or now < self._down_until):
                if now >= self._down_until and not connection.in_atomic_block:
                    self._ask_beside(key)
                return known[1]
            if age < TTL_SECONDS:
                return known[1]
        return self._ask_now(key)

    def _ask_beside(self, key: str) -> None:
        with self._lock:
            if key in self._asking:
                return
            self._asking.add(key)

        def ask() -> None:
            try:
                self._ask_now(key)
            finally:
                with self._lock:
                    self._asking.discard(key)

        run_in_background(ask)

    def _ask_now(self, key: str) -> T | None:
        known = self._answers.get(key)
        try:
            answer = self._ask(key)
        except (OperationalError, InterfaceError) as error:
            self._down_until = time.monotonic() + DOWN_SECONDS
            if known is None or known[1] is None:
                raise
            logger.warning("Database unreachable (%s): a key known before is trusted meanwhile", error)
            answer = known[1]
        with self._lock:
            if len(self._answers) >= MAX_ENTRIES:
                self._answers.clear()
            self._answers[key] = (time.monotonic(), answer)
        return answer

    def _ask(self, key: str) -> T | None:
        try:
            return self._load(key)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise
            # pooled connections may be older than the server's last restart
            connection.close()
            if connection.pool:  # type: ignore[attr-defined]  # PostgreSQL's own
                connection.pool.check()  # type: ignore[attr-defined]
            return self._load(key)

    def forget(self) -> None:
        with self._lock:
            self._answers.clear()
