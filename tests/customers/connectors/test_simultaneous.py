"""A webhook and a run that write the same record at the same time leave its newer version."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from catalog.models import Product
from customers.connectors.models import ReceivedWebhook, ShopConnection, SyncedRecord
from customers.connectors.platforms.base import MappedRecord
from customers.connectors.platforms.woocommerce import WooCommerceConnector
from customers.connectors.sync import runs
from customers.connectors.sync.runs import continue_run, start_run
from customers.connectors.webhooks import processing
from customers.connectors.webhooks.processing import process_shop
from customers.orders import source_lock
from customers.orders.models import Order
from customers.orders.source_lock import name_source_lock
from tests.customers.connectors.makers import make_connection
from tests.customers.connectors.platforms.woocommerce_server import (
    KEY,
    SECRET,
    WooCommerceServer,
    make_order,
    make_product,
)
from tests.waiting import hold_lock_elsewhere, is_lock_awaited, run_elsewhere, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = "2026-11-20T10:00:00"  # than the records of the server


@pytest.fixture
def server() -> Iterator[WooCommerceServer]:
    server = WooCommerceServer()
    server.records["products"] = [make_product(1), make_product(2)]
    server.records["orders"] = [make_order(101)]
    with server.run():
        yield server


@pytest.fixture
def mugs(server: WooCommerceServer) -> ShopConnection:
    return make_connection("woocommerce", server.url, {"consumer_key": KEY, "consumer_secret": SECRET})


def run_all(shop: ShopConnection, kind: str = "backfill", *, at: datetime = NOW) -> None:
    run = start_run(shop, kind, at=at)
    assert run is not None
    assert continue_run(run, at=at).status == "done"


def receive(shop: ShopConnection, kind: str, content: dict[str, Any], *, is_deletion: bool = False) -> ReceivedWebhook:
    changed_at = datetime.fromisoformat(content["date_modified_gmt"] + "Z") if "date_modified_gmt" in content else None
    return ReceivedWebhook.objects.create(
        connection=shop, delivery_id="a", topic=kind, kind=kind, external_id=str(content["id"]), is_deletion=is_deletion,
        changed_at=changed_at, received_at=NOW, next_attempt_at=NOW, content="" if is_deletion else json.dumps(content),
    )  # fmt: skip


@pytest.fixture
def process_during_page(monkeypatch: pytest.MonkeyPatch, mugs: ShopConnection) -> Iterator[Callable[[str], None]]:
    """Process webhooks in another connection after a run has compared the records of a kind, as far as they do not wait for the run."""
    compare, results = runs.list_current, []
    pool = ThreadPoolExecutor(1)

    def process() -> int:
        try:
            return process_shop(mugs, at=NOW)
        finally:
            connection.close()

    def set_kind(kind: str) -> None:
        def compare_first(shop: ShopConnection, page_kind: str, records: Sequence[MappedRecord]) -> list[MappedRecord]:
            current = compare(shop, page_kind, records)
            if page_kind == kind and not results:
                result: Future[int] = pool.submit(process)
                results.append(result)
                wait_until(lambda: result.done() or is_lock_awaited())
            return current

        monkeypatch.setattr(runs, "list_current", compare_first)

    yield set_kind
    pool.shutdown()
    assert [result.result() for result in results] == [1]


def test_a_webhook_during_the_page_of_a_run_keeps_its_newer_version(
    mugs: ShopConnection, process_during_page: Callable[[str], None]
) -> None:
    webhook = receive(mugs, "orders", make_order(101, status="cancelled", date_modified_gmt=LATER))
    process_during_page("orders")
    run_all(mugs)
    wait_until(lambda: ReceivedWebhook.objects.get(pk=webhook.pk).status != "waiting")
    assert Order.objects.get(order_id="101").status == "cancelled"
    assert SyncedRecord.objects.get(kind="orders").updated_at == datetime.fromisoformat(LATER + "Z")


def test_a_deletion_during_the_page_of_a_run_is_kept(
    mugs: ShopConnection, process_during_page: Callable[[str], None]
) -> None:
    run_all(mugs, at=NOW - timedelta(hours=1))
    webhook = receive(mugs, "products", {"id": 2}, is_deletion=True)
    process_during_page("products")
    run_all(mugs, "reconciliation")
    wait_until(lambda: ReceivedWebhook.objects.get(pk=webhook.pk).status != "waiting")
    assert not Product.objects.get(product_id="2").is_active
    assert SyncedRecord.objects.get(kind="products", external_id="2").deleted_at == NOW


def test_a_run_between_the_comparison_and_the_writing_of_a_webhook_keeps_its_newer_version(
    server: WooCommerceServer, mugs: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(mugs, at=NOW - timedelta(hours=1))
    webhook = receive(mugs, "orders", make_order(101, total="25.00", date_modified_gmt="2026-11-10T10:00:00"))
    server.records["orders"] = [make_order(101, total="30.00", date_modified_gmt=LATER)]
    read, calls = processing.read_records, []

    def read_later(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            run_elsewhere(lambda: run_all(mugs, "reconciliation"))
        return read(*arguments)

    monkeypatch.setattr(processing, "read_records", read_later)
    assert process_shop(mugs, at=NOW) == 1
    assert str(Order.objects.get(order_id="101").total) == "30.00"
    webhook.refresh_from_db()
    assert webhook.status == "outdated"


def test_a_product_that_a_webhook_brings_back_while_the_run_asks_for_it_is_not_deleted(
    server: WooCommerceServer, mugs: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(mugs, at=NOW - timedelta(hours=1))
    server.records["products"] = [make_product(1)]
    receive(mugs, "products", make_product(2, date_modified_gmt=LATER))
    fetch, asked = WooCommerceConnector.fetch_records, []

    def fetch_later(connector: WooCommerceConnector, kind: str, ids: Collection[str]) -> Sequence[MappedRecord]:
        found = fetch(connector, kind, ids)
        if not asked:
            asked.append(list(ids))
            assert run_elsewhere(lambda: process_shop(mugs, at=NOW)) == 1
        return found

    monkeypatch.setattr(WooCommerceConnector, "fetch_records", fetch_later)
    run_all(mugs, "reconciliation")
    assert asked == [["2"]]
    assert Product.objects.get(product_id="2").is_active


def test_webhooks_and_runs_continue_after_an_import_of_orders_of_the_shop(
    mugs: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_lock, "LOCK_TIMEOUT", "10ms")
    webhook = receive(mugs, "orders", make_order(101, date_modified_gmt=LATER))
    run = start_run(mugs, "backfill", at=NOW)
    assert run is not None
    with hold_lock_elsewhere(name_source_lock(mugs.source.key)):
        process_shop(mugs, at=NOW)
        assert continue_run(run, at=NOW).status == "running"
    webhook.refresh_from_db()
    mugs.refresh_from_db()
    assert (webhook.status, mugs.problem) == ("waiting", "")
    assert "being imported" in run.error
    assert "being imported" in webhook.error
    later = NOW + timedelta(minutes=10)
    assert process_shop(mugs, at=later) == 1
    assert continue_run(run, at=later).status == "done"
    assert Order.objects.get(order_id="101").source == mugs.source
