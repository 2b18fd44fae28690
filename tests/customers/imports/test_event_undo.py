"""The undo of an import of events removes exactly what it added, and everything is counted as if it had never been."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.events.imports import file_import
from customers.events.models import Event, EventReceipt, Outbox, Source
from customers.events.recent.interactions import read_recent_interactions
from customers.feedback.models import Review
from customers.identity.models import Customer, Identifier
from customers.imports import event_undo, runs
from customers.imports.models import ImportedEvents, ImportRun, ImportState
from customers.lifecycle.models import CountedSession, CustomerProfile
from customers.orders.models import Order, OrderEvent, OrderLine
from customers.processing.pipeline import process_events
from customers.segments.event_counts.counting import recount_pending_orders
from customers.segments.models import EventCount
from tests.customers.imports.wizard_pages import Upload, post, show
from tests.customers.processing.event_makers import order, product, send, track
from tests.makers import make_customer, make_identifier, make_product

pytestmark = pytest.mark.django_db(transaction=True)

PURCHASE = order("Order Completed", "A1", products=[product("tea", 10, 1)], currency="EUR")
BEFORE = [
    track("Product Viewed", product("tea"), messageId="b1", timestamp="2026-05-01T10:00:00Z", context={"sessionId": "s1"}),
    {**PURCHASE, "messageId": "b2", "timestamp": "2026-05-01T11:00:00Z"},
    track("Product Reviewed", {"product_id": "tea", "review_id": "r1", "rating": 4}, messageId="b3", timestamp="2026-05-02T10:00:00Z"),
]  # fmt: skip
ADDED = [
    track("Product Viewed", product("pot"), messageId="n1", timestamp="2026-05-03T10:00:00Z", context={"sessionId": "s2"}),
    track("Product Viewed", product("pot"), messageId="n2", timestamp="2026-05-03T10:01:00Z", anonymousId="v1", userId=None),
    {**order("Order Updated", "A1", products=[product("tea", 10, 3)]), "messageId": "n3", "timestamp": "2026-05-03T11:00:00Z"},
    {**order("Order Completed", "A2", products=[product("pot", 20, 1)]), "messageId": "n4", "timestamp": "2026-05-04T11:00:00Z"},
    track("Product Reviewed", {"product_id": "pot", "review_id": "r2", "rating": 1}, messageId="n5", timestamp="2026-05-04T12:00:00Z"),
    track("Product Viewed", product("tea"), messageId="n6", timestamp="2026-05-01T10:00:00Z"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_batches(settings: Any, tmp_path: Any, valkey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    monkeypatch.setattr(file_import, "BATCH_ITEMS", 2)
    for product_id in ("tea", "pot"):
        make_product(product_id)


@pytest.fixture
def source() -> Source:
    found: Source = Source.objects.create(key="shop", name="shop", kind=Source.Kind.IMPORT)
    return found


def take_snapshot() -> dict[str, Any]:
    """Return everything that events lead to, after the jobs that follow within a minute."""
    recount_pending_orders()

    def read(model: Any, *fields: str) -> list[Any]:
        return sorted(map(str, model.objects.values_list(*fields)))

    profile_fields = ("events", "sessions", "orders", "units", "revenue", "stage", "last_event_at", "last_order_at")
    lists = [
        read_recent_interactions(identifiers=[(kind, value)])
        for kind, value in (("user_id", "ada"), ("anonymous_id", "v1"))
    ]
    return {
        "events": read(Event, "id", "message_id"),
        "receipts": read(EventReceipt, "message_id"),
        "waiting": read(Outbox, "event_id"),
        "orders": read(Order, "order_id", "status", "total", "placed_at", "customer_id"),
        "lines": read(OrderLine, "order__order_id", "line_number", "quantity", "product__product_id"),
        "log": read(OrderEvent, "order_id", "message_id"),
        "reviews": read(Review, "review_id", "rating"),
        "profiles": read(CustomerProfile, "customer_id", *profile_fields),
        "sessions": read(CountedSession, "customer_id", "session_id"),
        "counts": read(EventCount, "customer_id", "series_id", "days", "counts"),
        "customers": read(Customer, "id"),
        "identifiers": read(Identifier, "kind", "value"),
        "recent": [sorted(interactions) for interactions in lists],
    }


def write_file(items: list[dict[str, Any]]) -> str:
    return "".join(json.dumps({"type": "track", **item}) + "\n" for item in items)


def import_added(boss: Client, upload: Upload) -> ImportRun:
    run = upload("events", write_file([*BEFORE, *ADDED]), name="events.jsonl")
    assert (run.created, run.unchanged) == (len(ADDED), len(BEFORE))
    run = post(boss, "start", run)
    assert (run.state, run.created, run.unchanged) == ("imported", len(ADDED), len(BEFORE))
    return run


@pytest.fixture
def before(source: Source) -> dict[str, Any]:
    send(*BEFORE, source=source, at=timezone.now())
    process_events(at=timezone.now())
    return take_snapshot()


@pytest.mark.parametrize("is_processed", [True, False])
def test_undo_removes_exactly_what_the_import_added(
    boss: Client, upload: Upload, before: dict[str, Any], is_processed: bool
) -> None:
    run = import_added(boss, upload)
    if is_processed:
        process_events(at=timezone.now())
        assert set(Order.objects.values_list("order_id", flat=True)) == {"A1", "A2"}
        assert Review.objects.count() == 2
        assert Identifier.objects.filter(value="v1").exists()
    page = boss.get(reverse("imports:undo", args=[run.pk])).content.decode()
    assert "What stays" in page
    assert "Unsubscriptions" in page
    assert "nothing is undone" not in page
    run = post(boss, "undo", run)
    assert (run.state, run.error) == ("undone", "")
    assert take_snapshot() == before
    assert not ImportedEvents.objects.exists()
    assert "The import was undone." in show(boss, run)
    # the file can be imported again
    assert import_added(boss, upload).state == "imported"


def test_visitor_who_was_known_before_the_import_stays(boss: Client, upload: Upload, source: Source) -> None:
    visitor = make_customer(None)
    make_identifier(visitor, "v1", kind=Identifier.Kind.ANONYMOUS_ID)  # without events, as after their retention
    run = post(boss, "start", upload("events", write_file(ADDED), name="events.jsonl"))
    process_events(at=timezone.now())
    assert post(boss, "undo", run).state == "undone"
    assert Customer.objects.filter(pk=visitor.pk).exists()


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("name", "survived"),
    [
        ("remove_batch", 1),
        ("remove_order_events", 0),
        ("remove_reviews", 1),
        ("recount_customers", 0),
        ("recount_customers", 1),
    ],
)
def test_killed_undo_is_completed(
    boss: Client, upload: Upload, before: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str, survived: int
) -> None:
    run = import_added(boss, upload)
    process_events(at=timezone.now())
    step: Callable[..., Any] = getattr(event_undo, name)
    calls = []

    def die(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > survived:
            raise KilledError
        return step(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(event_undo, name, die)
        patch.setattr(event_undo, "RECOUNTED_CUSTOMERS", 1)
        assert runs.begin(run, ImportState.UNDOING, allowed=(ImportState.IMPORTED,))
        with pytest.raises(KilledError):
            runs.undo_run(run_id=run.pk, at=timezone.now())
    runs.undo_run(run_id=run.pk, at=timezone.now())
    assert ImportRun.objects.get(pk=run.pk).state == "undone"
    assert take_snapshot() == before


def test_cancelled_import_leaves_no_events(
    boss: Client, upload: Upload, before: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("events", write_file([*BEFORE, *ADDED]), name="events.jsonl")
    monkeypatch.setattr(runs, "SECONDS_BETWEEN_CHECKS", 0)
    monkeypatch.setattr(runs, "begin", keep_cancelled(runs.begin, run))
    assert post(boss, "start", run).state == "cancelled"
    assert take_snapshot() == before


def keep_cancelled(begin: Callable[..., bool], run: ImportRun) -> Callable[..., bool]:
    """Let a user cancel the import just after it began."""

    def begin_and_cancel(*args: Any, **kwargs: Any) -> bool:
        has_begun = begin(*args, **kwargs)
        runs.request_cancel(run)
        return has_begun

    return begin_and_cancel


def test_import_that_was_killed_counts_and_undoes_the_events_of_both_attempts(
    boss: Client, upload: Upload, before: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("events", write_file([*BEFORE, *ADDED]), name="events.jsonl")
    assert runs.begin(run, ImportState.IMPORTING, allowed=(ImportState.CHECKED,))

    def die(self: runs.CancellableProgress, done: int, total: int) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(runs.CancellableProgress, "__call__", die)
        with pytest.raises(KilledError):
            runs.import_run(run_id=run.pk, at=timezone.now())
    imported = runs.import_run(run_id=run.pk, at=timezone.now())
    assert (imported.state, imported.created, imported.unchanged) == ("imported", len(ADDED), len(BEFORE))
    process_events(at=timezone.now())
    assert post(boss, "undo", imported).state == "undone"
    assert take_snapshot() == before
