"""Requests run in a bounded number of threads, which no error makes fewer."""

import sys
import threading
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from config.web_server.limits import ClientLimits
from config.web_server.worker import INLINE_THREADS, RequestHandler
from tests.config.web_server.fakes import FakeProtocol, make_scope
from tests.waiting import DEADLINE_SECONDS, wait_until


class FailingResult(list[bytes]):
    def close(self) -> None:
        raise ValueError("not closed")


def handle(handler: RequestHandler, path: str) -> FakeProtocol:
    protocol = FakeProtocol()
    handler.handle(SimpleNamespace(scope=make_scope(path=path), proto=protocol))
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
    for path in ("/exit", "/close", "/exit") * INLINE_THREADS:
        handle(handler, path)
    assert handle(handler, "/").responses == [(200, {}, b"ok")]
    assert "not closed" in caplog.text


def wait_and_answer(started: threading.Semaphore, go_on: threading.Event) -> Callable[..., Iterable[bytes]]:
    """Return an application that answers ``/wait`` only after the event is set."""

    def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/wait":
            started.release()
            go_on.wait(DEADLINE_SECONDS)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    return application


def test_further_requests_run_after_those_that_are_running() -> None:
    started, go_on = threading.Semaphore(0), threading.Event()
    handler = make_handler(wait_and_answer(started, go_on), threads=INLINE_THREADS + 1)
    intake = [threading.Thread(target=handle, args=(handler, "/wait")) for _number in range(INLINE_THREADS)]
    for thread in intake:
        thread.start()
        assert started.acquire(timeout=DEADLINE_SECONDS)
    pooled = handle(handler, "/wait")  # returns immediately
    assert started.acquire(timeout=DEADLINE_SECONDS)
    waiting, live = handle(handler, "/next"), handle(handler, "/health/live")
    popular = "/api/v1/recommendations/popular/"
    assert handle(handler, popular).responses == [(200, {}, popular.encode())]
    assert live.responses == [(200, {}, b"/health/live")]
    assert pooled.responses == waiting.responses == []
    go_on.set()
    wait_until(lambda: waiting.responses, what="the request that waited")
    assert pooled.responses == [(200, {}, b"/wait")]
    assert waiting.responses == [(200, {}, b"/next")]
    for thread in intake:
        thread.join()


def test_requests_run_where_they_are_taken_in_while_few_are_running() -> None:
    started, go_on = threading.Semaphore(0), threading.Event()
    handler = make_handler(wait_and_answer(started, go_on), threads=16)
    assert handle(handler, "/next").responses == [(200, {}, b"/next")]
