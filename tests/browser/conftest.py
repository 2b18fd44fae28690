"""Drive Debian's Chromium against a live server with a small sample shop; without Chromium, skip these tests.

Models are imported inside the fixtures: pytest reads this file before tests/conftest.py has set Django up.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Request, Response, expect

from tests.chromium import CHROMIUM, PATIENCE_MS, open_page
from tests.chromium import chromium as shared_chromium

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "var" / "screenshots"
PASSWORD = "a-long-password-for-tests"
NEXT_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# whether a page of a shop still waits for its products, or for the collector to store its events, which it sends later than they happen
IS_WAITING = f"""{NEXT_FRAMES}.then(
  () => document.querySelector(".skeleton, .perennial-skeleton") !== null || window.perennial?.countPending?.() > 0
)"""
# The scripts of a shop stop waiting for a server after seconds, which a busy machine needs longer.
PATIENT_SCRIPTS = """
const limit = AbortSignal.timeout.bind(AbortSignal)
AbortSignal.timeout = (milliseconds) => limit(60 * milliseconds)
"""


expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(folder):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed: apt-get install chromium"))


# Logged by htmx when a page is left while a request is running, such as a preview half a second after the last change. A request that
# fails has messages of its own, and its status is recorded.
ABORTED_BY_LEAVING = ("htmx:sendAbort", "htmx:afterRequest")


@dataclass
class MonitoredPage:
    """A page that records its console errors, script errors and failed responses."""

    page: Page
    address: str
    browser_errors: list[str] = field(default_factory=list)
    pending: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("requestfinished", lambda request: self.pending.discard(request))
        self.page.on("requestfailed", lambda request: self.pending.discard(request))
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.browser_errors.append(str(error)))
        self.page.on("response", self._note_response)

    def _note_request(self, request: Request) -> None:
        if request.resource_type != "ping":  # sent by a page that is left, which does not learn of its end
            self.pending.add(request)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and message.text not in ABORTED_BY_LEAVING:
            self.browser_errors.append(f"{message.type}: {message.text}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.browser_errors.append(f"{response.status} {response.url}")

    def open(self, path: str) -> None:
        """Open a page and wait until it has all that it requests, and has sent all events of its visit."""
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the page is loaded, drawn, has the responses to all requests that it has sent meanwhile, and has shown them.

        A page of a shop also waits between two attempts of a request, and collects events before it sends them.
        """
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while True:
            was_answered = not self.pending  # the scripts that use the last response run after it has arrived
            try:
                self.page.wait_for_load_state()
                is_waiting = self.page.evaluate(IS_WAITING)
            except Error as error:
                if "navigation" not in str(error) or time.monotonic() > deadline:
                    raise
                continue  # the next page has replaced this one
            if was_answered and not self.pending and not is_waiting:
                return
            assert time.monotonic() < deadline, f"{self.page.url} waits for {[request.url for request in self.pending]}"
            self.page.wait_for_timeout(10)

    def resize(self, width: int) -> None:
        """Change the width of the window and wait until the page has drawn itself again."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.evaluate(NEXT_FRAMES)

    def log_in(self, path: str = "/admin/") -> None:
        self.open(path)
        self.page.fill("input[name=username]", "operator")
        self.page.fill("input[name=password]", PASSWORD)
        # by the keyboard: a layer for dialogs lies over the button until a script has hidden it
        self.page.press("input[name=password]", "Enter")
        self.settle()

    def scrolls_sideways(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")

    def scrolls_sideways_after_resize(self, width: int) -> bool:
        """Change the width and return whether the page is still wider after charts had time to follow."""
        self.resize(width)
        for _attempt in range(100):  # not wait_for_function, which the content security policy forbids
            if not self.scrolls_sideways():
                return False
            self.page.wait_for_timeout(50)
        return True

    def save(self, name: str, *, full_page: bool = True, is_failure: bool = False) -> None:
        """Save a screenshot of a failure; any other only if the variable SCREENSHOTS is set, because nobody looks at those of most runs."""
        if not (is_failure or os.environ.get("SCREENSHOTS")):
            return
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)


@pytest.fixture
def operator(transactional_db: None) -> "User":
    from django.contrib.auth.models import User

    return User.objects.create_superuser("operator", "operator@example.com", PASSWORD)


@pytest.fixture
def shop(operator: "User") -> SimpleNamespace:
    """Make half a year of orders of 240 customers, with profiles and an evaluated model."""
    from tests.browser.shop import make_shop

    return make_shop(datetime.now(UTC))


@pytest.fixture
def chromium(request: pytest.FixtureRequest, operator: "User") -> Iterator[Browser]:
    """Return the browser after the data is made: Playwright's event loop and Django's ORM cannot share a thread."""
    for name in ("shop", "site"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    with shared_chromium.use() as browser:
        yield browser


def open_monitored_page(
    browser: Browser, address: str, *, width: int, language: str = "en", dark: bool = False
) -> MonitoredPage:
    page = open_page(
        browser,
        viewport={"width": width, "height": 900},
        locale="zh-CN" if language == "zh-hans" else "en-US",
        color_scheme="dark" if dark else "light",
    )
    page.context.add_init_script(PATIENT_SCRIPTS)
    return MonitoredPage(page, address)


def type_query(monitored: MonitoredPage, box: Locator, text: str) -> None:
    """Type into a search box and wait until it shows the suggestions for the whole text.

    Those for its first letters may come before; later ones replace them, and with them the selected one, or one that is being clicked.
    """
    with monitored.page.expect_response(lambda response: parse_qs(urlsplit(response.url).query).get("q") == [text]):
        box.press_sequentially(text)
    monitored.settle()
