"""A rate limiter in the process: it costs no round trip and works while Valkey does not."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MAX_SUBJECTS = 50_000


@dataclass(slots=True)
class Usage:
    """What a subject has used in the current window."""

    window: int
    requests: int = 0
    bytes: int = 0
    names: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class RateLimits:
    """The most that one subject may use per window."""

    requests: int
    bytes: int
    names: int


class RateLimiter:
    """Counts requests, bytes and distinct names per subject in fixed time windows, such as each minute of the clock.

    Each process counts for itself, so with two web processes a subject may use up to twice the limits. Memory is bounded: when
    there are too many subjects, those of earlier windows are dropped, then all.
    """

    def __init__(self, *, window_seconds: int = 60, clock: Callable[[], float] = time.time) -> None:
        self.window_seconds = window_seconds
        self._clock = clock
        self._usages: dict[str, Usage] = {}
        self._lock = threading.Lock()

    def count(
        self, subject: str, limits: RateLimits, *, number: int = 1, bytes: int = 0, names: Iterable[str] = ()
    ) -> int:
        """Count requests; return 0 if they are within the limits, otherwise the seconds until the next window."""
        with self._lock:
            usage = self._get_usage(subject)
            usage.requests += number
        return self.add(subject, limits, bytes=bytes, names=names)

    def add(self, subject: str, limits: RateLimits, *, bytes: int = 0, names: Iterable[str] = ()) -> int:
        """Add bytes and names to a request that was counted already; return the seconds to wait, as `count` does."""
        with self._lock:
            usage = self._get_usage(subject)
            usage.bytes += bytes
            for name in names:
                if len(usage.names) > limits.names:
                    break
                usage.names.add(hash(name))
            if usage.requests <= limits.requests and usage.bytes <= limits.bytes and len(usage.names) <= limits.names:
                return 0
        return self.window_seconds - int(self._clock()) % self.window_seconds

    def reset(self) -> None:
        """Forget all usage."""
        with self._lock:
            self._usages.clear()

    def _get_usage(self, subject: str) -> Usage:
        window = int(self._clock()) // self.window_seconds
        usage = self._usages.get(subject)
        if usage is None or usage.window != window:
            if len(self._usages) >= MAX_SUBJECTS:
                self._usages = {name: other for name, other in self._usages.items() if other.window == window}
                if len(self._usages) >= MAX_SUBJECTS:
                    self._usages.clear()
            usage = self._usages[subject] = Usage(window)
        return usage


_local_limiter = RateLimiter()


def count_locally(subject: str, *, max_requests: int, number: int = 1) -> int:
    """Count requests in this process, because the shared count is unavailable; return the seconds to wait, or 0."""
    return _local_limiter.count(subject, RateLimits(requests=max_requests, bytes=0, names=0), number=number)
