"""Walks from pasting keys to the first recommendations: ``python -m benchmarks.connectors_walk --platform shopify --orders 100000``.

A new installation (``manage.py up`` in a temporary folder) and a shop on a platform (``connected_shops``) run on this machine; Chromium does what a
merchant does. The clock runs from the moment at which the keys are sent until a page shows recommended products of the shop. Printed is one JSON
line; ``--shots FOLDER`` keeps screenshots of each step in both languages, wide and narrow.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.connected_shops import KEYS, SEED, run_shop
from benchmarks.made_products import make_products
from benchmarks.neighbours import log
from tests.chromium import CHROMIUM
from tests.ports import reserve_port

USER, PASSWORD = "admin", "walk-pass-123"
PATIENCE_S = 1800.0
RESULT_LINK = ".wizard-actions a[href*='/serving/']"
# what the page says instead of reasons while the web server loads the model, in the language of the page that waits
FALLBACKS = {"en": "so the newest products of the catalog are shown", "zh-hans": "因此展示目录中的最新商品"}
VIEWS = [(language, width) for language in ("en", "zh-hans") for width in (1440, 390)]


@contextmanager
def run_installation(folder: Path) -> Iterator[str]:
    """Run a new installation; yield its URL."""
    port = reserve_port()
    folder.chmod(0o711)  # PostgreSQL's own user has to enter it
    hidden = {"DATABASE_URL", "VALKEY_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {
        "PERENNIAL_VAR": str(folder / "var"),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "FEED_PRIVATE_HOSTS": "127.0.0.1",
        "TWO_FACTOR_REQUIRED": "false",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "PYTHONUNBUFFERED": "1",
    }
    url = f"http://127.0.0.1:{port}"
    with (folder / "output").open("wb") as output:
        command = [sys.executable, "manage.py", "up", "--migrate", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            wait_for_answer(f"{url}/health/live", process)
            create = [
                sys.executable,
                "manage.py",
                "createsuperuser",
                "--noinput",
                "--username",
                USER,
                "--email",
                "a@shop.example",
            ]
            subprocess.run(create, env=environment, check=True, capture_output=True)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=120)


def wait_for_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"{url} does not answer.")


def open_page(browser: Browser, url: str, language: str, width: int) -> Page:
    """Return a page of somebody who has logged in."""
    locale = "zh-CN" if language.startswith("zh") else "en-US"
    context = browser.new_context(viewport={"width": width, "height": 1000}, locale=locale)
    context.add_cookies([{"name": "django_language", "value": language, "url": url}])
    page = context.new_page()
    page.goto(f"{url}/admin/login/")
    page.fill("input[name=username]", USER)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    return page


class Walk:
    """A merchant's way through the pages. pages: where each view takes its screenshots; empty for none."""

    def __init__(self, browser: Browser, url: str, language: str, shots: Path | None) -> None:
        self.url, self.shots, self.number = url, shots, 0
        self.fallback = FALLBACKS[language]
        self.page = open_page(browser, url, language, 1440)
        self.pages = [open_page(browser, url, *view) for view in VIEWS] if shots else []
        self.times: dict[str, float] = {}
        self.started = time.perf_counter()

    def note(self, step: str) -> None:
        self.times.setdefault(step, round(time.perf_counter() - self.started, 1))

    def shoot(self, name: str) -> None:
        """Take a screenshot of the present address in each view."""
        if self.shots is None:
            return
        self.number += 1
        for (language, width), page in zip(VIEWS, self.pages, strict=True):
            page.goto(self.page.url)
            page.wait_for_timeout(400)
            page.screenshot(path=self.shots / f"{self.number:02}_{name}_{language}_{width}.png", full_page=True)

    def connect(self, platform: str, address: str) -> None:
        """Enter the address and the keys, and start the import from the preview."""
        self.page.goto(f"{self.url}/admin/")
        self.page.goto(f"{self.url}/admin/connectors/")
        self.shoot("list")
        self.page.click(f"a[href$='/{platform}/']")
        self.shoot("keys")
        self.page.fill("input[name=address]", address)
        for name, value in KEYS[platform].items():
            self.page.fill(f"input[name={name}]", value)
        self.started = time.perf_counter()
        self.page.click("form.settings-form button")
        self.page.wait_for_url("**/preview/")
        self.note("keys checked, preview shown")
        self.shoot("preview")
        self.page.click("form[action$='/import/'] button")
        self.page.wait_for_selector("#run-state")

    def wait_for_recommendations(self) -> None:
        """Stay on the page of the shop, which changes by itself, until it offers the first recommendations."""
        deadline, seen = time.monotonic() + PATIENCE_S, set[int]()
        while not self.page.query_selector(RESULT_LINK):
            if time.monotonic() > deadline or self.page.query_selector(".check-steps .failed"):
                raise RuntimeError(self.page.inner_text("#run-state"))
            steps = [item.get_attribute("class") for item in self.page.query_selector_all(".check-steps li")]
            current = steps.index("current") if "current" in steps else -1
            if current >= 0 and current not in seen:
                seen.add(current)
                self.note(("products", "customers", "orders", "profiles", "recommendations")[current])
                self.shoot(f"step{current}")
            self.page.wait_for_timeout(500)
        self.note("ready")
        self.shoot("ready")

    def list_recommendations(self) -> list[str]:
        """Open the recommendations, again until the web server has loaded the model; return the text of the page's rows."""
        self.page.click(RESULT_LINK)
        while "/serving/" in self.page.url:
            self.page.wait_for_load_state()
            text = self.page.inner_text("main" if self.page.query_selector("main") else "body")
            if self.fallback not in text or time.perf_counter() - self.started > PATIENCE_S:
                break
            self.page.wait_for_timeout(1000)
            self.page.reload()
        self.note("only newest products shown" if self.fallback in text else "recommendations shown")
        self.shoot("recommendations")
        return text.splitlines()


def find_titles(lines: Sequence[str], orders: int, chinese: float) -> list[str]:
    """Return the titles of the shop's products that are among the lines."""
    titles = {product.fields["title"] for product in make_products(max(orders // 10, 1), seed=SEED, chinese=chinese)}
    return [line.strip() for line in lines if line.strip() in titles]


def walk(options: argparse.Namespace, folder: Path, shots: Path | None) -> dict[str, Any]:
    chinese = 1.0 if options.language.startswith("zh") else 0.0
    with (
        run_shop(options.platform, orders=options.orders, chinese=chinese) as shop,
        run_installation(folder) as url,
        sync_playwright() as playwright,
    ):
        log(f"{urlsplit(url).netloc} for {options.platform} at {shop}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        way = Walk(browser, url, options.language, shots)
        way.connect(options.platform, shop)
        way.wait_for_recommendations()
        titles = find_titles(way.list_recommendations(), options.orders, chinese)
        browser.close()
    return {
        "platform": options.platform,
        "language": options.language,
        "orders": options.orders,
        "seconds": way.times,
        "recommended": len(titles),
        "first": titles[:3],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=sorted(KEYS), default="shopify")
    parser.add_argument("--language", choices=("en", "zh-hans"), default="en")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--shots", type=Path)
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perennial-walk-") as folder:
        try:
            result = walk(options, Path(folder), options.shots)
        except BaseException:
            print((Path(folder) / "output").read_text()[-5000:], file=sys.stderr)
            raise
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
