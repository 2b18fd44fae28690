"""The web server with real sockets: slow clients hold nothing, and what the application sees and sends is right."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.child_processes import PROJECT
from tests.config.web_server.sample_application import ROWS
from tests.config.web_server.server import (
    SAMPLE,
    count_closed,
    is_listening,
    open_slow_requests,
    read_statuses,
    read_to_end,
    run_server,
    send,
)
from tests.ports import reserve_port
from tests.waiting import DEADLINE_SECONDS, measure_running_seconds, wait_until

pytestmark = pytest.mark.acceptance

BODY_SECONDS = 3.0
ONE_WORKER = ("--workers", "1", "--threads", "4", "--connections-per-address", "300")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a server that waits for clients as long as a busy machine may need."""
    with run_server(*ONE_WORKER, "--body-seconds", "600", "--header-seconds", "600") as port:
        yield port


@pytest.fixture(scope="module")
def impatient_port() -> Iterator[int]:
    """Run a server that waits for bodies for three seconds only."""
    with run_server(*ONE_WORKER, "--body-seconds", str(BODY_SECONDS), "--header-seconds", "600") as port:
        yield port


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
@pytest.mark.parametrize("number", [40, 200])
def test_slow_bodies_hold_no_thread(port: int, number: int, is_chunked: bool) -> None:
    slow = open_slow_requests(port, number, is_chunked=is_chunked)
    live, echo = send(port, "GET", "/health/live"), send(port, "POST", "/echo", b"x" * 100_000)
    assert (live.status, echo.status, len(echo.body)) == (200, 200, 100_000)
    assert count_closed(slow) <= number - 32, "the answers came while the newest bodies were unfinished"
    wait_until(lambda: count_closed(slow) == number - 32, what="refusing the oldest bodies")
    refused = [connection for connection in slow if count_closed([connection])]
    assert read_statuses(refused) == [429] * (number - 32)
    for connection in slow:
        connection.close()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_slow_bodies_are_refused_at_their_deadline(impatient_port: int, is_chunked: bool) -> None:
    with measure_running_seconds() as get_seconds:
        began = time.monotonic()
        slow = open_slow_requests(impatient_port, 20, is_chunked=is_chunked)
        assert read_statuses(slow) == [408] * 20
        assert time.monotonic() - began > BODY_SECONDS
        assert get_seconds() < BODY_SECONDS + 12


def test_the_number_of_slow_bodies_of_an_address_is_an_option() -> None:
    with run_server("--workers", "1", "--body-seconds", "600", "--bodies-per-address", "5") as port:
        slow = open_slow_requests(port, 20)
        wait_until(lambda: count_closed(slow) == 15, what="refusing the oldest 15")
        assert send(port, "POST", "/echo", b"hello").body == b"hello"
        for connection in slow:
            connection.close()


def test_a_body_that_arrives_in_time_is_answered(port: int) -> None:
    [slow] = open_slow_requests(port, 1)
    for _part in range(3):
        time.sleep(0.4)
        slow.sendall(b"x" * 333)
    slow.settimeout(DEADLINE_SECONDS)
    assert slow.recv(12) == b"HTTP/1.1 200"
    slow.close()


@pytest.mark.parametrize("begin", [b"", b"POST /echo HT"], ids=["nothing", "half a line"])
def test_connections_without_a_request_are_closed(begin: bytes) -> None:
    with (
        run_server(*ONE_WORKER, "--header-seconds", "1") as port,
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as connection,
    ):
        with suppress(OSError):  # closed already, if the machine stalls here
            connection.sendall(begin)
        assert connection.recv(100) == b""


def test_excess_connections_of_an_address_are_closed() -> None:
    # long before those that send no headers are closed
    with run_server("--workers", "1", "--header-seconds", "600", "--connections-per-address", "300") as port:
        sockets = [socket.create_connection(("127.0.0.1", port)) for _number in range(700)]
        wait_until(lambda: count_closed(sockets) >= 395, what="closing 400 connections")
        assert send(port, "GET", "/health/live").status == 200
        for connection in sockets:
            connection.close()


def test_a_body_that_is_announced_too_large_is_refused_without_reading_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(
            b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code": "too_large"' in answer


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with pytest.raises(OSError):
            connection.sendall(part * 500)  # the server closes the connection long before
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_client_that_waits_for_a_go_ahead_gets_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"hello")
        assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("length", [10, 600_000, 3_000_000])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_bodies_arrive_unchanged(port: int, length: int, is_chunked: bool) -> None:
    body = os.urandom(length)
    parts = (body[start : start + 50_000] for start in range(0, length, 50_000))
    assert send(port, "POST", "/echo", parts if is_chunked else body, encode_chunked=is_chunked).body == body


def test_the_application_sees_the_request(port: int) -> None:
    headers = {"X-Tag": "1", "Content-Type": "text/plain", "Range": "bytes=0-1"}
    environ = send(port, "PUT", "/caf%C3%A9?q=%20", b"hello", headers=headers).json()
    wanted = {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": "/caf\xc3\xa9",
        "QUERY_STRING": "q=%20",
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": f"127.0.0.1:{port}",
        "HTTP_X_TAG": "1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "5",
        "body": "hello",
    }
    assert {name: environ.get(name) for name in wanted} == wanted
    assert "HTTP_RANGE" not in environ


def test_repeated_response_headers_are_all_sent(port: int) -> None:
    assert send(port, "GET", "/").headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_head_request_has_the_length_and_no_body(port: int) -> None:
    answer = send(port, "HEAD", "/echo")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "0", b"")


def test_an_error_of_the_application_is_a_500(port: int) -> None:
    assert send(port, "GET", "/fail").status == 500


def test_clients_that_do_not_read_hold_no_thread(port: int) -> None:
    sockets = []
    for _number in range(20):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /rows HTTP/1.1\r\nHost: x\r\n\r\n")
        sockets.append(connection)
    wait_until(lambda: send(port, "GET", "/").seconds < 0.5, what="the end of all computations")
    assert len(send(port, "GET", "/rows").body) == ROWS * 8
    for connection in sockets:
        connection.close()


def test_liveness_is_answered_while_all_threads_are_busy(port: int, tmp_path: Path) -> None:
    busy = [threading.Thread(target=send, args=(port, "GET", f"/hold?{tmp_path}")) for _number in range(4)]
    for thread in busy:
        thread.start()
    wait_until(lambda: len(list(tmp_path.iterdir())) == 4, what="the begin of the requests")
    try:
        assert send(port, "GET", "/health/live").status == 200
        assert all(thread.is_alive() for thread in busy), "liveness waited for a thread"
    finally:
        (tmp_path / "go").touch()
        for thread in busy:
            thread.join()


def test_stopping_finishes_running_requests_and_refuses_unfinished_bodies(tmp_path: Path) -> None:
    port = reserve_port()
    command = [
        sys.executable,
        "-m",
        "config.web_server",
        "--port",
        str(port),
        "--workers",
        "1",
        "--body-seconds",
        "600",
        SAMPLE,
    ]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: is_listening(port, process), what="the web server")
    [slow] = open_slow_requests(port, 1)
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as running:
        running.sendall(f"GET /hold?{tmp_path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(lambda: list(tmp_path.iterdir()), what="the begin of the request")
        process.send_signal(signal.SIGTERM)
        assert read_statuses([slow]) == [503], "long before the deadline of the unfinished body"
        (tmp_path / "go").touch()
        assert running.recv(12) == b"HTTP/1.1 200"
    with measure_running_seconds() as get_seconds:
        assert process.wait(timeout=DEADLINE_SECONDS) == 0
        assert get_seconds() < 12, "the end waited for something else"


def test_the_application_is_loaded_once_and_started_in_every_worker() -> None:
    application = "tests.config.web_server.preloaded_application:application"
    with run_server("--workers", "2", application=application) as port:
        answers = {}
        for _request in range(200):
            answer = send(port, "GET", "/").json()
            answers[answer["serving"]] = answer
            if len(answers) == 2:
                break
    [parent] = {answer["imported"] for answer in answers.values()}
    assert parent not in answers
    for process, answer in answers.items():
        assert (answer["preloaded"], answer["started"]) == (parent, process)
