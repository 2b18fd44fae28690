"""Requests run in a bounded number of threads, which no error makes fewer."""

import sys
import threading
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from config.web_server.limits import ClientLimits
from config.web_server.worker import RequestHandler
from tests.config.web_server.fakes import FakeProtocol, make_scope


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
    for path in ("/exit", "/close", "/exit"):
        handle(handler, path)
    assert handle(handler, "/").responses == [(200, {}, b"ok")]
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
    threads = [threading.Thread(target=handle, args=(handler, "/wait")) for _number in range(2)]
    for thread in threads:
        thread.start()
        assert started.acquire(timeout=10)
    waiting, live = handle(handler, "/next"), handle(handler, "/health/live")
    popular = "/api/v1/recommendations/popular/"
    assert handle(handler, popular).responses == [(200, {}, popular.encode())]
    assert waiting.responses == []
    assert live.responses == [(200, {}, b"/health/live")]
    go_on.set()
    for thread in threads:
        thread.join()
    assert waiting.responses == [(200, {}, b"/next")]
