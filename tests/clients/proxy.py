"""A proxy between a client and the real server that records requests and injects faults."""

import gzip
import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from tests.waiting import DEADLINE_SECONDS

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class RespondWith:
    """Respond with this status instead of the server."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoseResponse:
    """Let the server store the request, then close the connection without a response."""


@dataclass(frozen=True)
class Refuse:
    """Close the connection before the server sees the request, as while it is killed or cannot be reached."""


@dataclass(frozen=True)
class Interrupt:
    """Let the server store the request, run an action, such as to kill it, and close the connection without a response."""

    action: Callable[[], object]


type Fault = RespondWith | LoseResponse | Refuse | Interrupt


@dataclass(frozen=True)
class Exchange:
    """One POST request; ``status`` is the status the client received, None for a lost response."""

    at: float
    path: str
    message_ids: list[str]
    status: int | None
    content: dict[str, Any]


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str, faults: Sequence[Fault]) -> None:
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.upstream = urlsplit(upstream).netloc
        self.faults = list(faults)
        self.exchanges: list[Exchange] = []
        self.stored_images = 0  # GET requests that the server has answered with an image
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_fault(self) -> tuple[float, Fault | None]:
        """Return the fault of the next request and the moment of its choice, so that later moments have later faults."""
        with self.lock:
            return time.monotonic(), self.faults.pop(0) if self.faults else None

    def record(self, exchange: Exchange) -> None:
        with self.lock:
            self.exchanges.append(exchange)

    @property
    def statuses(self) -> list[int | None]:
        return [exchange.status for exchange in sorted(self.exchanges, key=lambda exchange: exchange.at)]


class ProxyHandler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        has_events = "data=" in self.path  # as an image; other requests are those of settings and scripts
        fault = self.server.next_fault()[1] if has_events else None
        status, headers, content = self.inject_fault(fault, b"") or self.forward(b"")
        if headers.get("Content-Type", headers.get("content-type")) == "image/gif":
            with self.server.lock:
                self.server.stored_images += 1
        if status:
            self.pass_back(status, headers, content)

    def do_OPTIONS(self) -> None:
        self.pass_back(*self.forward(b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        at, fault = self.server.next_fault()
        status, headers, content = self.inject_fault(fault, body) or self.forward(body)
        self.server.record(Exchange(at, self.path, read_message_ids(body), status or None, json.loads(content)))
        if status:
            self.pass_back(status, headers, content)

    def inject_fault(self, fault: Fault | None, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        match fault:
            case RespondWith(status, headers):
                origin = self.headers.get("Origin")
                cors_headers = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}
                content = json.dumps({"success": False, "code": "overloaded", "message": "Later."}).encode()
                return (
                    status,
                    {"Content-Type": "application/json", **(cors_headers if origin else {}), **headers},
                    content,
                )
            case Refuse():
                return 0, {}, b"{}"
            case LoseResponse():
                status, _headers, content = self.forward(body)
                assert status == 200, content
                return 0, {}, content
            case Interrupt(action):
                status, _headers, content = self.forward(body)
                assert status == 200, content
                action()
                return 0, {}, content if body else b"{}"
        return None

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=DEADLINE_SECONDS)
        request_headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body, request_headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):  # the server was killed
            return 0, {}, b"{}"
        finally:
            connection.close()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
        return response.status, headers, content

    def pass_back(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the tests read `Proxy.exchanges`."""


def read_message_ids(body: bytes) -> list[str]:
    """Return the message ids of a call; the form of Sensors Analytics has none."""
    if body.startswith(b"data"):
        return []
    payload = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    return [item["messageId"] for item in payload.get("batch", [payload])]


@contextmanager
def run_proxy(upstream: str, *faults: Fault) -> Iterator[Proxy]:
    with Proxy(upstream, faults) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
