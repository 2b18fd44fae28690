"""The real web server with HTTPS_ONLY: Django's pages, both fast paths, static files, unknown URLs and the server's own errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from customers.events.collector.envelope import MAX_BATCH_BYTES
from tests.clients.web_server import run_web_server
from tests.collected_files import collect_uncompressed
from tests.config.web_server.server import Answer, send

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db]

PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
HSTS = "max-age=31536000"
SCRIPT = "unfold/js/alpine/alpine.js"


@pytest.fixture(scope="module")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collect_uncompressed(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def port(static_root: Path, django_db_setup: Any, django_db_blocker: Any) -> Iterator[int]:
    with django_db_blocker.unblock():
        settings = {"HTTPS_ONLY": "true", "BEHIND_TLS_PROXY": "true", "STATIC_ROOT": str(static_root)}
        with run_web_server(**settings) as url:
            yield urlsplit(url).port or 0


@pytest.fixture(scope="module")
def script(static_root: Path) -> str:
    name = json.loads((static_root / "staticfiles.json").read_bytes())["paths"][SCRIPT]
    return f"/static/{name}"


def get(port: int, path: str, **headers: str) -> Answer:
    return send(port, "GET", path, headers=headers)


@pytest.mark.parametrize(
    "path", ["/admin/", "/v1/projects/wk/settings", "/api/v1/recommendations/popular/", "/nowhere"]
)
def test_pages_over_plain_http_are_redirected(port: int, path: str) -> None:
    answer = get(port, path)
    assert (answer.status, answer.headers["Location"]) == (301, f"https://127.0.0.1:{port}{path}")


@pytest.mark.parametrize("path", ["/v1/batch", "/api/v1/rank/", "/admin/login/"])
def test_bodies_over_plain_http_are_refused(port: int, path: str) -> None:
    answer = send(
        port, "POST", path, b"{}", headers={"Authorization": "Bearer key", "Content-Type": "application/json"}
    )
    assert answer.status == 403
    assert "https" in answer.body.decode().lower()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/login/", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/recommendations/popular/", 401),
        ("POST", "/v1/batch", 400),
        ("GET", "/health/live", 200),
    ],
)
def test_responses_over_https_have_all_headers(port: int, method: str, path: str, status: int) -> None:
    answer = send(port, method, path, b"{}" if method == "POST" else None, headers=PROXY)
    assert answer.status == status
    assert answer.headers["Strict-Transport-Security"] == HSTS
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_cookies_belong_to_this_host_alone(port: int) -> None:
    cookie = get(port, "/admin/login/", **PROXY).headers["Set-Cookie"]
    assert cookie.startswith("__Host-csrftoken=")
    assert {"Secure", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_errors_of_the_server_itself_have_all_headers(port: int) -> None:
    answer = send(port, "POST", "/v1/batch", b"x" * (MAX_BATCH_BYTES + 1), headers=PROXY)
    assert answer.status == 413
    assert answer.headers["Strict-Transport-Security"] == HSTS
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_health_checks_need_no_https(port: int) -> None:
    assert get(port, "/health/live").status == 200


def test_static_files_are_kept_for_a_year_and_asked_for_by_tag(port: int, script: str) -> None:
    answer = get(port, script, **PROXY)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Strict-Transport-Security"] == HSTS
    head = send(port, "HEAD", script, headers=PROXY)
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))
    same = send(port, "GET", script, headers=PROXY | {"If-None-Match": answer.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")
    assert get(port, "/static/" + SCRIPT, **PROXY).status == 404  # only the hashed name exists


def test_a_range_gives_the_whole_file(port: int, script: str) -> None:
    answer = send(port, "GET", script, headers=PROXY | {"Range": "bytes=0-9"})
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(answer.body)))
    assert len(answer.body) > 10


def test_pages_name_the_collected_files_and_are_compressed(port: int, static_root: Path) -> None:
    page = get(port, "/admin/login/", **PROXY, **{"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    plain = get(port, "/admin/login/", **PROXY).body.decode()
    assert '"/static/unfold/js/alpine/alpine.' in plain
    assert f'"/static/{SCRIPT}"' not in plain
