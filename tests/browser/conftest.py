"""Drives Debian's Chromium against a live server with a small made shop. Without Chromium these tests are skipped.

Models are imported inside the fixtures: pytest reads this file before tests/conftest.py has set Django up.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "var" / "screenshots"
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
PASSWORD = "a-long-password-for-tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium on this machine: apt-get install chromium"))


@dataclass
class Watched:
    """A page whose complaints are written down."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._note_response)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def open(self, path: str) -> None:
        self.page.goto(self.address + path, wait_until="networkidle")

    def log_in(self, path: str = "/admin/") -> None:
        self.open(path)
        self.page.fill("input[name=username]", "operator")
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("#login-form button[type=submit]")
        self.page.wait_for_load_state("networkidle")

    def scrolls_sideways(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")

    def save(self, name: str, *, full_page: bool = True) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)


@pytest.fixture
def operator(transactional_db: None) -> "User":
    from django.contrib.auth.models import User

    return User.objects.create_superuser("operator", "operator@example.com", PASSWORD)


@pytest.fixture
def shop(operator: "User") -> SimpleNamespace:
    """Half a year of orders of a few hundred customers, with profiles, and a model that was judged."""
    from tests.browser.shop import make_shop

    return make_shop(datetime.now(UTC))


@contextmanager
def start_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def chromium(request: pytest.FixtureRequest, operator: "User") -> Iterator[Browser]:
    """Started after the data is made: Playwright's event loop and Django's ORM don't share a thread."""
    for name in ("shop", "loop"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    with start_chromium() as browser:
        yield browser


def watch(browser: Browser, address: str, *, width: int, language: str = "en", dark: bool = False) -> Watched:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        locale="zh-CN" if language == "zh-hans" else "en-US",
        color_scheme="dark" if dark else "light",
    )
    return Watched(context.new_page(), address)
