"""Server time of every page in the menu of the back office, and the weight of the first load of Home.

    python -m benchmarks.pages [--customers N] [--runs N] [--folder F] [--only TEXT]

The shop is that of `make demo`; with --customers, its customers are copied in the database until there are N, and get campaigns, flows and
two and a half million messages. Each page, and some pages below the menu, is requested as an administrator in this process, through all of
Django's middleware, --runs times after one request that fills the caches. p95_ms: wall time; cpu_ms: the median of the process's CPU time,
which other programs do not change. queries: database queries of the first request, which fills the caches; first_ms: its time. home_kb: the
compressed page with all scripts, styles and fonts that it refers to, without headers; Plotly counts if the page has a chart of it. --folder
keeps the shop and reuses it; --only measures the pages whose URL contains the text. slow: the pages above a second. load: the system's load
average at the end.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import brotli
import numpy as np

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log
from benchmarks.pages_messages import fill_messages, list_message_urls
from benchmarks.pages_shop import multiply_customers

RUNS = 20
SLOW_MS = 1000
REFERENCE = re.compile(r'(?:src|href|data-plotly)="/static/([^"?]+)"')
CSS_REFERENCE = re.compile(r"url\([\"']?([^\"')]+)[\"']?\)")
FIRST_FONT = ".woff2"
HASH = re.compile(r"\.[0-9a-f]{12}(?=\.\w+$)")  # in the names of collected static files


def main() -> None:
    arguments = parse_arguments()
    with run_embedded_servers("pages", report=log, folder=arguments.folder, DEMO="true", TWO_FACTOR_REQUIRED="false"):
        import django

        django.setup()
        with redirect_stdout(sys.stderr):  # the steps of the demo print what they do
            fill(arguments.customers)
        load_state()
        print(json.dumps(measure(runs=arguments.runs, only=arguments.only)), flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=0, metavar="N", help="default: the shop of `make demo`")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--folder", type=Path, help="keep the shop here, and reuse it")
    parser.add_argument("--only", default="", metavar="TEXT", help="only pages whose URL contains the text")
    return parser.parse_args()


def fill(customers: int) -> None:
    """Load the demo shop, unless the folder has it, and copy its customers until there are so many."""
    from django.core.management import call_command

    from customers.identity.models import Customer

    started = time.monotonic()
    call_command("migrate", verbosity=0)
    if not Customer.objects.exists():
        call_command("demo", no_serve=True)
    multiply_customers(customers)
    if customers:
        fill_messages()
    log(f"The shop is ready after {time.monotonic() - started:.0f} s.")


def load_state() -> None:
    """Load the catalog, the model and the search index, and wait until the kernels are compiled, as a web worker does."""
    from config.wsgi import preload, start_worker
    from customers.lifecycle.portrait.warm_up import warm_up_customer_pages
    from recommendations.serving.state.loader import loader

    started = time.monotonic()
    preload()
    start_worker()
    loader.ready.wait()
    warm_up_customer_pages()
    log(f"The model and the kernels are ready after {time.monotonic() - started:.0f} s.")


def measure(*, runs: int, only: str = "") -> dict[str, Any]:
    """Return the figures of the pages that an administrator may open. only: a part of their URLs."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    user, _created = User.objects.get_or_create(username="benchmark", defaults={"is_superuser": True, "is_staff": True})
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    pages: dict[str, dict[str, Any]] = {}
    home_kb = None
    for url in filter(lambda url: only in url, [*list_urls(user), *list_detail_urls(), *list_message_urls()]):
        started = time.perf_counter()
        with CaptureQueriesContext(connection) as queries:
            response = client.get(url)
        first_ms = round(1000 * (time.perf_counter() - started), 1)
        n_queries = len(queries)  # the next request empties the log
        if response.status_code != 200:
            pages[url] = {"p95_ms": None, "notes": f"status {response.status_code}"}
            continue
        if url == "/admin/":
            home_kb = weigh(response.content.decode())
        wall, cpu = time_requests(client, url, runs)
        pages[url] = {
            "p95_ms": round(float(np.percentile(wall, 95)), 1),
            "p50_ms": round(statistics.median(wall), 1),
            "cpu_ms": round(statistics.median(cpu), 1),
            "first_ms": first_ms,
            "queries": n_queries,
            "kb": round(len(response.content) / 1000, 1),
        }
        log(f"{pages[url]['p95_ms']:8.1f} ms, first {first_ms:8.1f} ms  {url}")
    timed = {url: page["p95_ms"] for url, page in pages.items() if page["p95_ms"] is not None}
    worst = max(timed, key=lambda url: timed[url])
    return {
        "worst_p95_ms": timed[worst],
        "worst_page": worst,
        "slow": {url: ms for url, ms in timed.items() if ms > SLOW_MS},
        "home_kb": home_kb,
        "runs": runs,
        "load": round(os.getloadavg()[0], 1),
        "pages": pages,
    }


def list_urls(user: Any) -> list[str]:
    """Return the URLs of the registry of pages."""
    from django.test import RequestFactory

    from config.foundation.backoffice.navigation import build_navigation

    request = RequestFactory().get("/admin/")
    request.user = user
    return [page.url for area in build_navigation(request) for tab in area.tabs for page in tab.pages]


def list_detail_urls() -> list[str]:
    """Return the URLs of some pages below the menu, each of the first object."""
    from django.urls import reverse

    from catalog.models import Product
    from customers.identity.models import Customer
    from customers.orders.models import Order
    from customers.segments.models import Segment
    from recommendations.merchandising.models import Rule

    customer = Customer.objects.order_by("pk").values_list("pk", flat=True).first()
    page = reverse("admin:lifecycle_customer", args=[customer])
    tabs = ("overview", "timeline", "profile", "predictions", "recommendations", "messages", "privacy")
    urls = [f"{page}?tab={tab}" for tab in tabs]
    filters = ("stage=at_risk", "churn=high&customers_sort=-value", "last_order=30d&customers_sort=last_order")
    urls += [f"{reverse('customer_list:list')}?{query}" for query in filters]
    urls += [f"{reverse('admin:serving_performanceday_changelist')}?scenario={name}" for name in ("for-you", "similar")]
    for view, model in (
        ("admin:segments_segment_overview", Segment),
        ("admin:orders_order_change", Order),
        ("admin:catalog_product_change", Product),
        ("admin:merchandising_rule_change", Rule),
    ):
        if (pk := model._default_manager.order_by("pk").values_list("pk", flat=True).first()) is not None:
            urls.append(reverse(view, args=[pk]))
    return urls


def time_requests(client: Any, url: str, runs: int) -> tuple[list[float], list[float]]:
    """Return wall and CPU milliseconds of each request."""
    wall, cpu = [], []
    for _run in range(runs):
        started, started_cpu = time.perf_counter(), time.process_time()
        client.get(url)
        wall.append(1000 * (time.perf_counter() - started))
        cpu.append(1000 * (time.process_time() - started_cpu))
    return wall, cpu


def weigh(html: str) -> float:
    """Return the kilobytes of a page and of what it refers to: text compressed with brotli, fonts and images as they are."""
    from django.contrib.staticfiles import finders

    total = len(brotli.compress(html.encode()))
    names = set(REFERENCE.findall(html))
    if "data-chart=" not in html:
        names = {name for name in names if not name.startswith("plotly/")}
    for name in sorted(names):
        path = Path(str(finders.find(HASH.sub("", name))))
        content = path.read_bytes()
        total += len(brotli.compress(content, quality=10))
        if path.suffix == ".css":
            fonts = {reference for reference in CSS_REFERENCE.findall(content.decode()) if FIRST_FONT in reference}
            total += sum((path.parent / font).stat().st_size for font in fonts)
    return round(total / 1000, 1)


if __name__ == "__main__":
    main()
