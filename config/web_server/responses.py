"""Send what a WSGI application returns through Granian's RSGI protocol. No thread waits for a client that reads slowly."""

import json
import logging
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from tempfile import TemporaryFile
from threading import Event, Timer
from typing import Any

from config.foundation.http.deferred_response import DeferredResponse
from config.web_server.environ import Environ

logger = logging.getLogger(__name__)

type Protocol = Any  # granian.rsgi.HTTPProtocol, which all threads may use
type Application = Callable[[Environ, Callable[..., None]], Iterable[bytes]]
type Headers = list[tuple[str, str]]

MEMORY_BYTES = 2**20  # of a streaming response; a longer one goes to a file first
OPEN_FILES = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
OPENING_SECONDS = 60.0  # until Granian has certainly opened the file itself
RETRY_SECONDS = 5
HSTS = "config.web_server.hsts"  # key of an environ: the value of Strict-Transport-Security, or empty


_closing = Event()


def close_connections() -> None:
    """Close each connection after its next response, because the process is about to end."""
    _closing.set()


class StartResponse:
    """The ``start_response`` of one request, which keeps the status and the headers."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []

    def __call__(self, status: str, headers: Headers, exc_info: Any = None) -> None:
        self.status = int(status[:3])
        self.headers = [*headers, ("Connection", "close")] if _closing.is_set() else headers


def run_application(application: Application, environ: Environ, protocol: Protocol) -> None:
    """Run the application in this thread and send its response; an unexpected error becomes an empty 500."""
    start, body = StartResponse(), environ["wsgi.input"]
    result: Iterable[bytes] = ()
    try:
        result = application(environ, start)
        if isinstance(result, DeferredResponse):
            result.send_later(lambda chunks: protocol.response_bytes(start.status, start.headers, b"".join(chunks)))
        elif isinstance(result, list) or getattr(result, "streaming", True) is False:
            protocol.response_bytes(start.status, start.headers, b"".join(result))
        elif path := find_file(start, result):
            protocol.response_file(start.status, start.headers, path)
        else:
            send_stream(protocol, start, result)
    except Exception:
        logger.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
        protocol.response_empty(500, build_security_headers(environ))  # does nothing if a response was sent
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
        body.close()


def find_file(start: StartResponse, result: Any) -> str | None:
    """Return the path of the file that a response consists of, which Granian reads itself; None for any other response."""
    name = getattr(getattr(result, "file_to_stream", None), "name", None)
    if not isinstance(name, str | os.PathLike) or start.status != HTTPStatus.OK:
        return None
    path = os.fspath(name)
    length = next((value for header, value in start.headers if header.lower() == "content-length"), "")
    return path if length == str(os.path.getsize(path)) else None


def send_stream(protocol: Protocol, start: StartResponse, chunks: Iterable[bytes]) -> None:
    """Send a response of unknown length when it is complete.

    Granian would keep in memory whatever the client has not read, so a long response goes to a file. An error on the way
    still becomes a 500, instead of a file that looks complete.
    """
    parts: list[bytes] = []
    size = 0
    file = None
    for chunk in chunks:
        size += len(chunk)
        parts.append(chunk)
        if size > MEMORY_BYTES:
            if file is None:
                file = TemporaryFile()  # noqa: SIM115 — closed by the timer below
            file.writelines(parts)
            parts.clear()
    if file is None:
        protocol.response_bytes(start.status, start.headers, b"".join(parts))
        return
    file.flush()
    file.seek(0)
    headers = [header for header in start.headers if header[0].lower() not in ("content-length", "connection")]
    headers += [("Content-Length", str(size)), ("Connection", "close")]
    protocol.response_file(start.status, headers, f"{OPEN_FILES}/{file.fileno()}")
    closing = Timer(OPENING_SECONDS, file.close)
    closing.daemon = True
    closing.start()


def send_error(protocol: Protocol, environ: Environ, status: int, code: str, message: str) -> None:
    """Refuse a request in front of the application, in the form of the collector's errors, and close the connection."""
    body = json.dumps({"success": False, "code": code, "message": message}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    headers += build_security_headers(environ)
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers.append(("Retry-After", str(RETRY_SECONDS)))
    if origin := environ.get("HTTP_ORIGIN"):  # without it, a browser reports only "failed" to the shop
        headers += [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    protocol.response_bytes(status, headers, body)


def build_security_headers(environ: Environ) -> Headers:
    """Return the security headers of a response that the application did not make.

    A client that claims HTTPS only gets the policy itself, so it does not matter here which proxy is trusted.
    """
    headers = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"), ("Cache-Control", "no-store")]
    if environ.get(HSTS) and environ.get("HTTP_X_FORWARDED_PROTO", "").partition(",")[0].strip() == "https":
        headers.append(("Strict-Transport-Security", environ[HSTS]))
    return headers
