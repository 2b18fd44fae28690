"""HTTP requests to providers and webhooks: only to public addresses, over connections that are reused."""

import http.client
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from config.foundation.http.call_limit import limit_call
from config.foundation.http.public_connection import ForbiddenAddressError, connect
from recommendations.sending.transport.journal import SendResult

MAX_ANSWER = 200_000  # a batch has an answer for each of its messages
MAX_IDLE_SECONDS = 20.0
TOTAL_SECONDS = 30.0  # of one request, however slowly its answer arrives


class HttpSender:
    """Sends requests with one connection per host.

    private_hosts: names that may have private addresses and plain http, as an operator has set.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._private_hosts = frozenset(options.get("private_hosts", ()))
        self._timeout = float(options.get("timeout", 15.0))
        self._connections: dict[tuple[str, str, int], tuple[http.client.HTTPConnection, float]] = {}

    def send(self, header: dict[str, Any], body: bytes, begin: Callable[[], None]) -> SendResult:
        """Send one request; the result has the status and the beginning of the answer, which the channel interprets."""
        delivery_id, attempt = header["id"], header["attempt"]
        try:
            connection = self._open(header["url"])
        except ForbiddenAddressError as error:
            return SendResult(delivery_id, attempt, "permanent", text=str(error))
        except OSError as error:
            return SendResult(delivery_id, attempt, "temporary", text=f"{type(error).__name__}: {error}"[:500])
        begin()
        parts = urlsplit(header["url"])
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        try:
            with limit_call(partial(getattr, connection, "sock", None), seconds=max(TOTAL_SECONDS, self._timeout)):
                connection.request(header.get("method", "POST"), target, body=body, headers=header["headers"])
                response = connection.getresponse()
                answer = response.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self._close(header["url"])
            text = f"The server did not answer: {type(error).__name__} {error}"[:500]
            return SendResult(delivery_id, attempt, "temporary" if header["is_idempotent"] else "uncertain", text=text)
        if response.will_close or not response.isclosed():
            self._close(header["url"])
        outcome = classify_status(response.status, is_idempotent=header["is_idempotent"])
        return SendResult(delivery_id, attempt, outcome, response.status, answer.decode("utf-8", "replace"))

    def close(self) -> None:
        for connection, _used in self._connections.values():
            connection.close()
        self._connections.clear()

    def _open(self, url: str) -> http.client.HTTPConnection:
        key = build_key(urlsplit(url))
        connection, used_at = self._connections.get(key, (None, 0.0))
        if connection is None or time.monotonic() - used_at > MAX_IDLE_SECONDS:
            self._close(url)
            connection = connect(urlsplit(url), private_hosts=self._private_hosts, timeout=self._timeout)
        self._connections[key] = (connection, time.monotonic())
        return connection

    def _close(self, url: str) -> None:
        connection, _used = self._connections.pop(build_key(urlsplit(url)), (None, 0.0))
        if connection is not None:
            with suppress(OSError):
                connection.close()


def build_key(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def classify_status(status: int, *, is_idempotent: bool) -> str:
    """Return the outcome of a status.

    After a server error the message may have been sent: it is sent again only if the provider recognizes the repetition by its key.
    """
    if 200 <= status < 300:
        return "sent"
    if status in (408, 425, 429, 503):
        return "temporary"
    if status >= 500:
        return "temporary" if is_idempotent else "uncertain"
    return "permanent"
