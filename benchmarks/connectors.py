"""Times connectors against a local shop: ``python -m benchmarks.connectors --orders 100000``.

A tenth as many products and a fifth as many customers as orders. The shop runs in another process, see ``connected_shops``; the back-fill (products,
customers, orders) includes the time the shop takes to answer. The same orders are also imported from a CSV file into another source. Then
webhooks are received and processed, and all records are reconciled, with ten planted differences. It prints one JSON line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.connected_shops import CHANGED, KEYS, SEED, change_orders, run_shop
from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.feed_shop import write_orders
from benchmarks.made_products import make_products
from benchmarks.neighbours import log

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that work took, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def make_shop(platform: str, url: str) -> Any:
    from tests.customers.connectors.makers import make_connection

    return make_connection(platform, url, KEYS[platform])


def run_sync(shop: Any, kind: str, *, at: datetime) -> Any:
    from customers.connectors.sync.runs import continue_run, start_run

    run = start_run(shop, kind, at=at)
    if run is None:
        raise RuntimeError("Another run of the shop is not finished.")
    continue_run(run, at=at)
    if run.status != "done":
        raise RuntimeError(f"The run is {run.status}: {run.error}")
    return run


def time_webhooks(shop: Any, url: str, number: int) -> dict[str, float]:
    """Receive and process webhooks of changed orders; return both rates."""
    from customers.connectors.webhooks.processing import process_shop
    from customers.connectors.webhooks.receiving import receive
    from tests.customers.connectors.platforms.shopify_server import sign

    bodies = [json.dumps({"id": key, "updated_at": CHANGED}).encode() for key in change_orders(url, number)]
    signed = [(sign(body, topic="orders/updated", event_id=str(index)), body) for index, body in enumerate(bodies)]
    received_s, _done = clock(lambda: [receive(shop, headers, body, at=NOW) for headers, body in signed])

    def process_all() -> None:
        while process_shop(shop, at=NOW + timedelta(seconds=1)):
            pass

    processed_s, _done = clock(process_all)
    return {"webhooks_per_s": round(number / received_s), "processed_webhooks_per_s": round(number / processed_s)}


def measure(platform: str, orders: int, webhooks: int, folder: Path) -> dict[str, Any]:
    from django.conf import settings

    from customers.connectors.models import SyncDifference
    from customers.events.models import Source
    from customers.orders.imports.file_import import import_orders
    from tests.customers.connectors.makers import plant_differences

    settings.FEED_PRIVATE_HOSTS = ["127.0.0.1"]
    rows = orders + max(orders // 10, 1) + max(orders // 5, 1)
    with run_shop(platform, orders=orders) as url:
        shop = make_shop(platform, url)
        log(f"back-fill of {rows:,} rows")
        backfill_s, _run = clock(lambda: run_sync(shop, "backfill", at=NOW))
        path = folder / "orders.csv"
        write_orders(path, make_products(max(orders // 10, 1), seed=SEED, chinese=0.0), orders)
        source = Source.objects.create(key="file", name="File", kind="import")
        file_s, _run = clock(lambda: import_orders(path=path, source=source, started_at=NOW))
        rates: dict[str, float] = {}
        if platform == "shopify":
            log("webhooks")
            rates = time_webhooks(shop, url, min(webhooks, orders))
        planted = plant_differences(shop)
        log("reconciliation")
        reconcile_s, run = clock(lambda: run_sync(shop, "reconciliation", at=NOW + timedelta(days=1)))
        found = set(SyncDifference.objects.filter(run=run).values_list("kind", "external_id", "code"))
    return {
        "platform": platform,
        "orders": orders,
        "rows": rows,
        "backfill_s": round(backfill_s, 2),
        "backfill_rows_per_s": round(rows / backfill_s),
        "file_s": round(file_s, 2),
        "file_orders_per_s": round(orders / file_s),
        "ratio": round((rows / backfill_s) / (orders / file_s), 3),
        **rates,
        "reconciliation_s": round(reconcile_s, 2),
        "planted_differences": len(planted),
        "found_differences": len(found & planted),
        "other_differences": len(found - planted),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=sorted(KEYS), default="shopify")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--webhooks", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_embedded_servers("connectors", report=log):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        print(json.dumps(measure(options.platform, options.orders, options.webhooks, Path(folder))))
        connection.close()


if __name__ == "__main__":
    main()
