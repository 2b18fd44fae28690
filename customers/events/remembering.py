"""Keys that were looked up a moment ago, so that a warm call makes no database query."""

import logging
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# A key that is revoked, or a source that is disabled, is refused everywhere after at most this long.
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000


class Memory[T]:
    """What ``load`` answered for a key, for ``REMEMBERED_SECONDS``; that nothing was found is remembered as well.

    While the database can't be asked, an answer that has grown too old is still given: nobody can revoke a key then.
    """

    def __init__(self, load: Callable[[str], T | None]) -> None:
        self._load = load
        self._answers: dict[str, tuple[float, T | None]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> T | None:
        """Raises OperationalError or InterfaceError when the database is down and the key was never seen."""
        now = time.monotonic()
        known = self._answers.get(key)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        try:
            answer = self._ask(key)
        except (OperationalError, InterfaceError) as error:
            if known is None or known[1] is None:
                raise
            logger.warning("Database unreachable (%s): a key known before is trusted meanwhile", error)
            answer = known[1]
        with self._lock:
            if len(self._answers) >= MOST_REMEMBERED:
                self._answers.clear()
            self._answers[key] = (now, answer)
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
