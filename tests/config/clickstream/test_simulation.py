"""Simulated clicks arrive once, straight, by file and through the public collector, and order nothing a second time."""

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
from customers.events import tasks
from customers.events.imports.file_import import import_events
from customers.events.models import Event, Source
from customers.identity.models import Customer, Identifier, IdentityMerge
from customers.orders.models import Order
from customers.processing import pipeline
from tests.clients.proxy import LoseAnswer, Refuse, proxy_to
from tests.clients.serving import web_server
from tests.config.clicks.making import DAYS, HOUSEHOLDS, make_shop
from tests.customers.events.senders import make_keyed_source
from tests.makers import NOON

pytestmark = pytest.mark.django_db(transaction=True)
SENDERS = {"the SDK": send_with_sdk, "plain HTTP": send_over_http}


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("simulate_clickstream", *map(str, arguments), stdout=out, verbosity=0)
    return out.getvalue()


def simulation(**options: int) -> ClickstreamSimulation:
    return ClickstreamSimulation(**{"days": DAYS, "households": HOUSEHOLDS, "seed": 1, **options})


def stored(key: str) -> list[tuple[Any, ...]]:
    columns = ("message_id", "type", "name", "user_id", "anonymous_id", "session_id", "product_ids", "properties")
    return list(Event.objects.filter(source__key=key).order_by("message_id").values_list(*columns))


def test_clicks_are_stored_once_under_a_source_that_is_marked() -> None:
    make_shop()
    first = run("--days", DAYS, "--households", HOUSEHOLDS)
    source = Source.objects.get(key="simulated-storefront")
    assert source.is_simulated
    count = Event.objects.count()
    assert f"{count:,} accepted, 0 duplicates, 0 rejected, source simulated-storefront" in first
    assert f"{count:,} simulated events around 60 baskets of {HOUSEHOLDS} households" in first
    assert f"0 accepted, {count:,} duplicates" in run("--days", DAYS, "--households", HOUSEHOLDS)
    assert Event.objects.count() == count == Event.objects.filter(context__simulated=True).count()


def test_processed_they_bring_visitors_and_merges_and_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BATCH_SIZE", 50)  # within one batch nobody is made only to be merged
    make_shop()
    before = list(Order.objects.order_by("id").values())
    simulation().store(at=NOON)
    pipeline.process_events(at=NOON)
    assert list(Order.objects.order_by("id").values()) == before
    assert IdentityMerge.objects.exists()
    assert Identifier.objects.filter(kind=Identifier.Kind.DEVICE_ID).exists()
    assert Customer.objects.filter(identifiers__kind=Identifier.Kind.USER_ID).distinct().count() == HOUSEHOLDS
    assert Customer.objects.exclude(identifiers__kind=Identifier.Kind.USER_ID).exists()


@pytest.mark.parametrize("name", ["clicks.jsonl", "clicks.jsonl.gz"])
def test_a_file_holds_the_same_as_what_is_stored_straight(tmp_path: Path, name: str) -> None:
    make_shop()
    path = tmp_path / name
    text = run("--days", DAYS, "--households", HOUSEHOLDS, "--to", path)
    assert f"written to {path}" in text
    assert not Event.objects.exists()
    assert list(tmp_path.iterdir()) == [path]
    lines = (gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()).splitlines()
    source = Source.objects.create(key="file", name="file", kind=Source.Kind.IMPORT)
    imported = import_events(path=path, source=source, received_at=NOON, errors=tmp_path / "errors.csv")
    assert imported.accepted == len(lines) == len(simulation())
    simulation().store(at=NOON)
    assert stored("file") == stored("simulated-storefront")


@pytest.mark.slow
@pytest.mark.parametrize("sender", SENDERS)
def test_through_the_public_collector_every_event_arrives_once(sender: str) -> None:
    """A server that refuses, asks for patience and loses an answer changes nothing."""
    make_shop()
    _source, key = make_keyed_source("web", is_simulated=True)
    clicks = simulation()
    seen: list[int] = []
    faults = [Refuse(503), LoseAnswer(), Refuse(429, {"Retry-After": "1"})]
    with web_server() as address, proxy_to(address, *faults) as proxy:
        sent = SENDERS[sender](clicks.items(), host=proxy.url, write_key=key, done=seen.append)
    assert proxy.statuses[:3] == [503, None, 429]
    assert sent == seen[-1] == len(clicks)
    clicks.store(at=NOON)
    assert stored("web") == stored("simulated-storefront")
    moments = {
        key: dict(Event.objects.filter(source__key=key).values_list("message_id", "occurred_at"))
        for key in ("web", "simulated-storefront")
    }
    late = [moments["web"][one] - at for one, at in moments["simulated-storefront"].items()]
    assert all(timedelta(0) <= one + timedelta(milliseconds=1) and one < timedelta(minutes=2) for one in late)


@pytest.mark.slow
@pytest.mark.parametrize("sender", SENDERS)
def test_a_collector_that_refuses_is_no_success(sender: str) -> None:
    make_shop()
    with web_server() as address, pytest.raises(DeliveryError, match=r"did not take a batch: .*401"):
        SENDERS[sender](simulation().items(), host=address, write_key="wk_wrong", done=lambda done: None)
    assert not Event.objects.exists()


@pytest.mark.slow
def test_the_command_says_how_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    make_shop()
    _source, key = make_keyed_source("web")
    with web_server() as address:
        assert f"sent to {address} by segment-analytics-python" in run(
            "--host", address, "--write-key", key, "--days", 5
        )
        monkeypatch.setattr(delivery.importlib.util, "find_spec", lambda name: None)
        assert f"sent to {address} by plain HTTP" in run("--host", address, "--write-key", key, "--days", 5)
    assert Event.objects.count() == len(simulation(days=5, households=600))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "http://127.0.0.1:1"], "--host and --write-key go together"),
        (["--write-key", "wk"], "--host and --write-key go together"),
        ([], "There are no orders; import some first"),
        (["--days", "0"], "--days"),
        (["--to", "a", "--host", "b"], "not allowed with"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)


def test_a_place_that_cannot_be_written_and_an_address_that_is_none(tmp_path: Path) -> None:
    make_shop()
    with pytest.raises(CommandError, match="No such file or directory"):
        run("--to", tmp_path / "none" / "clicks.jsonl")
    with pytest.raises(DeliveryError, match=r"'shop\.example' is no address"):
        send_over_http(simulation().items(), host="shop.example", write_key="wk", done=lambda done: None)


def test_visits_are_not_simulated_again_when_their_receipts_are_gone() -> None:
    make_shop()
    simulation().store(at=NOON)
    simulation().store(at=NOON + timedelta(days=RECEIPT_DAYS - 2))
    with pytest.raises(ReceiptsExpiredError, match="would count twice"):
        simulation().store(at=NOON + timedelta(days=RECEIPT_DAYS))
    assert RECEIPT_DAYS == tasks.RECEIPT_DAYS


def test_the_demo_takes_its_clicks_once() -> None:
    make_shop()
    assert not has_clickstream()
    taken = load_clickstream(loaded_at=NOON)
    assert taken == Event.objects.count() > 0
    assert has_clickstream()
    assert load_clickstream(loaded_at=NOON + timedelta(hours=1)) == 0


def test_items_are_what_an_sdk_would_send() -> None:
    make_shop()
    items = [json.loads(item) for found in simulation().items() for item in found]
    [view, *_rest] = [item for item in items if item.get("event") == "Product Viewed"]
    assert set(view["properties"]) == {"product_id", "name", "category", "brand", "price", "currency"}
    assert view["context"]["sessionId"].startswith("sim-")
    assert view["anonymousId"].startswith("sim-")
