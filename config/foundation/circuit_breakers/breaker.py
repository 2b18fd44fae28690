"""Circuit breakers: after failures in a row, a destination is left alone for a while, then tried with one call.

All processes share the state in Valkey. While Valkey is not responding, each process keeps its own.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from config.foundation.circuit_breakers.scripts import ALLOW, FAIL, SPEND_RETRY, SUCCEED
from config.foundation.valkey import ValkeyDownError, run_command, run_script

logger = logging.getLogger(__name__)

PREFIX = "breaker:"
MAX_FAILURES = 5
OPEN_SECONDS, MAX_OPEN_SECONDS = 30, 600  # the pause doubles with every failed trial
PROBE_SECONDS = 60  # after which a trial without a result is repeated
FORGET_SECONDS = 86_400
RETRY_SHARE, MIN_RETRIES, MAX_RETRIES = 0.2, 10, 100  # retries per first attempt; initial and largest budget
MAX_REASON = 300
SCAN_KEYS = 1000


@dataclass(frozen=True)
class BreakerState:
    """What is known about a destination. state: "closed" (calls go out), "open" (they wait) or "half-open" (one is tried)."""

    name: str
    state: str
    failures: int
    reason: str = ""
    opened_at: datetime | None = None
    retry_at: datetime | None = None


@dataclass
class LocalState:
    """The state of a destination in this process; times are those of the clock that never jumps."""

    failures: int = 0
    opens: int = 0
    until: float = 0.0
    probe_until: float = 0.0


class CircuitBreaker:
    """The breaker of one destination, such as ``webhook:https://shop.example``."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._local = LocalState()
        self._is_clean = False  # there are no failures to forget

    def allow(self) -> bool:
        """Return whether a call may go out now. While half-open, only the first caller may."""
        return self.find_permission() != "no"

    def find_permission(self) -> str:
        """Return "yes", "no", or "probe": the caller makes the only trial and records its result."""
        try:
            answer = run_script(ALLOW, PREFIX + self.name, PROBE_SECONDS * 1000, MAX_OPEN_SECONDS * 1000)
        except ValkeyDownError:
            return self._allow_locally()
        permission = answer.decode() if isinstance(answer, bytes) else str(answer)
        self._is_clean = permission == "clean"
        return "yes" if permission == "clean" else permission

    def record_success(self) -> None:
        """Forget the failures: the destination answers."""
        self._local = LocalState()
        if self._is_clean:
            return
        try:
            if run_script(SUCCEED, PREFIX + self.name):
                logger.warning("%s answers again", self.name)
        except ValkeyDownError:
            return

    def record_failure(self, reason: str) -> None:
        """Count a failure; the breaker opens after some in a row, or when a trial failed."""
        self._is_clean = False
        self._fail_locally()
        arguments = (MAX_FAILURES, OPEN_SECONDS * 1000, MAX_OPEN_SECONDS * 1000, FORGET_SECONDS, reason[:MAX_REASON])
        try:
            opened = run_script(FAIL, PREFIX + self.name, *arguments)
        except ValkeyDownError:
            return
        if opened:
            logger.warning("%s fails (%s): no calls for %d s", self.name, reason[:MAX_REASON], int(opened) // 1000)

    def reset(self) -> None:
        """Allow calls immediately, for an operator who has repaired the destination. Raises ValkeyDownError."""
        self._local = LocalState()
        run_command("DEL", PREFIX + self.name, f"{PREFIX}retries:{self.name}")

    def may_retry(self) -> bool:
        """Take a retry out of the destination's budget; first attempts refill it. Without Valkey, retries are allowed."""
        return self._spend(retry=True)

    def record_first_attempt(self) -> None:
        """Add to the retry budget."""
        self._spend(retry=False)

    def _spend(self, *, retry: bool) -> bool:
        change = "-1" if retry else str(RETRY_SHARE)
        try:
            key = f"{PREFIX}retries:{self.name}"
            return bool(run_script(SPEND_RETRY, key, change, MIN_RETRIES, MAX_RETRIES, FORGET_SECONDS))
        except ValkeyDownError:
            return True

    def _allow_locally(self) -> str:
        now, local = self._clock(), self._local
        if local.failures < MAX_FAILURES:
            return "yes"
        if now < local.until or now < local.probe_until:
            return "no"
        local.probe_until = now + PROBE_SECONDS
        return "probe"

    def _fail_locally(self) -> None:
        local = self._local
        local.failures += 1
        local.probe_until = 0.0
        if local.failures >= MAX_FAILURES:
            local.until = self._clock() + min(OPEN_SECONDS * 2.0**local.opens, MAX_OPEN_SECONDS)
            local.opens += 1


def list_breakers() -> list[BreakerState]:
    """Return the destinations with failures; none while Valkey is not responding."""
    breakers: list[BreakerState | None] = []
    cursor = b"0"
    try:
        while True:
            cursor, keys = run_command("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", SCAN_KEYS)
            names = (key.decode() for key in keys if not key.startswith(f"{PREFIX}retries:".encode()))
            breakers.extend(map(read_state, names))
            if cursor in (b"0", 0):
                break
    except ValkeyDownError:
        return []
    return sorted((state for state in breakers if state is not None), key=lambda state: state.name)


def read_state(key: str) -> BreakerState | None:
    stored = run_command("HGETALL", key)
    pairs = stored.items() if isinstance(stored, dict) else zip(stored[::2], stored[1::2], strict=True)
    fields = {name.decode(): value.decode() for name, value in pairs}
    if not fields:
        return None
    until, probe = int(fields.get("until", 0)), int(fields.get("probe", 0))
    now = time.time() * 1000
    state = "closed" if not until else "half-open" if probe > now or until <= now else "open"
    return BreakerState(
        name=key.removeprefix(PREFIX),
        state=state,
        failures=int(fields.get("failures", 0)),
        reason=fields.get("reason", ""),
        opened_at=parse_moment(fields.get("opened", "")),
        retry_at=parse_moment(fields.get("until", "")),
    )


def parse_moment(milliseconds: str) -> datetime | None:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds and milliseconds != "0" else None
