"""Debian's Chromium, started once per test process."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

# instead of Playwright's 30 s, which are too short for a page and an action on a busy machine
PATIENCE_MS = 180_000
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


class SharedChromium:
    """The browser and the event loop that Playwright runs in the main thread.

    Between browser tests the loop is hidden: Django's ORM and `asyncio.run` refuse to work in the thread of a running loop.
    """

    def __init__(self) -> None:
        self.manager: Any = None
        self.browser: Browser | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def use(self) -> Iterator[Browser]:
        """Yield the browser without a context; every context that is opened meanwhile is closed afterwards."""
        if self.browser is None or not self.browser.is_connected():
            self.stop()
            self.manager = sync_playwright()
            playwright = self.manager.__enter__()
            self.browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
            )
            self.loop = asyncio.get_running_loop()
        asyncio._set_running_loop(self.loop)
        try:
            yield self.browser
        finally:
            for context in self.browser.contexts:
                context.close()
            asyncio._set_running_loop(None)

    def stop(self) -> None:
        if self.browser is not None:
            asyncio._set_running_loop(self.loop)
            self.browser.close()
            self.manager.__exit__(None, None, None)
            self.browser = None


chromium = SharedChromium()


def open_page(browser: Browser, **options: Any) -> Page:
    """Open a page in a context of its own, whose actions wait patiently."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()
