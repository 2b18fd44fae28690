"""The process that imports a shop's history is killed in the middle, and another one continues: nothing is lost, nothing is doubled.

Then ten records are changed here, and the comparison with the shop finds exactly these, on each platform.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Sum

from catalog.models import Product
from customers.connectors.models import ShopConnection, SyncDifference, SyncRun
from customers.connectors.sync.runs import continue_run, start_run
from customers.identity.models import Consent, Customer
from customers.orders.models import Order, OrderLine
from tests.child_processes import kill_after_output, start_child
from tests.customers.connectors.makers import make_connection, plant_differences
from tests.customers.connectors.platforms import magento_server, shopify_server, woocommerce_server

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMPORTING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
from customers.connectors.platforms import magento, shopify, woocommerce
from customers.connectors.sync import runs
from tests.stopping_points import stop_at

settings.FEED_PRIVATE_HOSTS, settings.VAR_DIR = ["127.0.0.1"], Path({folder!r})
shopify.PAGE_RECORDS = magento.PAGE_SIZE = woocommerce.PAGE_SIZE = runs.MIN_BATCH = 10
shopify.POLL_SECONDS = 0
stop_at(runs, "{name}", calls={calls})
runs.continue_due_runs(at=datetime(2026, 11, 24, 12, tzinfo=UTC))
print("done", flush=True)
sys.stdin.read()
"""
SEEN = {"products": 30, "customers": 30, "orders": 40}
# in a transaction with products; after that of customers; in one with orders, whose export Shopify gives again
THRICE = (("write_records", 2), ("should_stop", 4), ("write_records", 5))
ONCE = (("write_records", 8),)  # in a transaction with orders


def count_rows() -> tuple[Any, ...]:
    sales = Order.objects.aggregate(total=Sum("total"))["total"]
    counted = (Product, Customer, Consent, Order, OrderLine)
    return (*(model._default_manager.count() for model in counted), str(sales))


@contextmanager
def run_shopify() -> Iterator[ShopConnection]:
    server = shopify_server.ShopifyServer()
    server.records["products"] = [shopify_server.make_product(number) for number in range(1, 31)]
    server.records["customers"] = [shopify_server.make_customer(number) for number in range(1, 31)]
    server.records["orders"] = [
        shopify_server.make_order(1000 + n, customer=n % 30 + 1, variant=(n % 30 + 1) * 100 + 1) for n in range(40)
    ]
    keys = {"client_id": shopify_server.CLIENT_ID, "client_secret": shopify_server.CLIENT_SECRET}
    with server.run() as url:
        yield make_connection("shopify", url, keys)
        assert len(server.operations) == 6, "each export is started once: three of the import, three of the comparison"


@contextmanager
def run_woocommerce() -> Iterator[ShopConnection]:
    server = woocommerce_server.WooCommerceServer()
    server.records["products"] = [woocommerce_server.make_product(number) for number in range(1, 31)]
    server.records["customers"] = [woocommerce_server.make_customer(number) for number in range(1, 31)]
    server.records["orders"] = [
        woocommerce_server.make_order(1000 + n, customer=n % 30 + 1, product=n % 30 + 1) for n in range(40)
    ]
    keys = {"consumer_key": woocommerce_server.KEY, "consumer_secret": woocommerce_server.SECRET}
    with server.run() as url:
        yield make_connection("woocommerce", url, keys)


@contextmanager
def run_magento() -> Iterator[ShopConnection]:
    server = magento_server.MagentoServer()
    server.records["/products"] = [magento_server.make_product(number) for number in range(1, 31)]
    server.records["/customers/search"] = [magento_server.make_customer(number) for number in range(1, 31)]
    server.records["/orders"] = [
        magento_server.make_order(1000 + n, customer=n % 30 + 1, sku=f"BAG-{n % 30 + 1}") for n in range(40)
    ]
    with server.run() as url:
        yield make_connection("magento", url, {"access_token": magento_server.TOKEN})


@pytest.mark.parametrize(
    ("run_server", "kills", "consents", "sales"),
    [
        (run_shopify, THRICE, 30, "1000.00"),
        (run_woocommerce, ONCE, 0, "912.80"),
        (run_magento, ONCE, 30, "1640.00"),
    ],
    ids=["shopify", "woocommerce", "magento"],
)
def test_killed_import_is_completed_and_planted_differences_are_found(
    run_server: Callable[[], Any], kills: Sequence[tuple[str, int]], consents: int, sales: str, tmp_path: Any
) -> None:
    with run_server() as shop:
        run = start_run(shop, SyncRun.Kind.BACKFILL, at=NOW)
        assert run is not None
        for name, calls in kills:
            kill_after_output(start_child(IMPORTING.format(folder=str(tmp_path), name=name, calls=calls)), "stopped")
            run.refresh_from_db()
            assert run.status == "running"
        assert 0 < Order.objects.count() < 40
        kill_after_output(start_child(IMPORTING.format(folder=str(tmp_path), name="start_run", calls=1)), "done")
        run.refresh_from_db()
        assert (run.status, run.error) == ("done", "")
        assert count_rows() == (30, 30, consents, 40, 40, sales)
        assert {kind: counts["seen"] for kind, counts in run.counts.items()} == SEEN
        assert {kind: counts["created"] for kind, counts in run.counts.items()} == SEEN
        planted = plant_differences(shop)
        compared = start_run(shop, SyncRun.Kind.RECONCILIATION, at=NOW + timedelta(days=1))
        assert compared is not None
        continue_run(compared, at=NOW + timedelta(days=1))
        found = SyncDifference.objects.filter(run=compared).values_list("kind", "external_id", "code")
        assert (len(planted), set(found), found.count()) == (10, planted, 10)
        assert count_rows()[-1] != sales, "the order that the shop never had is cancelled, and stays"
        assert str(Order.objects.exclude(status="cancelled").aggregate(total=Sum("total"))["total"]) == sales
