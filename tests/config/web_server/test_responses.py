"""What a WSGI application returns is sent without a thread that waits for the client."""

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse, HttpResponse

from config.foundation.http.deferred_response import DeferredResponse, Send
from config.web_server import responses
from config.web_server.responses import HSTS, run_application, send_error
from tests.config.web_server.fakes import FakeProtocol

type Application = Callable[[dict[str, Any], Callable[..., None]], Iterable[bytes]]


def run(application: Application) -> FakeProtocol:
    protocol = FakeProtocol()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": BytesIO()}
    run_application(application, environ, protocol)
    return protocol


def return_result(result: Iterable[bytes], *headers: tuple[str, str]) -> Application:
    def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return result

    return application


def test_a_list_is_sent_at_once() -> None:
    assert run(return_result([b"a", b"b"], ("X-Tag", "1"))).responses == [(200, {"X-Tag": "1"}, b"ab")]


@pytest.mark.django_db  # closing a response of Django closes old connections
def test_a_response_of_django_is_sent_and_closed() -> None:
    response = HttpResponse(b"hello")
    assert run(return_result(response)).responses == [(200, {}, b"hello")]
    assert response.closed


def test_a_deferred_response_is_sent_when_it_is_ready() -> None:
    sends: list[Send] = []
    starts: list[Callable[..., None]] = []

    def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        starts.append(start_response)
        return DeferredResponse(sends.append)

    protocol = run(application)
    assert protocol.responses == []
    starts[0]("200 OK", [("X-Tag", "1")])
    sends[0]([b"a", b"b"])
    assert protocol.responses == [(200, {"X-Tag": "1"}, b"ab")]


def test_a_deferred_response_cannot_be_iterated_by_another_server() -> None:
    with pytest.raises(TypeError, match="send_later"):
        list(DeferredResponse(lambda send: None))


def test_an_error_becomes_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def fail(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
        raise ValueError("broken")

    [(status, headers, body)] = run(fail).responses
    assert (status, headers["X-Content-Type-Options"], body) == (500, "nosniff", b"")
    assert "broken" in caplog.text


def test_an_error_in_the_middle_of_a_stream_becomes_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def fail_after_a_row() -> Iterator[bytes]:
        yield b"row\n"
        raise ValueError("broken")

    assert [sent[::2] for sent in run(return_result(fail_after_a_row())).responses] == [(500, b"")]
    assert "broken" in caplog.text


def test_a_long_stream_is_sent_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MEMORY_BYTES", 10)
    protocol = run(return_result((b"row\n" for _number in range(5)), ("Content-Type", "text/csv")))
    [(status, headers, path)] = protocol.files
    assert Path(path).read_bytes() == b"row\n" * 5
    assert (status, headers["Content-Type"], headers["Content-Length"]) == (200, "text/csv", "20")


@pytest.mark.django_db  # closing a response of Django closes old connections
def test_a_file_is_read_by_granian(tmp_path: Path) -> None:
    path = tmp_path / "script.js"
    path.write_bytes(b"x" * 100)
    response = FileResponse(path.open("rb"))
    protocol = run(return_result(response, *response.items()))
    assert [sent[2] for sent in protocol.files] == [str(path)]
    assert protocol.responses == []


@pytest.mark.django_db  # closing a response of Django closes old connections
def test_a_part_of_a_file_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "script.js"
    path.write_bytes(b"x" * 100)
    with path.open("rb") as file:
        file.seek(90)
        response = FileResponse(file)
        protocol = run(return_result(response, *response.items()))
    assert [len(body) for _status, _headers, body in protocol.responses] == [10]


@pytest.mark.parametrize("forwarded", ["https", "http", ""])
def test_an_error_of_the_server_has_the_policy_of_hsts_over_https(forwarded: str) -> None:
    protocol = FakeProtocol()
    send_error(protocol, {HSTS: "max-age=9", "HTTP_X_FORWARDED_PROTO": forwarded}, 413, "too_large", "Send less.")
    [(status, headers, _body)] = protocol.responses
    assert (status, headers["X-Content-Type-Options"], headers["Cache-Control"]) == (413, "nosniff", "no-store")
    assert headers.get("Strict-Transport-Security") == ("max-age=9" if forwarded == "https" else None)
