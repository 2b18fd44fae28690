"""Sends requests: time-outs, retries, user tokens and fallbacks."""

from __future__ import annotations

import json
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from .errors import (
    ApiError,
    ConnectionFailedError,
    InvalidParameterError,
    PerennialError,
    UnexpectedAnswerError,
)
from .fallbacks import build_fallback

logger = logging.getLogger("perennial")

# temporary errors: the server or a proxy asks the client to try again later
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
SelfT = TypeVar("SelfT", bound="Transport")


@dataclass(frozen=True)
class Call:
    """One call of an operation."""

    operation: str
    method: str
    url: str
    path: tuple[str, ...] = ()
    query: Mapping[str, Any] | None = None
    body: Any = None
    expects: str = "json"
    may_retry: bool = False
    takes_idempotency_key: bool = False
    idempotency_key: str | None = None
    user_token: str | None = None
    timeout: float | None = None
    fallback: Any = None
    empty: dict[str, Any] | None = None


class Transport:
    """The part of a client that all operations share.

    Args:
        url: the address of Perennial, such as ``https://perennial.example``.
        key: a secret or publishable key.
        user_token: proof of the customer for publishable keys, or a function that returns the current one.
        language: the language of reasons and messages, such as ``zh-hans``.
        timeout: seconds for a call, with its retries.
        page_timeout: seconds for a call that has a fallback.
        retries: further attempts of calls that may be repeated.
        never_raise: show empty answers instead of raising, in every operation that a page needs.
        http: a configured httpx client, for example with a proxy.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        user_token: str | Callable[[], str] | None = None,
        language: str | None = None,
        timeout: float = 10.0,
        page_timeout: float = 1.0,
        retries: int = 2,
        never_raise: bool = False,
        http: httpx.Client | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._user_token = user_token
        self._language = language
        self._timeout = timeout
        self._page_timeout = page_timeout
        self._retries = retries
        self._never_raise = never_raise
        self._http = http or httpx.Client()

    def close(self) -> None:
        self._http.close()

    def __enter__(self: SelfT) -> SelfT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, call: Call) -> Any:
        fallback = call.fallback
        if fallback is None and self._never_raise and call.empty is not None:
            fallback = build_fallback(call.operation, call.empty, call.body, call.path)
        if fallback is None:
            return self._send(call, self._timeout if call.timeout is None else call.timeout)
        try:
            return self._send(call, self._page_timeout if call.timeout is None else call.timeout)
        except PerennialError as error:
            logger.warning("Perennial did not answer %s, its fallback is shown: %s", call.operation, error)
            return fallback

    def _send(self, call: Call, timeout: float) -> Any:
        """Send a request until it is answered, the attempts are used up, or the time has run out."""
        deadline = time.monotonic() + timeout
        url, headers = self._url + build_path(call), self._build_headers(call)
        may_retry = call.may_retry or call.takes_idempotency_key
        attempt = 0
        while True:
            error: PerennialError
            try:
                return self._attempt(call, url, headers, deadline)
            except ApiError as refusal:
                if refusal.status not in RETRIED_STATUSES:
                    raise
                error = refusal
            except ConnectionFailedError as failure:
                error = failure
            pause = choose_pause(attempt, getattr(error, "retry_after", None))
            attempt += 1
            if not may_retry or attempt > self._retries or time.monotonic() + pause >= deadline:
                raise error
            time.sleep(pause)

    def _attempt(self, call: Call, url: str, headers: dict[str, str], deadline: float) -> Any:
        content = None if call.body is None else json.dumps(call.body, allow_nan=False).encode()
        remaining = max(deadline - time.monotonic(), 0.001)
        try:
            with self._http.stream(
                call.method, url, params=build_query(call.query), content=content, headers=headers, timeout=remaining
            ) as response:
                parts = []
                for part in response.iter_bytes():
                    parts.append(part)
                    if time.monotonic() > deadline:
                        raise ConnectionFailedError(f"{call.operation} took longer than its time-out.")
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ConnectionFailedError(f"{call.operation}: {type(error).__name__} {error}".rstrip()) from error
        except httpx.InvalidURL as error:
            raise InvalidParameterError(str(error)) from error
        return read_answer(call, response, b"".join(parts))

    def _build_headers(self, call: Call) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._key}", "User-Agent": "perennial-python"}
        token = call.user_token or (self._user_token() if callable(self._user_token) else self._user_token)
        if token:
            headers["X-User-Token"] = token
        if self._language:
            headers["Accept-Language"] = self._language
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.takes_idempotency_key:
            headers["Idempotency-Key"] = call.idempotency_key or str(uuid.uuid4())
        return headers


def build_path(call: Call) -> str:
    """Return the path with its parameters; refuse a parameter that would change the path itself."""
    for value in call.path:
        if value in ("", ".", ".."):
            raise InvalidParameterError(f"{value!r} cannot be part of the URL of {call.operation}.")
    return call.url.format(*(quote(value, safe="") for value in call.path))


def build_query(query: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: to_text(value) for name, value in (query or {}).items() if value is not None}


def to_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def choose_pause(attempt: int, retry_after: float | None) -> float:
    """Return seconds to wait: a random part of a doubling pause, after the pause that the server asked for."""
    pause = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))  # noqa: S311
    return pause + (retry_after or 0.0)


def read_answer(call: Call, response: httpx.Response, content: bytes) -> Any:
    """Return the body of a response. Raises ApiError for a refusal, UnexpectedAnswerError if the body is something else."""
    if not response.is_success:
        problem = parse_json(content)
        raise ApiError(
            response.status_code, problem if isinstance(problem, dict) else {}, read_retry_after(response.headers)
        )
    if call.expects == "nothing":
        return None
    if call.expects == "bytes":
        return content
    if call.expects == "text":
        return content.decode(response.charset_encoding or "utf-8", errors="replace")
    answer = parse_json(content)
    if answer is None:
        raise UnexpectedAnswerError(f"{call.operation} was answered with something other than JSON.")
    return answer


def parse_json(content: bytes) -> Any:
    """Return the value; None if the content is not JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return None


def read_retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds of Retry-After, which is a number or a date; None without the header."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
