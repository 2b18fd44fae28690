"""A local HTTP server that plays a shop platform, with faults that a test puts in front of its answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Answer:
    """A response; is_cut: the connection ends before the body is complete."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False

    def encode(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


SERVER_ERROR = Answer(500, {"message": "Internal Server Error"})
TOO_MANY = Answer(429, {"errors": "Exceeded 2 calls per second for api client."}, {"Retry-After": "2.0"})


@dataclass
class Call:
    """A request as the platform sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class PlatformServer:
    """Answers requests by ``respond``. faults: answers that are given first, one per request."""

    def __init__(self) -> None:
        self.faults: list[Answer] = []
        self.calls: list[Call] = []
        self.url = ""
        self.keeps_calls = True

    def respond(self, call: Call) -> Answer:
        raise NotImplementedError

    def answer(self, call: Call) -> Answer:
        if self.keeps_calls:
            self.calls.append(call)
        return self.faults.pop(0) if self.faults else self.respond(call)

    @contextmanager
    def run(self, *, port: int = 0) -> Iterator[str]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
                answer = platform.answer(call)
                content = answer.encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if answer.is_cut else content)
                self.close_connection = answer.is_cut

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 — the names of http.server

            def log_message(self, *args: Any) -> None:
                """Be silent."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self.url
        finally:
            server.shutdown()
            server.server_close()
