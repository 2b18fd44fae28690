"""One run over the outbox writes orders, profiles, consents and segments exactly once."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from config.foundation.job_runs import INTERRUPTED_ERROR
from customers.events.dead_letters.message_ids import build_new_message_id
from customers.events.models import Event, Outbox, RejectedEvent, Source
from customers.events.recent.interactions import read_recent_interactions
from customers.identity.models import Consent, Customer, Identifier
from customers.lifecycle.models import CustomerProfile
from customers.orders.models import Order
from customers.processing import batch, pipeline
from customers.processing.failures import AllEventsFailError
from customers.processing.models import ProcessingRun
from customers.processing.stored_data.runs_retention import delete_old_runs
from customers.processing.totals import read_totals
from customers.segments.membership import find_segments
from customers.warehouse.connection import open_warehouse
from tests.customers.processing.event_makers import NOW, SECOND, order, process, product, send, track
from tests.makers import make_consent, make_customer, make_identifier, make_product, make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def test_one_run_writes_order_profile_and_segment() -> None:
    buyers = make_segment("buyers", {"all": [{"field": "orders", "op": "gte", "value": 1}]})
    send(
        {"type": "identify", "userId": "ada", "anonymousId": "v1", "traits": {"email": "ada@example.org"}},
        track("Product Viewed", product(), context={"sessionId": "s1"}),
        order(products=[product(quantity=2)], total="25.00", shipping="5.00", currency="EUR"),
    )
    result = process()
    assert (result.events, result.counts["orders_created"], Outbox.objects.count()) == (3, 1, 0)
    stored_order = Order.objects.get()
    assert (stored_order.order_id, stored_order.total, stored_order.currency, stored_order.status) == (
        "A1",
        Decimal("25.00"),
        "EUR",
        "placed",
    )
    profile = CustomerProfile.objects.get()
    assert (profile.orders, profile.revenue, profile.events, profile.sessions) == (1, Decimal("25.00"), 3, 1)
    assert (profile.last_order_at, profile.stage) == (NOW, "new")
    assert find_segments(customer=stored_order.customer, as_of=NOW + SECOND) == [buyers]
    assert set(Identifier.objects.values_list("kind", flat=True)) == {"user_id", "anonymous_id", "email_hash"}
    run = ProcessingRun.objects.get()
    assert (run.status, run.events, run.waiting, run.error) == ("done", 3, 3, "")
    assert Event.objects.count() == 3
    assert Customer.objects.count() == 1


def test_unsubscribing_withdraws_email_consent_once() -> None:
    ada = make_customer("ada")
    make_consent(ada, recorded_at=NOW - timedelta(days=9))
    send(track("Email Unsubscribed"), track("Unsubscribed"))
    assert process().counts["unsubscribed"] == 1
    send(track("Email Unsubscribed"), at=NOW + timedelta(days=1))
    process()
    lines = (
        Consent.objects.filter(customer=ada).order_by("id").values_list("purpose", "status", "source", "recorded_at")
    )
    assert list(lines)[1:] == [("email", "withdrawn", "web", NOW)]


def test_customer_who_unsubscribes_by_email_address_is_found() -> None:
    send({"type": "identify", "userId": "ada", "traits": {"email": "ada@example.org"}})
    process()
    refused = {"consent": {"categoryPreferences": {"Analytics": False}}}
    send(track("Email Unsubscribed", {"email": "ada@example.org"}, context=refused, anonymousId="mail-robot"))
    process()
    assert not Consent.objects.exists(), "personal parts of an event without consent are removed"
    send(track("Email Unsubscribed", {"email": "Ada@Example.org"}, userId=None, anonymousId="mail-robot"))
    process()
    assert Consent.objects.count() == 1


def test_event_without_analytics_consent_is_counted_without_a_customer() -> None:
    refused = {"consent": {"categoryPreferences": {"Analytics": False}}}
    send(track("Product Viewed", product(), context=refused), track("Product Viewed", product()))
    result = process()
    assert (result.events, result.counts["without_person"], Customer.objects.count()) == (2, 1, 1)
    assert CustomerProfile.objects.get().events == 1


def test_interactions_on_one_device_are_read_on_the_other(valkey: redis.Redis) -> None:
    send(track("Product Viewed", product("tea"), userId=None, anonymousId="phone"))
    send(track("Product Viewed", product("cup"), userId=None, anonymousId="laptop"))
    send({"type": "identify", "userId": "ada", "anonymousId": "phone"})
    send({"type": "alias", "userId": "ada", "previousId": "laptop"}, at=NOW + SECOND)
    process(NOW + 2 * SECOND)
    assert Customer.objects.count() == 1
    for kind, value in (("user_id", "ada"), ("anonymous_id", "phone"), ("anonymous_id", "laptop")):
        assert {interaction.product_id for interaction in read_recent_interactions(identifiers=[(kind, value)])} == {
            "tea",
            "cup",
        }


def read_purchased(user_id: str = "ada") -> list[str]:
    interactions = read_recent_interactions(identifiers=[("user_id", user_id)])
    return sorted(interaction.product_id for interaction in interactions if interaction.kind == "purchase")


@pytest.mark.usefixtures("valkey")
def test_a_rejected_purchase_counts_for_no_recommendation() -> None:
    send(order(products=[product("tea")]), order(order_id="A2", products=[product("tea"), product("cup")], total="abc"))
    assert read_purchased() == ["cup", "tea"]
    process()
    assert read_purchased() == ["tea"]
    assert sorted(Event.objects.values_list("product_ids", flat=True)) == [[], ["tea"]]
    rejected = RejectedEvent.objects.get()
    send({**json.loads(rejected.payload), "properties": {"order_id": "A2", "products": [product("cup")]}})
    process(NOW + 2 * SECOND)
    assert (read_purchased(), Order.objects.count()) == (["cup", "tea"], 2)


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("is_first", [False, True])
def test_the_purchase_of_a_cancelled_order_is_no_recent_interaction(is_first: bool) -> None:
    cancellation = order("Order Cancelled")
    purchases = [order(products=[product("tea")]), order(order_id="A2", products=[product("cup")])]
    for items in ([cancellation], purchases) if is_first else (purchases, [cancellation]):
        send(*items)
        process()
    assert read_purchased() == ["cup"]


def test_a_clock_that_is_ahead_does_not_date_a_customer_in_the_future() -> None:
    ahead = (NOW + timedelta(hours=8)).isoformat()
    send(
        track("Product Viewed", product(), timestamp=ahead),
        {"type": "identify", "userId": "ada", "traits": {"plan": "gold"}, "timestamp": ahead},
    )
    process()
    customer = Customer.objects.get()
    assert (customer.first_seen_at, customer.last_seen_at) == (NOW, NOW)
    send({"type": "identify", "userId": "ada", "traits": {"plan": "basic"}}, at=NOW + timedelta(hours=1))
    process(NOW + timedelta(hours=1))
    customer.refresh_from_db()
    assert (customer.last_seen_at, customer.traits) == (NOW + timedelta(hours=1), {"plan": "basic"})


def break_on(monkeypatch: pytest.MonkeyPatch, message_ids: set[str], error: Callable[[], Exception]) -> list[int]:
    """Make each batch with one of these messages fail; return a list that collects the sizes of the attempted batches."""
    resolve_original, sizes = batch.resolve_event_customers, []

    def resolve(events: Any, *, at: Any) -> Any:
        sizes.append(len(events))
        if any(event.message_id in message_ids for event in events):
            raise error()
        return resolve_original(events, at=at)

    monkeypatch.setattr(batch, "resolve_event_customers", resolve)
    return sizes


def views(count: int) -> list[dict[str, Any]]:
    return [{**track("Product Viewed", product()), "messageId": f"m{number}"} for number in range(count)]


def test_failing_event_is_isolated_and_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    send(*views(50))
    break_on(monkeypatch, {"m7", "m31"}, lambda: ValueError("no such thing"))
    result = process()
    assert (result.events, result.counts["failed"], Outbox.objects.count()) == (50, 2, 0)
    rejected_events = RejectedEvent.objects.order_by("id")
    assert {rejected.code for rejected in rejected_events} == {"processing_failed"}
    assert {rejected.reason for rejected in rejected_events} == {"ValueError: no such thing"}
    assert ['"again-m7"' in rejected.payload for rejected in rejected_events].count(True) == 1
    assert CustomerProfile.objects.get().events == 48
    run = ProcessingRun.objects.get()
    assert (run.events, run.status, read_totals()["events"]) == (50, "done", 50)
    assert Event.objects.count() == 50


def test_no_event_is_rejected_when_all_events_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    send(*views(40))
    break_on(monkeypatch, {f"m{number}" for number in range(40)}, lambda: KeyError("a bug of ours"))
    with pytest.raises(AllEventsFailError):
        process()
    assert (Outbox.objects.count(), RejectedEvent.objects.count()) == (40, 0)
    run = ProcessingRun.objects.get()
    assert run.status == "failed"
    assert "a bug of ours" in run.error


def test_many_failing_events_at_the_front_do_not_block_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    send(*views(100))
    break_on(monkeypatch, {f"m{number}" for number in range(40)}, lambda: KeyError("x"))
    assert process().counts["failed"] == 40
    assert (Outbox.objects.count(), CustomerProfile.objects.get().events) == (0, 60)


def test_order_received_during_the_run_is_counted_immediately() -> None:
    send(order(total=5), at=NOW + timedelta(minutes=5))
    process(NOW)
    assert (CustomerProfile.objects.get().orders, CustomerProfile.objects.get().stage) == (1, "new")


def test_database_outage_rejects_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    send(*views(3))
    sizes = break_on(monkeypatch, {"m1"}, lambda: OperationalError("the server is gone"))
    with pytest.raises(OperationalError):
        process()
    assert (sizes, Outbox.objects.count(), RejectedEvent.objects.count()) == ([3], 3, 0)


def test_serialization_failure_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    send(*views(3))
    failures = [1, 2]

    def resolve_after_failures(events: Any, *, at: Any) -> Any:
        if failures:
            failures.pop()
            with connection.cursor() as cursor:
                cursor.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END $$"
                )
        return resolve_original(events, at=at)

    resolve_original = batch.resolve_event_customers
    monkeypatch.setattr(batch, "resolve_event_customers", resolve_after_failures)
    result = process()
    assert (result.events, CustomerProfile.objects.get().events, failures) == (3, 3, [])


def test_run_respects_batch_size_event_limit_and_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BATCH_SIZE", 4)
    send(*views(10))
    steps: list[tuple[int, int]] = []
    result = process(limit=6, progress=lambda step, total: steps.append((step, total)))
    assert (result.events, result.batches, Outbox.objects.count(), steps[:2]) == (6, 2, 4, [(4, 6), (6, 6)])
    assert process(seconds=0).events == 4
    assert process().events == 0
    assert CustomerProfile.objects.get().events == 10
    assert ProcessingRun.objects.count() == 2, "a run without events leaves no record"


def test_event_deleted_by_retention_leaves_the_outbox() -> None:
    send(*views(2))
    Event.objects.filter(message_id="m0").delete()
    assert process().events == 2
    assert (Outbox.objects.count(), CustomerProfile.objects.get().events) == (0, 1)


def test_interrupted_run_is_marked_as_failed_by_the_next() -> None:
    ProcessingRun.objects.create(started_at=NOW)
    send(*views(1))
    process()
    assert list(ProcessingRun.objects.order_by("id").values_list("status", "error")) == [
        ("failed", INTERRUPTED_ERROR),
        ("done", ""),
    ]


def test_personal_data_is_not_written_to_the_warehouse(root: Path) -> None:
    send(
        track("Newsletter Joined", {"email": "ada@example.org", "list": "tea"}),
        {"type": "identify", "userId": "ada", "traits": {"email": "ada@example.org"}},
    )
    assert Event.objects.filter(properties__has_key="$personal").count() == 2
    process()
    with open_warehouse() as tables:
        rows = tables["events"].order_by("id").to_pyarrow().to_pylist()
    assert [row["properties"] for row in rows] == ['{"list": "tea"}', "{}"]


def test_old_run_records_are_deleted() -> None:
    for days, events, error in ((31, 9_999, ""), (29, 9_999, ""), (2, 5, ""), (2, 5, "full"), (0, 5, "")):
        ProcessingRun.objects.create(started_at=NOW - timedelta(days=days), events=events, status="done", error=error)
    assert delete_old_runs(before=NOW - timedelta(days=30), small_before=NOW - timedelta(days=1)) == 2
    assert sorted(ProcessingRun.objects.values_list("events", "error")) == [(5, ""), (5, "full"), (9_999, "")]


def test_command_prints_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    send(*views(3), order(products=[product()]), order(order_id=None))
    call_command("process_events", limit=4)
    call_command("process_events", until_empty=True)
    first, second = [line for line in capsys.readouterr().out.splitlines() if " events in " in line]
    assert first.startswith("4 events in ")
    assert first.endswith("1 new customers, 1 new orders, 1 new products")
    assert second.endswith("1 rejected events")
    call_command("process_events")
    assert "0 events" in capsys.readouterr().out
    with pytest.raises(CommandError, match="--limit is 0; give a number of at least 1"):
        call_command("process_events", limit=0)


def test_simulated_source_is_processed_like_any_other() -> None:
    source = Source.objects.create(key="simulated", name="simulated", kind="server", is_simulated=True)
    send(*views(2), source=source)
    assert process().events == 2
    assert CustomerProfile.objects.get().events == 2


def test_two_known_users_of_one_device_keep_separate_orders() -> None:
    make_identifier(make_customer("ada"), "tablet", kind="anonymous_id")
    make_customer("ben")
    send({**order(order_id="1", total=5), "userId": "ben", "anonymousId": "tablet"})
    send({**order(order_id="2", total=7), "userId": None, "anonymousId": "tablet"})
    assert process().counts["conflicts"] == 1
    owners = {row.order_id: row.customer.identifiers.get(kind="user_id").value for row in Order.objects.all()}
    assert owners == {"1": "ben", "2": "ada"}


def test_products_named_by_their_sku_are_stored_by_their_id() -> None:
    make_product("kettle", sku="S-1")
    make_product("S-2", sku="S-2")
    make_product("pot", sku="S-2")
    make_product("lid", sku="S-3")
    make_product("cup", sku="S-3")
    viewed = [{"product_id": name} for name in ("S-1", "S-2", "S-3", "unknown", "kettle")]
    send(track("Product List Viewed", {"products": viewed}), track("Product Viewed", {"sku": "S-1"}))
    process()
    events = Event.objects.order_by("id")
    assert [event.product_ids for event in events] == [["kettle", "S-2", "S-3", "unknown", "kettle"], ["kettle"]]
    assert events[1].properties == {"sku": "S-1"}


def test_a_view_of_a_product_with_variants_counts_for_its_first_variant_in_stock() -> None:
    make_product("61", parent_id="60", stock=0)
    make_product("62", parent_id="60", stock=4)
    make_product("63", parent_id="60", is_active=False)
    make_product("71", parent_id="70", availability="out_of_stock")
    make_product("70")
    send(*(track("Product Viewed", {"product_id": name}) for name in ("60", "61", "70", "80")))
    process()
    assert [event.product_ids for event in Event.objects.order_by("id")] == [["62"], ["61"], ["70"], ["80"]]


def test_corrected_events_with_long_message_ids_stay_different() -> None:
    ids = [f"{'m' * 93}{number:06}" for number in range(2)]
    first, second = map(build_new_message_id, ids)
    assert first != second
    assert max(len(first), len(second)) <= 99
    assert build_new_message_id("m7") == "again-m7"
