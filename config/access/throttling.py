"""How many requests a minute a caller may make, counted in Valkey; when Valkey is down, everybody passes."""

import time
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.access.grants import Grant
from config.foundation.valkey import ValkeyDownError, run_pipeline

WINDOW_SECONDS = 60


class KeyRateThrottle(BaseThrottle):
    """A count for each caller and minute of the clock, one round trip a request.

    A caller may make up to twice the limit within 60 seconds when these span two minutes of the clock.
    """

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        grant = request.auth
        if not isinstance(grant, Grant):
            return True  # refused already, by the permission
        limit = grant.requests_per_minute or settings.API_REQUESTS_PER_MINUTE
        now = self.now()
        count = count_request(grant.caller, minute=int(now // WINDOW_SECONDS))
        if count is None or count <= limit:
            return True
        self._wait = WINDOW_SECONDS - now % WINDOW_SECONDS
        return False

    def wait(self) -> float | None:
        return self._wait

    @staticmethod
    def now() -> float:
        return time.time()


def count_request(caller: str, *, minute: int) -> int | None:
    """How many requests the caller has made in that minute, this one included; None when nobody can tell."""
    key = throttle_key(caller, minute=minute)
    try:
        return int(run_pipeline(lambda pipe: pipe.incr(key).expire(key, 2 * WINDOW_SECONDS))[0])
    except ValkeyDownError:
        return None  # logged where it was noticed


def throttle_key(caller: str, *, minute: int) -> str:
    return f"throttle:{caller}:{minute}"
