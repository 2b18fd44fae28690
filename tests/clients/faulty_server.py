"""A server that answers as a test says: refusals, answers that never come, and nonsense."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any


@dataclass(frozen=True)
class FaultyAnswer:
    """One answer; with ``hangs``, none."""

    status: int = 200
    content: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass(frozen=True)
class ReceivedRequest:
    method: str
    path: str
    headers: dict[str, str]


class FaultyServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FaultyHandler)
        self.answers: list[FaultyAnswer] = []
        self.requests: list[ReceivedRequest] = []
        self.lock, self.is_closing = Lock(), Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def plan(self, answers: Sequence[FaultyAnswer]) -> None:
        """Answer the next requests so; the last answer is repeated."""
        with self.lock:
            self.answers, self.requests = list(answers), []


class FaultyHandler(BaseHTTPRequestHandler):
    server: FaultyServer

    def handle_request(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.requests.append(
                ReceivedRequest(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            )
            answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer.hangs:
            self.server.is_closing.wait()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content.encode())))
        self.end_headers()
        self.wfile.write(answer.content.encode())

    def __getattr__(self, name: str) -> Any:
        """Handle every method alike."""
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the tests read `FaultyServer.requests`."""


@contextmanager
def run_faulty_server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.is_closing.set()
            server.shutdown()
            thread.join()


def refuse(status: int, **headers: str) -> FaultyAnswer:
    """Return a refusal with problem details."""
    problem = json.dumps(
        {"type": "urn:perennial:problem:x", "title": "x", "status": status, "detail": "No.", "errors": []}
    )
    return FaultyAnswer(status, problem, {name.replace("_", "-"): value for name, value in headers.items()})
