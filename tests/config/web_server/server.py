"""A web server in a child process, and sockets that send less than they promise."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from tests.child_processes import PROJECT
from tests.ports import reserve_port
from tests.waiting import DEADLINE_SECONDS, wait_until

SAMPLE = "tests.config.web_server.sample_application:application"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def run_server(*options: str, application: str = SAMPLE) -> Iterator[int]:
    """Run ``python -m config.web_server`` and yield its port."""
    port = reserve_port()
    command = [sys.executable, "-m", "config.web_server", "--port", str(port), *options, application]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port, process), what="the web server")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=300)


def is_listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the web server exited with status {process.returncode}"
    try:
        return send(port, "GET", "/").status == 200
    except OSError:
        return False


def send(
    port: int, method: str, path: str, body: Any = None, *, timeout: float = DEADLINE_SECONDS, **options: Any
) -> Answer:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, **options)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read(), time.monotonic() - began)
    finally:
        connection.close()


def open_slow_requests(port: int, number: int, *, path: str = "/echo", is_chunked: bool = False) -> list[socket.socket]:
    """Open connections that send the headers of a request and one byte of its body."""
    rest = b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n" if is_chunked else b"Content-Length: 1000\r\n\r\n{"
    sockets = []
    for _number in range(number):
        sockets.append(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS))
        sockets[-1].sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + rest)
    return sockets


def read_to_end(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection. Errors: TimeoutError."""
    received = b""
    with connection:
        while part := connection.recv(65536):
            received += part
    return received


def read_statuses(sockets: list[socket.socket]) -> list[int]:
    """Return the statuses of the answers, after the server has closed all connections."""
    return [int(read_to_end(connection).split(b" ", 2)[1]) for connection in sockets]


def count_closed(sockets: list[socket.socket]) -> int:
    """Return how many of the connections the server has answered or closed."""
    closed = 0
    for connection in sockets:
        timeout = connection.gettimeout()
        connection.setblocking(False)
        with suppress(BlockingIOError):
            connection.recv(1, socket.MSG_PEEK)
            closed += 1
        connection.settimeout(timeout)
    return closed
