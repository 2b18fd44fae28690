"""Links of a message, requested before it is sent."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from config.foundation.http.link_check import check_link
from recommendations.messaging.link_checks import check_links, read_link_check
from tests.makers import NOON
from tests.recommendations.messaging.makers import get_version, make_source, make_template
from tests.recommendations.messaging.test_pages import log_in
from tests.waiting import DEADLINE_SECONDS

STATUSES = {"/ok": 200, "/missing": 404, "/broken": 500, "/moved": 302, "/get-only": 405, "/members": 403}


@pytest.fixture
def shop(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a shop on this machine, whose address is allowed."""
    # the thread of the shop may be delayed
    defaults = {**(check_link.__kwdefaults__ or {}), "seconds": DEADLINE_SECONDS}
    monkeypatch.setattr(check_link, "__kwdefaults__", defaults)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(STATUSES[self.path])

        def do_GET(self) -> None:
            self.answer(200 if self.path == "/get-only" else STATUSES[self.path])

        def answer(self, status: int) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/ok")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_link_is_followed_to_its_last_page(shop: str) -> None:
    works = {path: check_link(f"{shop}{path}", private_hosts=["127.0.0.1"]) for path in STATUSES}
    assert [path for path, result in works.items() if result.problem] == ["/missing", "/broken"]
    assert works["/moved"].status == 200
    assert "404" in works["/missing"].problem


def test_addresses_of_the_own_network_are_not_requested(shop: str) -> None:
    for url in (shop, shop.replace("http:", "https:"), "https://169.254.169.254/latest/", "https://[::1]/", "https://"):
        result = check_link(url)
        assert (result.status, bool(result.problem)) == (0, True), url


@pytest.mark.django_db
def test_the_checks_name_each_broken_link(shop: str, valkey: Any, client: Client, settings: Any) -> None:
    buttons = "".join(f'<mj-button href="{shop}{path}">Go</mj-button>' for path in ("/ok", "/missing"))
    template = make_template(make_source(buttons))
    version = get_version(template)
    assert read_link_check(version) is None
    log_in(client, settings, "Marketer")
    url = reverse("message_templates:checks", args=[template.pk])
    assert "Not checked yet" in client.get(url).text
    page = client.post(reverse("message_templates:check-links", args=[template.pk]), follow=True).text
    assert "1 link does not work" in page
    assert "The page does not exist (404)." in page
    stored = read_link_check(version)
    assert stored is not None
    assert [result.url for result in stored.broken] == [f"{shop}/missing"]
    assert check_links(version, now=NOON).broken == stored.broken
