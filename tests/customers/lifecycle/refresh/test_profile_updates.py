"""Live updates give the same profiles as a refresh from the same facts.

They also do if both happen at the same time.
"""

import logging
import random
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction

from customers.events.models import Outbox, Source
from customers.identity.models import Customer
from customers.lifecycle.models import CountedSession, CustomerProfile, PendingRecount, StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.refresh.profile_lock import lock_all_profiles, try_share_profile_lock
from customers.lifecycle.refresh.profile_updates import (
    forget_recounts,
    queue_recounts,
    read_queued_recounts,
    recount_customers,
    recount_pending,
)
from customers.orders.cancellation import cancel_orders
from customers.orders.upsert import upsert_orders
from customers.segments.event_counts.counting import recount_events
from customers.segments.models import EventCount
from tests.customers.processing.event_makers import NOW, order, process, product, send, track
from tests.makers import make_customer, make_order, make_product
from tests.waiting import DEADLINE_SECONDS, is_lock_awaited, wait_until

LATER = NOW + timedelta(days=2)
# The columns that are not counters.
REFRESHED_COLUMNS = {
    "r",
    "f",
    "m",
    "rfm_group",
    "r_window",
    "f_window",
    "m_window",
    "rfm_group_window",
    "orders_window",
    "revenue_window",
    "rfm_months",
    "rfm_months_window",
    "computed_at",
    "valued_at",
    "stage",
    "stage_since",
    "next_stage_change_at",
    "p_alive",
    "cluster",
    "churn",
    "purchase_7",
    "purchase_30",
    "purchase_90",
    "next_category",
    "next_category_probability",
    "expected_orders",
    "expected_orders_low",
    "expected_orders_high",
    "expected_order_value",
    "value",
    "spend_low",
    "spend_high",
    "interval_probability",
    "next_order_from",
    "next_order_likely",
    "next_order_to",
    "next_order_reason",
}


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def read_counters() -> dict[int, dict[str, Any]]:
    return {
        row["customer_id"]: {name: value for name, value in row.items() if name not in REFRESHED_COLUMNS}
        for row in CustomerProfile.objects.values()
    }


def read_stages() -> list[tuple[Any, ...]]:
    fields = ("customer_id", "stage", "stage_since", "next_stage_change_at")
    return list(CustomerProfile.objects.order_by("customer_id").values_list(*fields))


def read_transitions() -> list[tuple[Any, ...]]:
    """Return the stage changes, the first of a customer without its time.

    An event that arrives late makes that time earlier, which only the next refresh corrects.
    """
    fields = ("customer_id", "from_stage", "to_stage", "at", "reason")
    changes = StageTransition.objects.values_list(*fields)
    return sorted(((*change[:3], change[3] if change[1] else None, change[4]) for change in changes), key=str)


def refresh(as_of: datetime = LATER) -> None:
    refresh_profiles(as_of=as_of, started_at=as_of)


def make_random_items(rng: random.Random, *, n_customers: int, count: int) -> list[dict[str, Any]]:
    """Return facts of some customers on several devices.

    They are visits, sessions, log-ins, orders, updates and refunds.
    """
    items: list[dict[str, Any]] = []
    for number in range(count):
        customer, occurred_at = rng.randrange(n_customers), NOW - timedelta(minutes=rng.randrange(60 * 24))
        item: dict[str, Any] = {"anonymousId": f"v{customer}-{rng.randrange(3)}", "timestamp": occurred_at.isoformat()}
        if rng.random() < 0.3:
            item["userId"] = f"u{customer}"
        if rng.random() < 0.7:
            item["context"] = {"sessionId": f"s{customer}-{rng.randrange(4)}"}
        kind = rng.random()
        if kind < 0.1:
            items.append({"type": "identify", **item, "userId": f"u{customer}", "traits": {"plan": "gold"}})
        elif kind < 0.2:
            purchases = [product(f"p{rng.randrange(9)}", rng.randrange(1, 9), category=f"C{rng.randrange(3)}")]
            items.append(
                {**order("Order Completed", f"o{rng.randrange(60)}", products=purchases), "userId": None, **item}
            )
        elif kind < 0.25:
            name = rng.choice(["Order Refunded", "Order Cancelled", "Order Updated"])
            items.append({**order(name, f"o{rng.randrange(60)}"), "userId": None, **item})
        else:
            items.append({**track("Product Viewed", product(f"p{number % 9}")), "userId": None, **item})
    return items


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_live_counters_equal_those_of_a_refresh(seed: int) -> None:
    rng = random.Random(seed)
    refresh(NOW - timedelta(days=1))  # measures the rules, so stages have a history
    waiting: list[dict[str, Any]] = []
    for number, item in enumerate(make_random_items(rng, n_customers=12, count=400)):
        waiting.append({**item, "messageId": f"m{number}"})
        if rng.random() < 0.03:
            send(*waiting)
            process(LATER)
            waiting.clear()
    send(*waiting)
    process(LATER)
    live, live_stages, live_transitions = read_counters(), read_stages(), read_transitions()
    sessions = set(CountedSession.objects.values_list("customer_id", "session_id"))
    assert sum(profile["events"] for profile in live.values()) == 400
    refresh()
    assert live == read_counters()
    assert live_stages == read_stages()
    assert live_transitions == read_transitions()
    assert sessions == set(CountedSession.objects.values_list("customer_id", "session_id"))


@pytest.mark.django_db
def test_an_imported_customer_is_counted_from_all_facts_at_the_first_event() -> None:
    ada = make_customer("ada", first_seen_at=NOW - timedelta(days=3))
    make_order(ada, placed_at=NOW - timedelta(days=2), products=[make_product("tea")])
    send(track("Product Viewed", product()))
    process()
    profile = CustomerProfile.objects.get(customer=ada)
    assert (profile.orders, profile.events, profile.stage) == (1, 1, "new")


@pytest.mark.django_db
def test_waiting_events_do_not_count_before_they_are_processed() -> None:
    send(track("Product Viewed", product()))
    process()
    send(track("Product Viewed", product()))
    refresh()
    assert CustomerProfile.objects.get().events == 1
    process(LATER)
    assert CustomerProfile.objects.get().events == 2


@pytest.mark.django_db
def test_an_erased_customer_gets_no_profile() -> None:
    make_customer("ada", erased_at=NOW)
    send(track("Product Viewed", product()))
    assert process().counts["without_person"] == 1
    assert not CustomerProfile.objects.exists()


@pytest.mark.django_db
def test_a_recount_corrects_wrong_counters() -> None:
    send(track("Product Viewed", product(), context={"sessionId": "s1"}), order(products=[product()]))
    process()
    before = read_counters()
    CustomerProfile.objects.update(events=99, sessions=9, orders=9, last_event_at=None)
    CountedSession.objects.all().delete()
    with transaction.atomic():
        recount_customers(customer_ids=[Customer.objects.get().pk], as_of=LATER)
    assert read_counters() == before
    assert CountedSession.objects.count() == 1


@pytest.mark.django_db
def test_an_identified_visitor_becomes_a_prospect() -> None:
    send(track("Product Viewed", product(), anonymousId="v1"))
    process()
    assert CustomerProfile.objects.get().stage == "visitor"
    send({"type": "identify", "userId": "ada", "anonymousId": "v1"}, at=NOW + timedelta(minutes=1))
    process(LATER)
    assert CustomerProfile.objects.get().stage == "prospect"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_updates_during_a_refresh_are_queued_and_counted_after_it() -> None:
    send(track("Product Viewed", product()))
    process()
    send(track("Product Viewed", product()), order(products=[product()]))
    results = {}

    def process_meanwhile() -> None:
        try:
            results["events"] = process().events
        finally:
            connections.close_all()

    with lock_all_profiles():
        thread = Thread(target=process_meanwhile)
        thread.start()
        thread.join()
    assert results == {"events": 2}
    assert not Outbox.objects.exists()
    assert CustomerProfile.objects.get().events == 1
    assert PendingRecount.objects.count() == 1
    process(LATER)  # no event waits, so this recounts the queued customers only
    assert (CustomerProfile.objects.get().events, CustomerProfile.objects.get().orders) == (3, 1)
    assert not PendingRecount.objects.exists()
    live = read_counters()
    refresh()
    assert read_counters() == live


@pytest.mark.django_db
def test_an_order_placed_during_a_refresh_counts_after_it() -> None:
    customer = make_customer("u1")
    make_order(customer, placed_at=LATER + timedelta(milliseconds=1))
    queue_recounts([customer.pk])  # as a live update does while the refresh runs
    refresh()
    profile = CustomerProfile.objects.get(customer=customer)
    assert (profile.orders, profile.stage) == (1, "new")
    assert not PendingRecount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_recount_leaves_customers_whose_changes_are_not_committed() -> None:
    """The customer is queued already, by an earlier update."""
    customer = make_customer("u1")
    refresh()
    is_queued, may_commit = Event(), Event()

    def update_meanwhile() -> None:
        try:
            with transaction.atomic():
                make_order(customer, placed_at=NOW)
                recount_customers(customer_ids=[customer.pk], as_of=LATER)
                is_queued.set()
                assert may_commit.wait(DEADLINE_SECONDS)
        finally:
            connections.close_all()

    queue_recounts([customer.pk])
    update = Thread(target=update_meanwhile)
    with lock_all_profiles():
        update.start()
        assert is_queued.wait(DEADLINE_SECONDS)
    assert recount_pending(as_of=LATER) == 0
    may_commit.set()
    update.join()
    assert recount_pending(as_of=LATER) == 1
    assert CustomerProfile.objects.get(customer=customer).orders == 1


@pytest.mark.django_db(transaction=True)
def test_new_updates_do_not_delay_a_waiting_refresh(caplog: pytest.LogCaptureFixture) -> None:
    """A refresh waits for a running update and says so; while it waits, no other update starts."""
    caplog.set_level(logging.INFO)
    with transaction.atomic():
        assert try_share_profile_lock()
        refresh_thread = Thread(target=refresh_in_thread)
        refresh_thread.start()
        wait_until(is_lock_awaited, what="the refresh to wait for its lock")
        assert "Waiting for another job that writes profiles" in caplog.messages
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        results = {}

        def try_lock() -> None:
            try:
                with transaction.atomic():
                    results["has_lock"] = try_share_profile_lock()
            finally:
                connections.close_all()

        second_update = Thread(target=try_lock)
        second_update.start()
        second_update.join()
        assert results == {"has_lock": False}
    refresh_thread.join()
    assert recount_pending(as_of=LATER) == 0


def refresh_in_thread() -> None:
    try:
        refresh()
    finally:
        connections.close_all()


@pytest.mark.django_db
def test_orders_over_rest_and_cancellations_change_the_profiles_without_a_refresh() -> None:
    make_product("tea")
    refresh()
    source = Source.objects.create(key="erp", name="ERP")

    def read_orders_of(user_id: str) -> tuple[int, str]:
        process(LATER)  # no event waits, so this recounts the queued customers only
        profile = CustomerProfile.objects.get(customer__identifiers__value=user_id)
        return profile.orders, profile.stage

    def write(user_id: str) -> None:
        line = {"product_id": "tea", "quantity": 1, "unit_price": "20.00"}
        item = {"order_id": "A1", "user_id": user_id, "placed_at": NOW.isoformat(), "lines": [line]}
        assert not upsert_orders(items=[item], source=source, at=LATER, currency="EUR").results[0].problems

    write("ada")
    assert read_orders_of("ada") == (1, "new")
    write("bob")
    assert (read_orders_of("ada")[0], read_orders_of("bob")) == (0, (1, "new"))
    assert cancel_orders(source=source, order_ids=["A1"], at=LATER) == 1
    assert read_orders_of("bob")[0] == 0


@pytest.mark.django_db
def test_a_refresh_takes_those_off_the_queue_whom_it_has_counted() -> None:
    counted, later, again = (make_customer(name) for name in ("counted", "later", "again"))
    make_order(later, placed_at=LATER)
    queue_recounts([counted.pk, later.pk, again.pk])
    queued = read_queued_recounts()
    with transaction.atomic():
        queue_recounts([again.pk])
    forget_recounts(queued, as_of=LATER)
    assert set(PendingRecount.objects.values_list("customer_id", flat=True)) == {later.pk, again.pk}


@pytest.mark.django_db
def test_a_large_queue_is_recounted_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.lifecycle.refresh.profile_updates.RECOUNT_BATCH_SIZE", 1)
    queue_recounts([make_customer(name).pk for name in ("u1", "u2")])
    assert [recount_pending(as_of=NOW, seconds=0) for _call in range(3)] == [1, 1, 0]


@pytest.mark.django_db
def test_an_event_of_a_clock_that_is_ahead_counts_the_same_live_and_after_a_refresh() -> None:
    ahead = (NOW + timedelta(hours=20)).isoformat()
    send({**track("Product Viewed", product()), "timestamp": ahead, "context": {"sessionId": "s1"}})
    process()
    live = read_counters()
    profile = CustomerProfile.objects.get()
    assert (profile.events, profile.last_event_at) == (1, NOW)
    days = list(EventCount.objects.values_list("days", flat=True))
    refresh_profiles(as_of=NOW + timedelta(hours=1), started_at=NOW)
    assert read_counters() == live
    recount_customers(customer_ids=[profile.customer_id], as_of=NOW + timedelta(hours=1))
    recount_events([profile.customer_id])
    assert read_counters() == live
    assert list(EventCount.objects.values_list("days", flat=True)) == days
