"""Rate limits per caller and minute, counted in Valkey; without Valkey, each process counts for itself."""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.access.grants import Grant
from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally
from config.foundation.test_mode import allow_valkey_writes
from config.foundation.valkey import ValkeyDownError, run_pipeline

WINDOW_SECONDS = 60


class KeyRateThrottle(BaseThrottle):
    """Counts requests per caller and clock minute, with one round trip per request.

    Within 60 seconds that span two clock minutes, a caller can make up to twice the limit. A view whose requests do the work of
    several defines ``count_further_requests(request)``, which is called once the request itself is counted.
    """

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        grant = request.auth
        if not isinstance(grant, Grant):
            return True  # the permission class rejects it
        if not self._count(grant, request, 1):
            return False
        further = view.count_further_requests(request) if hasattr(view, "count_further_requests") else 0
        self._require_possible(grant, further + 1)
        return further <= 0 or self._count(grant, request, further)

    @staticmethod
    def _require_possible(grant: Grant, number: int) -> None:
        """Raise ValidationError if a request counts as more requests than a minute allows: waiting would never help."""
        limit = get_limit(grant)
        if number > limit:
            text = _(
                "The request counts as %(number)d requests, but the limit is %(limit)d per minute. Send smaller requests or raise the limit."
            )
            raise ValidationError(text % {"number": number, "limit": limit})

    def _count(self, grant: Grant, request: Request, number: int) -> bool:
        """Count requests; return whether the caller is within the limit."""
        limit = get_limit(grant)
        now = self.get_now()
        caller = get_limited_caller(grant, request.META)
        minute = int(now // WINDOW_SECONDS)
        count = count_requests(caller, minute=minute, number=number)
        if count is None:
            # the same name as in the fast path, which counts before it passes a request on
            name = format_throttle_key(caller, minute=minute)
            self._wait = count_locally(name, max_requests=limit, number=number) or None
            return self._wait is None
        if count <= limit:
            return True
        self._wait = WINDOW_SECONDS - now % WINDOW_SECONDS
        return False

    def wait(self) -> float | None:
        return self._wait

    @staticmethod
    def get_now() -> float:
        return time.time()


def get_limit(grant: Grant) -> int:
    """Return the number of requests per minute."""
    return int(grant.requests_per_minute or settings.API_REQUESTS_PER_MINUTE)


def get_limited_caller(grant: Grant, environ: Mapping[str, Any]) -> str:
    """Return whose requests are counted together: a secret key's, or an address's for a key that every visitor can read.

    So one visitor cannot use up the limit for everyone.
    """
    return f"{grant.caller}:{get_client_address(environ)}" if grant.publishable else grant.caller


def count_requests(caller: str, *, minute: int, number: int = 1) -> int | None:
    """Count requests; return the caller's total in that minute, including these, or None without Valkey."""
    key = format_throttle_key(caller, minute=minute)
    try:
        with allow_valkey_writes():
            return int(run_pipeline(lambda pipe: pipe.incrby(key, number).expire(key, 2 * WINDOW_SECONDS))[0])
    except ValkeyDownError:
        return None  # already logged by run_pipeline


def format_throttle_key(caller: str, *, minute: int) -> str:
    return f"throttle:{caller}:{minute}"
