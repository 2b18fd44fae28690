"""A shop's page with its own origin, opened in Chromium; its requests and responses are recorded."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Page, Response

from tests.chromium import chromium, open_page

SEGMENT = Path("node_modules", "@segment", "analytics-next", "dist", "umd")
MAX_SECONDS = 300


class StorefrontServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, page: str, scripts: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), StorefrontHandler)
        self.page = page.encode()
        self.scripts = scripts

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class StorefrontHandler(SimpleHTTPRequestHandler):
    server: StorefrontServer

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.page)

    def translate_path(self, path: str) -> str:
        return str(self.server.scripts / Path(path).name)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the tests read Chromium's records."""


@dataclass
class PageVisit:
    """An open page; ``delivered`` has the message ids of the POST requests that got status 200 in Chromium."""

    page: Page
    shop: str
    delivered: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    browser_errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.addresses.add(request.url))
        self.page.on("response", self._record_response)
        self.page.on("pageerror", lambda error: self.browser_errors.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.browser_errors.append(message.text) if message.type in ("error", "warning") else None,
        )

    def _record_response(self, response: Response) -> None:
        if response.request.method == "POST" and response.status == 200:
            text = response.request.post_data or "{}"
            payload = json.loads(text) if text.startswith("{") else {"batch": []}
            self.delivered += [item["messageId"] for item in payload.get("batch", [payload])]

    def wait_for(self, message_ids: set[str]) -> None:
        self._wait_until(lambda: message_ids <= set(self.delivered))

    def wait_for_count(self, count: int) -> None:
        self._wait_until(lambda: len(self.delivered) >= count)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Let the page run until the condition holds or the time is up; the test checks what was delivered."""
        deadline = time.monotonic() + MAX_SECONDS
        while not condition() and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)


@contextmanager
def visit_page(
    page: str, *, node_folder: Path, scripts: Path = SEGMENT, port: int = 0, headers: dict[str, str] | None = None
) -> Iterator[PageVisit]:
    """Open the page, with the files of an SDK, by default analytics-next, and extra browser ``headers`` such as Sec-GPC."""
    with StorefrontServer(page, node_folder / scripts, port) as shop:
        thread = Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            with chromium.use() as browser:
                opened = PageVisit(open_page(browser, extra_http_headers=headers), shop.url)
                opened.page.goto(shop.url)
                yield opened
        finally:
            shop.shutdown()
            thread.join()
