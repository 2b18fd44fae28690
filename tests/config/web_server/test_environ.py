"""The WSGI environ has what applications expect of a server."""

from typing import Any

import pytest

from config.web_server.environ import build_environ
from tests.config.web_server.fakes import make_scope


def make_environ(headers: dict[str, str] | list[tuple[str, str]] | None = None, **scope: Any) -> dict[str, Any]:
    return build_environ(make_scope(headers, **scope))


def test_the_request_line_and_the_addresses_are_in_the_environ() -> None:
    environ = make_environ({"host": "shop.example"}, method="PUT", path="/a b", query_string="q=%20&r")
    wanted = {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "q=%20&r",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.7",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "shop.example",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }
    assert {name: environ[name] for name in wanted} == wanted


def test_a_path_is_its_bytes_as_latin_1() -> None:
    assert make_environ(path="/茶")["PATH_INFO"].encode("latin-1").decode() == "/茶"


def test_ipv6_addresses_have_no_brackets() -> None:
    environ = make_environ(client="[2001:db8::1]:50123", server="[::1]:8000")
    assert (environ["REMOTE_ADDR"], environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("2001:db8::1", "::1", "8000")


def test_repeated_headers_are_joined_and_cookies_by_semicolons() -> None:
    environ = make_environ([("x-tag", "1"), ("cookie", "a=1"), ("x-tag", "2"), ("cookie", "b=2")])
    assert (environ["HTTP_X_TAG"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_a_header_that_is_not_ascii_is_empty() -> None:
    environ = make_environ([("x-tag", "1"), ("x-tag", "2"), ("idempotency-key", "schlüssel")])
    assert (environ["HTTP_X_TAG"], environ["HTTP_IDEMPOTENCY_KEY"]) == ("1,2", "")


def test_content_headers_have_no_prefix() -> None:
    environ = make_environ({"content-type": "text/plain", "content-length": "3"})
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & environ.keys()


@pytest.mark.parametrize("name", ["x_forwarded_proto", "range"])
def test_headers_that_must_not_reach_the_application_are_left_out(name: str) -> None:
    assert make_environ({name: "https"}).keys() == make_environ().keys()


def test_variables_of_the_process_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    assert "HTTP_PROXY" not in make_environ()


def test_the_authority_replaces_a_missing_host() -> None:
    assert make_environ(authority="shop.example")["HTTP_HOST"] == "shop.example"
