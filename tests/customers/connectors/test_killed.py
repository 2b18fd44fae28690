"""The process that imports a shop's history is killed in the middle, and another one continues: nothing is lost, nothing is doubled."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models import Sum

from catalog.models import Product
from customers.connectors.models import ShopConnection, SyncRun
from customers.connectors.sync.runs import start_run
from customers.identity.models import Consent, Customer
from customers.orders.models import Order, OrderLine
from tests.child_processes import kill_after_output, start_child
from tests.customers.connectors.platforms.shopify_server import (
    ShopifyServer,
    make_customer,
    make_order,
    make_product,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMPORTING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
from customers.connectors.platforms import shopify
from customers.connectors.sync import runs

settings.FEED_PRIVATE_HOSTS, settings.VAR_DIR = ["127.0.0.1"], Path({folder!r})
shopify.PAGE_RECORDS, runs.MIN_BATCH, shopify.POLL_SECONDS = 10, 10, 0
original, calls = runs.{name}, []

def work_and_wait(*arguments, **options):
    result = original(*arguments, **options)
    calls.append(result)
    if len(calls) == {calls}:
        print("there", flush=True)
        sys.stdin.read()  # until the process is killed
    return result

runs.{name} = work_and_wait
runs.continue_due_runs(at=datetime(2026, 11, 24, 12, tzinfo=UTC))
print("done", flush=True)
sys.stdin.read()
"""


def count_rows() -> tuple[Any, ...]:
    sales = Order.objects.aggregate(total=Sum("total"))["total"]
    counted = (Product, Customer, Consent, Order, OrderLine)
    return (*(model._default_manager.count() for model in counted), sales)


def test_killed_import_of_a_history_is_completed(shopify: ShopifyServer, shop: ShopConnection, tmp_path: Any) -> None:
    shopify.records["products"] = [make_product(number) for number in range(1, 31)]
    shopify.records["customers"] = [make_customer(number) for number in range(1, 31)]
    shopify.records["orders"] = [
        make_order(1000 + n, customer=n % 30 + 1, variant=(n % 30 + 1) * 100 + 1) for n in range(40)
    ]
    run = start_run(shop, SyncRun.Kind.BACKFILL, at=NOW)
    assert run is not None
    # in a transaction with products; after that of customers; in one with orders, whose export is downloaded again
    for name, calls in (("write_records", 2), ("should_stop", 4), ("write_records", 5)):
        kill_after_output(start_child(IMPORTING.format(folder=str(tmp_path), name=name, calls=calls)), "there")
        run.refresh_from_db()
        assert run.status == "running"
    assert 0 < Order.objects.count() < 40
    kill_after_output(start_child(IMPORTING.format(folder=str(tmp_path), name="start_run", calls=1)), "done")
    run.refresh_from_db()
    assert (run.status, run.error) == ("done", "")
    assert count_rows() == (30, 30, 30, 40, 40, 1000)
    assert {kind: counts["seen"] for kind, counts in run.counts.items()} == {
        "products": 30,
        "customers": 30,
        "orders": 40,
    }
    assert {kind: counts["created"] for kind, counts in run.counts.items()} == {
        "products": 30,
        "customers": 30,
        "orders": 40,
    }
    assert len(shopify.operations) == 3, "each export is started once"
