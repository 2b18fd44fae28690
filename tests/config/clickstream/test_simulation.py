"""Simulated events arrive once, stored directly, by file or through the public collector, and create no orders."""

import gzip
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.clickstream import delivery
from config.clickstream.delivery import DeliveryError, send_over_http, send_with_sdk
from config.clickstream.simulation import RECEIPT_DAYS, ClickstreamSimulation, ReceiptsExpiredError
from config.demo.complete_journey import has_clickstream, load_clickstream
from config.foundation.retention.kinds import get_retention_kind
from customers.events.imports.file_import import import_events
from customers.events.models import Event, Source
from customers.identity.models import Customer, Identifier, IdentityMerge
from customers.orders.models import Order
from customers.processing import pipeline
from tests.clients.proxy import LoseResponse, RespondWith, run_proxy
from tests.clients.web_server import run_web_server
from tests.config.clickstream.small_shop import DAYS, HOUSEHOLDS, make_shop
from tests.customers.events.client import make_keyed_source
from tests.makers import NOON

pytestmark = pytest.mark.django_db(transaction=True)
SENDERS = {"the SDK": send_with_sdk, "plain HTTP": send_over_http}


def run_simulation(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("simulate_clickstream", "--force", *map(str, arguments), stdout=out, verbosity=0)
    return out.getvalue()


def make_simulation(**options: int) -> ClickstreamSimulation:
    return ClickstreamSimulation(**{"days": DAYS, "households": HOUSEHOLDS, "seed": 1, **options})


def list_stored_events(key: str) -> list[tuple[Any, ...]]:
    columns = ("message_id", "type", "name", "user_id", "anonymous_id", "session_id", "product_ids", "properties")
    return list(Event.objects.filter(source__key=key).order_by("message_id").values_list(*columns))


def test_events_are_stored_once_under_a_simulated_source() -> None:
    make_shop()
    first = run_simulation("--days", DAYS, "--households", HOUSEHOLDS)
    source = Source.objects.get(key="simulated-storefront")
    assert source.is_simulated
    count = Event.objects.count()
    assert f"{count:,} accepted, 0 duplicates, 0 rejected, source simulated-storefront" in first
    assert f"{count:,} simulated events around 60 baskets of {HOUSEHOLDS} households" in first
    assert f"0 accepted, {count:,} duplicates" in run_simulation("--days", DAYS, "--households", HOUSEHOLDS)
    assert Event.objects.count() == count == Event.objects.filter(context__simulated=True).count()


def test_processing_creates_visitors_and_merges_but_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BATCH_SIZE", 50)  # a visitor who is identified within the same batch needs no merge
    make_shop()
    before = list(Order.objects.order_by("id").values())
    make_simulation().store(at=NOON)
    pipeline.process_events(at=NOON)
    assert list(Order.objects.order_by("id").values()) == before
    assert IdentityMerge.objects.exists()
    assert Identifier.objects.filter(kind=Identifier.Kind.DEVICE_ID).exists()
    assert Customer.objects.filter(identifiers__kind=Identifier.Kind.USER_ID).distinct().count() == HOUSEHOLDS
    assert Customer.objects.exclude(identifiers__kind=Identifier.Kind.USER_ID).exists()


@pytest.mark.parametrize("name", ["clicks.jsonl", "clicks.jsonl.gz"])
def test_a_file_has_the_same_events_as_the_database(tmp_path: Path, name: str) -> None:
    make_shop()
    path = tmp_path / name
    text = run_simulation("--days", DAYS, "--households", HOUSEHOLDS, "--to", path)
    assert f"written to {path}" in text
    assert not Event.objects.exists()
    assert list(tmp_path.iterdir()) == [path]
    lines = (gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()).splitlines()
    source = Source.objects.create(key="file", name="file", kind=Source.Kind.IMPORT)
    imported = import_events(path=path, source=source, received_at=NOON, errors=tmp_path / "errors.csv")
    assert imported.accepted == len(lines) == len(make_simulation())
    make_simulation().store(at=NOON)
    assert list_stored_events("file") == list_stored_events("simulated-storefront")


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.parametrize("sender", SENDERS)
def test_every_event_arrives_once_through_the_public_collector(sender: str) -> None:
    """Every event arrives once although the server refuses calls, asks to wait and loses a response."""
    make_shop()
    _source, key = make_keyed_source("web", is_simulated=True)
    clicks = make_simulation()
    reported_counts: list[int] = []
    faults = [RespondWith(503), LoseResponse(), RespondWith(429, {"Retry-After": "1"})]
    with run_web_server() as address, run_proxy(address, *faults) as proxy:
        n_sent = SENDERS[sender](
            clicks.build_items(), host=proxy.url, write_key=key, report_progress=reported_counts.append
        )
    assert proxy.statuses[:3] == [503, None, 429]
    assert n_sent == reported_counts[-1] == len(clicks)
    clicks.store(at=NOON)
    assert list_stored_events("web") == list_stored_events("simulated-storefront")
    times = {
        key: dict(Event.objects.filter(source__key=key).values_list("message_id", "occurred_at"))
        for key in ("web", "simulated-storefront")
    }
    delays = [times["web"][message_id] - at for message_id, at in times["simulated-storefront"].items()]
    assert all(timedelta(0) <= delay + timedelta(milliseconds=1) and delay < timedelta(minutes=2) for delay in delays)


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.parametrize("sender", SENDERS)
def test_a_rejecting_collector_raises_a_delivery_error(sender: str) -> None:
    make_shop()
    with run_web_server() as address, pytest.raises(DeliveryError, match=r"did not accept a batch: .*401"):
        SENDERS[sender](
            make_simulation().build_items(),
            host=address,
            write_key="wk_wrong",
            report_progress=lambda report_progress: None,
        )
    assert not Event.objects.exists()


@pytest.mark.acceptance
@pytest.mark.slow
def test_the_command_reports_how_the_events_were_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    make_shop()
    _source, key = make_keyed_source("web")
    with run_web_server() as address:
        assert f"sent to {address} by segment-analytics-python" in run_simulation(
            "--host", address, "--write-key", key, "--days", 5
        )
        monkeypatch.setattr(delivery.importlib.util, "find_spec", lambda name: None)
        assert f"sent to {address} by plain HTTP" in run_simulation("--host", address, "--write-key", key, "--days", 5)
    assert Event.objects.count() == len(make_simulation(days=5, households=600))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "http://127.0.0.1:1"], "--host and --write-key must be used together"),
        (["--write-key", "wk"], "--host and --write-key must be used together"),
        ([], r"There are no orders\. Import some first"),
        (["--days", "0"], "--days"),
        (["--to", "a", "--host", "b"], "not allowed with"),
    ],
)
def test_invalid_arguments_are_reported(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run_simulation(*arguments)


def test_an_unwritable_path_and_an_invalid_url_are_reported(tmp_path: Path) -> None:
    make_shop()
    with pytest.raises(CommandError, match="No such file or directory"):
        run_simulation("--to", tmp_path / "none" / "clicks.jsonl")
    with pytest.raises(DeliveryError, match=r"'shop\.example' is not a valid URL"):
        send_over_http(
            make_simulation().build_items(),
            host="shop.example",
            write_key="wk",
            report_progress=lambda report_progress: None,
        )


def test_a_simulation_is_not_repeated_after_its_receipts_have_expired() -> None:
    make_shop()
    make_simulation().store(at=NOON)
    make_simulation().store(at=NOON + timedelta(days=RECEIPT_DAYS - 2))
    with pytest.raises(ReceiptsExpiredError, match="would be stored twice"):
        make_simulation().store(at=NOON + timedelta(days=RECEIPT_DAYS))
    assert get_retention_kind("event_receipts").default_days == RECEIPT_DAYS


def test_the_demo_loads_its_clickstream_once() -> None:
    make_shop()
    assert not has_clickstream()
    loaded = load_clickstream(loaded_at=NOON)
    assert loaded == Event.objects.count() > 0
    assert has_clickstream()
    assert load_clickstream(loaded_at=NOON + timedelta(hours=1)) == 0


def test_items_have_the_fields_an_sdk_sends() -> None:
    make_shop()
    items = [json.loads(item) for batch in make_simulation().build_items() for item in batch]
    [view, *_rest] = [item for item in items if item.get("event") == "Product Viewed"]
    assert set(view["properties"]) == {"product_id", "name", "category", "brand", "price", "currency"}
    assert view["context"]["sessionId"].startswith("sim-")
    assert view["anonymousId"].startswith("sim-")


def test_a_shop_that_is_not_a_demo_gets_no_simulated_visits_by_mistake() -> None:
    with pytest.raises(CommandError, match="add --force"):
        call_command("simulate_clickstream", verbosity=0)
