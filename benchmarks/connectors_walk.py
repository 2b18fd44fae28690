"""Walks from pasting keys to the first recommendations: ``python -m benchmarks.connectors_walk --platform shopify --orders 100000``.

A new installation (``manage.py up`` in a temporary folder) and a shop on a platform (``connected_shops``, for ``feed`` a file at an address) run on
this machine; Chromium does what a merchant does, in the language of ``--language``. Each page along the way is also opened in both languages, wide
and narrow: texts without a translation and figures that differ are listed. The clock runs from the moment at which the keys are sent until a page
shows recommended products of the shop. ``--kill`` kills all workers with SIGKILL while orders are imported. At the end, the numbers and the sum of
orders are compared with those of the shop, ten differences are planted, and the shop is compared from its page. It prints one JSON line; the exit
code is 1 if anything it checks is wrong: numbers, differences, texts, or more than ten minutes.
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

import psutil
from playwright.sync_api import Browser, Error, Page, sync_playwright

from benchmarks.bilingual_pages import VIEWS, BilingualPages
from benchmarks.connected_shops import KEYS, SEED, make_orders, run_shop
from benchmarks.feed_shop import CSV_COLUMNS, run_feed_shop, write_orders
from benchmarks.made_products import SimulatedProduct, make_products
from benchmarks.neighbours import log
from tests.chromium import CHROMIUM
from tests.ports import reserve_port

USER, PASSWORD = "admin", "walk-pass-123"
PATIENCE_S = 1800.0
MAX_SECONDS = 600.0  # from the keys to the first recommendations
PLANTED = 10
RESULT_LINK = ".wizard-actions a[href*='/serving/']"
STEPS = ("products", "customers", "orders", "profiles", "recommendations")
ORDERS_STEP = 2
# of the local shops, and terms of the platforms that are the same in Chinese
SHOP_NAMES = frozenset(
    {"Tea shop", "Mug shop", "default", "Client ID", "Client secret", "Consumer key", "Consumer secret"}
)
SHIPPING = {"woocommerce": 5, "magento": 5}  # of each order of the local shops
# what the page says instead of reasons while the web server loads the model, in the language of the page that waits
FALLBACKS = {"en": "so the newest products of the catalog are shown", "zh-hans": "因此展示目录中的最新商品"}
READ_TOTALS = """
import json
from django.db.models import Sum
from catalog.models import Product
from customers.orders.models import Order
from customers.identity.models import Identifier
print(json.dumps({"products": Product.objects.count(), "customers": Identifier.objects.filter(kind="user_id").count(),
    "orders": Order.objects.count(), "sum": str(Order.objects.aggregate(sum=Sum("total"))["sum"])}))
"""
PLANT = """
from customers.connectors.models import ShopConnection
from tests.customers.connectors.makers import plant_differences
print(len(plant_differences(ShopConnection.objects.get())))
"""
FIND_CUSTOMER = """
from django.db.models import Count
from customers.orders.models import Order
print(Order.objects.exclude(customer=None).values_list("customer").annotate(n=Count("pk")).order_by("-n", "customer")[0][0])
"""


class Installation:
    """A running installation: its URL and process."""

    def __init__(self, url: str, environment: dict[str, str], process: "subprocess.Popen[bytes]") -> None:
        self.url, self.environment, self.process = url, environment, process

    def run_shell(self, code: str) -> str:
        """Run Python in the installation; return what it prints last."""
        command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", code]
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout.strip().splitlines()[-1]

    def kill_workers(self) -> int:
        """Kill the processes of all workers with SIGKILL, so that none can finish its work; return how many."""
        found = [
            process
            for process in psutil.Process(self.process.pid).children(recursive=True)
            if "celery" in process.cmdline() and "worker" in process.cmdline()
        ]
        for process in found:
            process.kill()
        return len(found)


@contextmanager
def run_installation(folder: Path, *, authority: Path | None = None) -> Iterator[Installation]:
    """Run a new installation. authority: a certificate that it trusts, for the local feed server."""
    port = reserve_port()
    folder.chmod(0o711)  # PostgreSQL's own user has to enter it
    hidden = {"DATABASE_URL", "VALKEY_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {
        "PERENNIAL_VAR": str(folder / "var"),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "FEED_PRIVATE_HOSTS": "127.0.0.1,localhost",
        "TWO_FACTOR_REQUIRED": "false",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "PYTHONUNBUFFERED": "1",
    }
    environment |= {"SSL_CERT_FILE": str(authority)} if authority else {}
    url = f"http://127.0.0.1:{port}"
    with (folder / "output").open("wb") as output:
        command = [sys.executable, "manage.py", "up", "--migrate", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            wait_for_answer(f"{url}/health/live", process)
            create = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", USER]
            subprocess.run([*create, "--email", "a@shop.example"], env=environment, check=True, capture_output=True)
            yield Installation(url, environment, process)
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
    """Return a page of someone who has logged in."""
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
    """A merchant's way through the pages, with the seconds at which each step was seen."""

    def __init__(
        self, browser: Browser, installation: Installation, language: str, views: BilingualPages | None
    ) -> None:
        self.installation, self.url, self.views = installation, installation.url, views
        self.fallback = FALLBACKS[language]
        self.page = open_page(browser, self.url, language, 1440)
        self.times: dict[str, float] = {}
        self.started = time.perf_counter()

    def start_clock(self) -> None:
        self.started = time.perf_counter()

    def note(self, step: str) -> None:
        if step not in self.times:
            self.times[step] = round(time.perf_counter() - self.started, 1)
            log(f"{step}: {self.times[step]} s, load {os.getloadavg()[0]:.1f}")

    def view(self, name: str, *, is_moving: bool = False) -> None:
        """Open the present address in both languages."""
        if self.views is not None:
            self.views.open(self.page.url, name, is_moving=is_moving)

    def require_time(self, problem: str = "") -> None:
        """Raise RuntimeError if a step failed or takes too long."""
        if problem or time.perf_counter() - self.started > PATIENCE_S:
            raise RuntimeError(problem or self.page.inner_text("body"))

    def connect(self, platform: str, address: str) -> None:
        """Enter the address and the keys, and start the import from the preview."""
        self.page.goto(f"{self.url}/admin/connectors/")
        self.view("list")
        self.page.click(f"a[href$='/{platform}/']")
        self.view("keys")
        self.page.fill("input[name=address]", address)
        for name, value in KEYS[platform].items():
            self.page.fill(f"input[name={name}]", value)
        self.start_clock()
        self.page.click("form.settings-form button")
        self.page.wait_for_url("**/preview/")
        self.note("keys checked, preview shown")
        self.view("preview")
        self.page.click("form[action$='/import/'] button")
        self.page.wait_for_selector("#run-state")

    def wait_for_recommendations(self, *, kills: bool) -> None:
        """Stay on the page of the shop, which updates automatically, until it offers the first recommendations."""
        seen, is_killed = set[int](), not kills
        while not self.page.query_selector(RESULT_LINK):
            has_failed = self.page.query_selector(".check-steps .failed")
            self.require_time(self.page.inner_text("#run-state") if has_failed else "")
            steps = [item.get_attribute("class") for item in self.page.query_selector_all(".check-steps li")]
            current = [number for number, name in enumerate(steps) if name == "current"]
            for number in current:
                self.note(STEPS[number])
            if not seen.issuperset(current):
                seen.update(current)
                self.view(f"step{current[0]}", is_moving=True)
            if ORDERS_STEP in current and not is_killed and self.read_percent() >= 10:
                is_killed = True
                log(f"killed {self.installation.kill_workers()} processes at {self.read_percent()} %")
                self.note("workers killed")
            self.page.wait_for_timeout(500)
        self.note("ready")
        self.view("ready")

    def read_percent(self) -> int:
        """Return the percentage of the current step; 0 if it is not known."""
        progress = self.page.query_selector(".check-steps li.current progress")
        return int(float((progress.get_attribute("value") if progress else None) or 0))

    def list_recommendations(self) -> list[str]:
        """Open the recommendations, repeatedly until the web server has loaded the model; return the text of the page's rows."""
        self.page.click(RESULT_LINK)
        return self.read_recommendations()

    def read_recommendations(self) -> list[str]:
        while True:
            self.page.wait_for_load_state()
            text = self.page.inner_text("main" if self.page.query_selector("main") else "body")
            if self.fallback not in text or time.perf_counter() - self.started > PATIENCE_S:
                break
            self.page.wait_for_timeout(1000)
            self.page.reload()
        self.note("only newest products shown" if self.fallback in text else "recommendations shown")
        self.view("recommendations")
        return text.splitlines()

    def compare(self, shop_url: str) -> int:
        """Plant differences, compare the shop from its page, and return how many its table lists."""
        self.installation.run_shell(PLANT)
        self.page.goto(shop_url)
        started = time.perf_counter()
        self.page.click("form[action$='/compare/'] button")
        self.page.wait_for_load_state()
        while self.page.query_selector("#run-state[hx-get]"):
            self.require_time()
            self.page.wait_for_timeout(500)
        self.times["reconciliation"] = round(time.perf_counter() - started, 1)
        self.page.reload()
        self.view("differences")
        return len(self.page.query_selector_all("#differences tbody tr"))

    def fetch_feed(self, address: str) -> None:
        """Enter the address of a product feed, and wait until it is imported."""
        self.page.goto(f"{self.url}/admin/connectors/")
        self.view("list")
        self.page.click("a[href$='/feeds/']")
        self.view("feeds")
        self.page.click("a[href$='/feeds/new/']")
        self.view("feed")
        self.page.fill("input[name=url]", address)
        self.page.fill("input[name=source]", "shop")
        self.start_clock()
        self.page.click(".wizard-form button")
        self.page.wait_for_load_state()
        self.note("feed saved")
        self.page.click("form[action$='/fetch/'] button")
        while not self.find(".wizard-actions a"):
            self.require_time()
            self.page.wait_for_timeout(1000)
            self.page.reload()
        self.view("feed fetched", is_moving=True)
        self.page.click(".wizard-actions a")
        self.wait_for_import()
        self.note("products")

    def find(self, selector: str) -> bool:
        """Return whether the page has an element; a page that is just being replaced is waited for."""
        while True:
            try:
                return self.page.query_selector(selector) is not None
            except Error as error:
                if "context was destroyed" not in str(error):
                    raise
                self.page.wait_for_load_state()

    def wait_for_import(self) -> None:
        self.page.wait_for_selector("#run-state")
        while self.find("#run-state[hx-get]"):
            self.require_time()
            self.page.wait_for_timeout(500)
        self.view("import")

    def import_orders(self, path: Path) -> None:
        """Upload the orders as a file, check them and import them."""
        self.page.goto(f"{self.url}/admin/imports/new/orders/")
        self.page.set_input_files("input[type=file]", path)
        self.page.fill("input[name=source]", "shop")
        self.view("upload")
        self.page.click(".wizard-form button")
        self.page.wait_for_url("**/columns/")
        self.view("columns")
        self.page.click(".wizard-stack > .wizard-actions button")
        self.wait_for_import()
        self.page.click("form[action$='/import/'] button")
        self.wait_for_import()
        self.note("orders")

    def train(self) -> None:
        """Start a training on the page of trainings, wait for its end, and open the recommendations of a customer."""
        trainings = f"{self.url}/admin/training/modelversion/"
        self.page.goto(trainings)
        self.view("trainings")
        self.page.click("form[action$='/train/'] button")
        self.note("training started")
        while not self.find("a[href*='/training/modelversion/'][href$='/change/']"):
            self.require_time()
            self.page.wait_for_timeout(1000)
            self.page.goto(trainings)
        self.note("ready")
        self.view("trained")
        customer = self.installation.run_shell(FIND_CUSTOMER)
        self.page.goto(f"{self.url}/admin/serving/preview/customer/{customer}/")


def find_titles(lines: Sequence[str], products: Sequence[SimulatedProduct]) -> list[str]:
    """Return the titles of the shop's products that are among the lines."""
    titles = {product.fields["title"] for product in products}
    return [line.strip() for line in lines if line.strip() in titles]


def list_names(products: Sequence[SimulatedProduct]) -> set[str]:
    """Return the texts of the shop, which are the same in every language."""
    fields = [product.fields for product in products]
    texts = {str(row[name]) for row in fields for name in ("title", "brand", "category", "sku")}
    return (
        texts
        | SHOP_NAMES
        | {*CSV_COLUMNS, "placed", "shop", "orders.csv", "EUR", "Online Retail (UCI)"}
        | {part for row in fields for part in row["category"].split(" > ")}
    )


def count_expected(platform: str, products: Sequence[SimulatedProduct], orders: int) -> dict[str, Any]:
    """Return the numbers of records and the sum of orders that the shop has."""
    customers = max(orders // 5, 1)
    made = make_orders(products, count=orders, customers=customers)
    cents = sum(round(sum(products[row].fields["price"] for row in order.products) * 100) for order in made)
    cents += SHIPPING.get(platform, 0) * 100 * orders
    buyers = len({order.customer for order in made})
    return {
        "products": len(products),
        "customers": buyers if platform == "feed" else customers,
        "orders": orders,
        "sum": f"{cents // 100}.{cents % 100:02}",
    }


def walk(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    chinese = 1.0 if options.language.startswith("zh") else 0.0
    products = make_products(max(options.orders // 10, 1), seed=SEED, chinese=chinese)
    is_feed = options.platform == "feed"
    server = (
        run_feed_shop(products, folder / "feed")
        if is_feed
        else run_shop(options.platform, orders=options.orders, chinese=chinese, country=options.country)
    )
    with (
        server as shop,
        run_installation(folder, authority=folder / "feed" / "ca.pem" if is_feed else None) as installation,
        sync_playwright() as playwright,
    ):
        log(f"{urlsplit(installation.url).netloc} for {options.platform} at {shop}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        views = None
        if options.shots:
            pages = [open_page(browser, installation.url, *view) for view in VIEWS]
            views = BilingualPages(pages, options.shots, list_names(products))
        way = Walk(browser, installation, options.language, views)
        differences = 0
        if is_feed:
            way.fetch_feed(shop)
            path = folder / "orders.csv"
            write_orders(path, products, options.orders)
            way.import_orders(path)
            way.train()
            titles = find_titles(way.read_recommendations(), products)
        else:
            way.connect(options.platform, shop)
            way.wait_for_recommendations(kills=options.kill)
            shop_url = way.page.url
            titles = find_titles(way.list_recommendations(), products)
        totals = json.loads(installation.run_shell(READ_TOTALS))
        if not is_feed:
            differences = way.compare(shop_url)
        browser.close()
    return {
        "platform": options.platform,
        "language": options.language,
        "orders": options.orders,
        "seconds": way.times,
        "recommended": len(titles),
        "first": titles[:3],
        "totals": totals,
        "expected": count_expected(options.platform, products, options.orders),
        "differences": differences,
        "problems": views.problems if views else None,
        "kills": options.kill and not is_feed,
    }


def list_failures(result: dict[str, Any]) -> list[str]:
    """Return what a walk has found wrong, one sentence each."""
    is_feed = result["platform"] == "feed"
    seconds = result["seconds"].get("recommendations shown", 0.0)
    checks = {
        f"the totals {result['totals']} are not {result['expected']}": result["totals"] != result["expected"],
        "no product of the shop is recommended": not result["recommended"],
        "only the newest products are shown": "recommendations shown" not in result["seconds"],
        f"{result['differences']} of {PLANTED} planted differences": not is_feed and result["differences"] != PLANTED,
        f"{seconds} s until recommendations are shown": seconds > MAX_SECONDS,
        "no workers were killed": result["kills"] and "workers killed" not in result["seconds"],
    }
    return [text for text, is_wrong in checks.items() if is_wrong] + (result["problems"] or [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=(*sorted(KEYS), "feed"), default="shopify")
    parser.add_argument("--language", choices=("en", "zh-hans"), default="en")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--country", default="US", help="where the customers live")
    parser.add_argument("--kill", action="store_true", help="kill the workers while orders are imported")
    parser.add_argument("--shots", type=Path, help="folder of screenshots; without it, pages are not compared")
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perennial-walk-") as folder:
        try:
            result = walk(options, Path(folder))
        except BaseException:
            print((Path(folder) / "output").read_text()[-5000:], file=sys.stderr)
            raise
    failures = list_failures(result)
    print(json.dumps({**result, "failures": failures}, ensure_ascii=False))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
