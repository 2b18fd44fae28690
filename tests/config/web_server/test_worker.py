"""Requests run in a bounded number of threads, which no error makes fewer."""

import sys
import threading
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from config.web_server.limits import ClientLimits
from config.web_server.worker import COLLECTOR_THREADS, RequestHandler
from tests.config.web_server.fakes import FakeProtocol, make_scope
from tests.waiting import wait_until


class FailingResult(list[bytes]):
    def close(self) -> None:
        raise ValueError("not closed")


def handle(handler: RequestHandler, path: str) -> FakeProtocol:
    protocol = FakeProtocol()
    handler.handle(SimpleNamespace(scope=make_scope(path=path), proto=protocol))
    return protocol


def handle_in_pool(handler: RequestHandler, path: str) -> FakeProtocol:
    protocol = handle(handler, path)
    wait_until(lambda: protocol.responses, what=f"the response of {path}")
    return protocol


def make_handler(application: Callable[..., Iterable[bytes]], *, threads: int) -> RequestHandler:
    return RequestHandler(application, threads=threads, limits=ClientLimits(), port=0)


def test_an_error_does_not_use_up_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/exit":
            sys.exit(1)
        start_response("200 OK", [])
        return FailingResult([b"ok"]) if environ["PATH_INFO"] == "/close" else [b"ok"]

    handler = make_handler(application, threads=1)
    for path in ("/exit", "/close", "/exit"):
        handle(handler, path)
    assert handle_in_pool(handler, "/").responses == [(200, {}, b"ok")]
    assert "not closed" in caplog.text


def test_further_requests_run_after_those_that_are_running() -> None:
    started, go_on = threading.Semaphore(0), threading.Event()

    def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/wait":
            started.release()
            go_on.wait(10)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    handler = make_handler(application, threads=2)
    for _number in range(2):
        handle(handler, "/wait")
        assert started.acquire(timeout=10)
    waiting, live = handle(handler, "/next"), handle(handler, "/health/live")
    popular = "/api/v1/recommendations/popular/"
    assert handle(handler, popular).responses == [(200, {}, popular.encode())]
    assert waiting.responses == []
    assert live.responses == [(200, {}, b"/health/live")]
    go_on.set()
    wait_until(lambda: waiting.responses, what="the request that waited")
    assert waiting.responses == [(200, {}, b"/next")]


def test_calls_to_the_collector_leave_threads_free_when_the_database_is_slow() -> None:
    started, go_on = threading.Semaphore(0), threading.Event()

    def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/v1/track":
            started.release()
            go_on.wait(10)
        start_response("200 OK", [])
        return [b"ok"]

    handler = make_handler(application, threads=2)
    intake = [threading.Thread(target=handle, args=(handler, "/v1/track")) for _number in range(COLLECTOR_THREADS)]
    for thread in intake:
        thread.start()
        assert started.acquire(timeout=10)
    call = handle(handler, "/v1/track")  # returns at once: the pool runs it
    assert started.acquire(timeout=10)
    assert call.responses == []
    assert handle_in_pool(handler, "/admin/").responses == [(200, {}, b"ok")]
    go_on.set()
    wait_until(lambda: call.responses, what="the call that the pool runs")
    for thread in intake:
        thread.join()
