"""With HTTPS_ONLY, nothing is served over plain HTTP, and every response over HTTPS has the policy of HSTS."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from config.http.checks import check_https_settings
from config.http.transport import SecureTransport

HSTS = "max-age=31536000; includeSubDomains"
PROXY = {"HTTP_X_FORWARDED_PROTO": "https"}


@pytest.fixture
def https_only(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("referrer-policy", "no-referrer")])
    return [b"from the application"]


def call(method: str = "GET", path: str = "/v1/batch", **environ: str) -> tuple[int, dict[str, str], bytes]:
    sent: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        sent.update(status=int(status.split()[0]), headers={name.lower(): value for name, value in headers})
        assert len(sent["headers"]) == len(headers)

    defaults = {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    request = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "wsgi.input": BytesIO(), **defaults}
    body = b"".join(SecureTransport(respond)(request | environ, start_response))
    return sent["status"], sent["headers"], body


@pytest.mark.usefixtures("https_only")
@pytest.mark.parametrize("path", ["/", "/admin/", "/static/x.js", "/v1/projects/wk/settings", "/nowhere", "/metrics"])
def test_a_page_over_plain_http_is_redirected(path: str) -> None:
    status, headers, _body = call(path=path, QUERY_STRING="a=1&b=ä".encode().decode("latin-1"))
    assert status == 301
    assert headers["location"].startswith(f"https://localhost{path}?a=1&b=")
    assert "strict-transport-security" not in headers  # RFC 6797 forbids it over plain HTTP


@pytest.mark.usefixtures("https_only")
@pytest.mark.parametrize(
    ("method", "path", "environ"),
    [
        ("POST", "/v1/batch", {}),
        ("POST", "/api/v1/rank/", {"HTTP_AUTHORIZATION": "Bearer pk"}),
        ("GET", "/api/v1/recommendations/for-you/", {"HTTP_AUTHORIZATION": "Bearer pk"}),
        ("GET", "/sourceConfig/", {"HTTP_X_WRITE_KEY": "wk"}),
        ("OPTIONS", "/v1/batch", {}),
        ("POST", "/admin/login/", {"HTTP_X_FORWARDED_PROTO": "http"}),
    ],
)
def test_a_key_or_a_body_over_plain_http_is_refused(method: str, path: str, environ: dict[str, str]) -> None:
    status, headers, body = call(method, path, **environ)
    answer = json.loads(body)
    assert status == 403
    assert headers["cache-control"] == "no-store"
    if path.startswith("/api/"):
        assert headers["content-type"] == "application/problem+json"
        assert answer["type"] == "urn:perennial:problem:https-required"
    else:
        assert answer["code"] == "https_required"


@pytest.mark.usefixtures("https_only")
def test_another_host_is_no_target_of_a_redirect() -> None:
    status, headers, body = call(path="/admin/", HTTP_HOST="evil.example")
    assert (status, json.loads(body)["code"], "location" in headers) == (400, "host_not_allowed", False)


@pytest.mark.usefixtures("https_only")
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_checks_need_no_https(path: str) -> None:
    assert call(path=path)[2] == b"from the application"


@pytest.mark.usefixtures("https_only")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_responses_over_https_have_all_headers(method: str) -> None:
    status, headers, _body = call(method, **PROXY)
    assert status == 404
    assert headers["strict-transport-security"] == HSTS
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"  # the application's own
    assert "camera=()" in headers["permissions-policy"]


def test_a_client_cannot_claim_https_without_a_trusted_proxy(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = None
    assert call("POST", **PROXY)[0] == 403


def test_without_https_only_nothing_is_refused() -> None:
    status, headers, _body = call("POST")
    assert (status, headers["x-content-type-options"]) == (404, "nosniff")
    assert "strict-transport-security" not in headers


def test_a_redirect_without_end_is_reported_before_the_start(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = None
    assert [message.id for message in check_https_settings(None)] == ["perennial.W001"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert check_https_settings(None) == []
