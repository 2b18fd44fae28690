"""Requests to the API of a platform: only to public addresses, with time-outs, repetitions and the waits that the platform asks for."""

import gzip
import http.client
import json
import logging
import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from config.foundation.circuit_breakers.breaker import CircuitBreaker
from config.foundation.files.private_files import make_private_folder
from config.foundation.http.call_limit import limit_call, shut_down
from config.foundation.http.public_connection import ForbiddenAddressError, connect
from config.foundation.json_nesting import load_json
from customers.connectors.platforms.base import PlatformError, TemporaryError
from customers.connectors.platforms.values import read_amount

logger = logging.getLogger(__name__)

CONNECT_SECONDS, CALL_SECONDS, DOWNLOAD_SECONDS = 15.0, 60.0, 1800.0
MAX_TRIES = 5
MAX_WAIT_SECONDS = 30.0  # a longer wait ends the run, which continues later
MAX_BODY = 64 * 1024 * 1024
MAX_FILE = 8 * 1024**3
CHUNK = 256 * 1024
USER_AGENT = "Perennial connector"
REPEATED = frozenset({408, 425, 500, 502, 503, 504})


def pause(seconds: float) -> None:
    """Wait; tests replace this."""
    time.sleep(seconds)


@dataclass(frozen=True)
class PlatformResponse:
    """A response. Header names are in lowercase."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read_json(self) -> Any:
        """Return the body as JSON, with decimals instead of floats. Raises TemporaryError: a body may be cut off."""
        try:
            return load_json(self.body.decode(), parse_float=read_amount)
        except ValueError as error:
            raise TemporaryError(_("The shop's response is incomplete or not valid JSON.")) from error


class PlatformClient:
    """A kept-alive connection to one host, whose failures a circuit breaker counts.

    One thread uses it at a time; another may interrupt it.
    """

    def __init__(self, base_url: str, *, headers: Mapping[str, str]) -> None:
        self.base_url = base_url
        self.parts = urlsplit(base_url)
        self.headers = dict(headers)
        self.breaker = CircuitBreaker(f"connector:{self.parts.netloc}")
        self._connection: http.client.HTTPConnection | None = None
        self._download: http.client.HTTPConnection | None = None
        self._is_interrupted = False

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> PlatformResponse:
        """Send a request, and repeat it after temporary errors; any answer below 500 except 429 is returned.

        Raises:
            TemporaryError: the platform does not answer, or asks for a long wait.
            PlatformError: the address is not public.
        """
        body, headers = encode_body(content, form)
        target = f"{self.parts.path}{path}" + (f"?{urlencode(query)}" if query else "")
        for attempt in range(1, MAX_TRIES + 1):
            self._require_uninterrupted()
            if not self.breaker.allow():
                raise TemporaryError(
                    _("The shop is not responding. The request will be retried in a few minutes."), retry_after=120
                )
            try:
                answer = self._send_once(method, target, body, headers)
            except ForbiddenAddressError as error:
                raise PlatformError(str(error)) from error
            except (OSError, http.client.HTTPException, EOFError, zlib.error) as error:
                self._require_uninterrupted()
                self._fail(f"{type(error).__name__}: {error}"[:200], attempt)
                continue
            if answer.status == http.client.TOO_MANY_REQUESTS:
                self._wait_as_asked(answer, attempt)
            elif answer.status in REPEATED or answer.status >= 500:
                self._fail(f"HTTP {answer.status}", attempt)
            else:
                self.breaker.record_success()
                return answer
        raise TemporaryError(_("The shop is not responding. The request will be retried in a few minutes."))

    def download(self, url: str, path: Path) -> int:
        """Download a file; it appears only when it is complete. Return its size. Raises TemporaryError, PlatformError."""
        parts = urlsplit(url)
        draft = path.with_name(f"{path.name}.part")
        make_private_folder(path.parent)
        try:
            self._require_uninterrupted()
            connection = self._download = open_connection(parts)
            try:
                with limit_call(partial(getattr, connection, "sock", None), seconds=DOWNLOAD_SECONDS):
                    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                    connection.request("GET", target, headers={"User-Agent": USER_AGENT})
                    response = connection.getresponse()
                    size = write_file(response, draft)
            finally:
                self._download = None
                connection.close()
            draft.replace(path)
        except ForbiddenAddressError as error:
            raise PlatformError(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise TemporaryError(
                _("The download of the shop's file failed: %(reason)s.") % {"reason": error}
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        return size

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def interrupt(self) -> None:
        """Let the thread that waits for an answer fail immediately, which does not count as a failure of the platform."""
        self._is_interrupted = True
        for connection in (self._connection, self._download):
            shut_down(getattr(connection, "sock", None))

    def _require_uninterrupted(self) -> None:
        if self._is_interrupted:
            raise TemporaryError(_("The import was interrupted; it continues later."))

    def _send_once(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> PlatformResponse:
        is_reused = self._connection is not None
        connection = self._connection = self._connection or open_connection(self.parts)
        try:
            with limit_call(partial(getattr, connection, "sock", None), seconds=CALL_SECONDS):
                all_headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **self.headers, **headers}
                connection.request(method, target, body=body, headers=all_headers)
                response = connection.getresponse()
                answer = PlatformResponse(
                    response.status, {name.lower(): value for name, value in response.getheaders()}, read_body(response)
                )
        except (OSError, http.client.HTTPException):
            self.close()
            if (
                is_reused and method == "GET" and not self._is_interrupted
            ):  # the server may have closed an idle connection
                return self._send_once(method, target, body, headers)
            raise
        if response.will_close:
            self.close()
        return answer

    def _fail(self, reason: str, attempt: int) -> None:
        self.breaker.record_failure(reason)
        logger.info("%s: %s", self.parts.hostname, reason)
        if attempt == MAX_TRIES:
            raise TemporaryError(_("The shop is not responding: %(reason)s.") % {"reason": reason})
        pause(0.5 * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 — so that clients do not return together

    def _wait_as_asked(self, answer: PlatformResponse, attempt: int) -> None:
        text = answer.headers.get("retry-after", "")
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else 2.0 * attempt
        if seconds > MAX_WAIT_SECONDS or attempt == MAX_TRIES:
            raise TemporaryError(_("The shop limits requests; the import continues later."), retry_after=seconds)
        pause(seconds)


def open_connection(parts: SplitResult) -> http.client.HTTPConnection:
    return connect(parts, private_hosts=frozenset(settings.FEED_PRIVATE_HOSTS), timeout=CONNECT_SECONDS)


def encode_body(content: Any, form: Mapping[str, str] | None) -> tuple[bytes | None, dict[str, str]]:
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if content is not None:
        return json.dumps(content).encode(), {"Content-Type": "application/json"}
    return None, {}


def read_body(response: http.client.HTTPResponse) -> bytes:
    """Return the body, unpacked and bounded in size. Raises HTTPException."""
    body = response.read(MAX_BODY + 1)
    if response.length:  # a read with a limit does not raise if the body is cut off
        raise http.client.IncompleteRead(body, response.length)
    if len(body) > MAX_BODY:
        raise http.client.HTTPException("The answer is too large.")
    if response.headers.get("Content-Encoding", "").lower() == "gzip" and body:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        body = unpacker.decompress(body, MAX_BODY)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise http.client.HTTPException("The answer is too large or cut off.")
    return body


def write_file(response: http.client.HTTPResponse, draft: Path) -> int:
    """Write a body to a file. Raises OSError if it is refused, too large or cut off."""
    if response.status != http.client.OK:
        raise OSError(f"HTTP {response.status}")
    is_packed = response.headers.get("Content-Encoding", "").lower() == "gzip"
    stream: Any = gzip.GzipFile(fileobj=response) if is_packed else response
    size = 0
    with draft.open("wb") as file:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size > MAX_FILE:
                raise OSError("the file is too large")
            file.write(chunk)
    return size
