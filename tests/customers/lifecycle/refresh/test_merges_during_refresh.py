"""Merges during a refresh do not wait for it to end, and it does not bring back the profiles of merged customers."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import connections

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer, IdentityMerge
from customers.identity.stored_data.retention_kinds import purge_visitors
from customers.lifecycle.models import CountedSession, CustomerProfile, LifecycleRun, PendingRecount, StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.customers.processing.event_makers import NOW, process, product, send, track
from tests.makers import make_customer, make_identifier, make_order, make_product
from tests.waiting import is_lock_awaited, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOW + timedelta(days=2)
COMPUTED, WRITTEN = 4, 5  # steps of a refresh: everything is computed, the profiles are written


@pytest.fixture(autouse=True)
def _warehouse(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def start(work: Callable[[], object]) -> Thread:
    """Run ``work`` with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = Thread(target=run)
    thread.start()
    return thread


def refresh(*, at_step: int = 0, work: Callable[[], object] = int) -> None:
    """Refresh all profiles; call ``work`` in the middle of it."""

    def progress(done: int, _total: int) -> None:
        if done == at_step:
            work()

    refresh_profiles(as_of=LATER, started_at=LATER, progress=progress)


def make_pair() -> tuple[Customer, Customer]:
    """Return a customer with an order and a visitor who has an order, a session and a history of stages."""
    make_product("tea")
    kept, merged = make_customer("ada"), make_customer("bob")
    make_order(kept, placed_at=NOW)
    make_order(merged, placed_at=NOW - timedelta(days=1))
    send({**track("Product Viewed", product()), "userId": "bob", "context": {"sessionId": "s1"}})
    process()
    refresh()
    return kept, merged


def merge(kept: Customer, merged: Customer) -> None:
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOW, causes=["test"])


def finish_at_once(work: Callable[[], object]) -> None:
    """Fail if ``work`` waits for a lock."""
    thread = start(work)
    wait_until(lambda: not thread.is_alive() or is_lock_awaited(), what="the end of the merge")
    assert not thread.is_alive()


def assert_counted_as_one(kept: Customer, merged: Customer) -> None:
    assert not Customer.objects.filter(pk=merged.pk).exists()
    for model in (CustomerProfile, StageTransition, CountedSession):
        assert not model._default_manager.filter(customer_id=merged.pk).exists()
    profile = CustomerProfile.objects.get(customer=kept)
    assert (profile.orders, profile.events, profile.sessions) == (2, 1, 1)
    assert not PendingRecount.objects.exists()
    assert not LifecycleRun.objects.exclude(status=LifecycleRun.Status.DONE).exists()


def test_a_merge_while_a_refresh_computes_does_not_wait_for_it() -> None:
    kept, merged = make_pair()
    refresh(at_step=COMPUTED, work=lambda: finish_at_once(lambda: merge(kept, merged)))
    assert_counted_as_one(kept, merged)


def test_a_merge_before_the_first_refresh_writes_leaves_no_profile() -> None:
    """The refresh has computed a profile of the merged customer, which no row says yet."""
    kept, merged = make_pair()
    for model in (StageTransition, CountedSession, CustomerProfile):
        model._default_manager.all().delete()
    refresh(at_step=COMPUTED, work=lambda: finish_at_once(lambda: merge(kept, merged)))
    assert_counted_as_one(kept, merged)


def test_a_merge_while_a_refresh_writes_waits_and_is_not_lost() -> None:
    kept, merged = make_pair()
    threads = []

    def merge_meanwhile() -> None:
        threads.append(start(lambda: merge(kept, merged)))
        wait_until(is_lock_awaited, what="the merge to wait for the refresh")

    refresh(at_step=WRITTEN, work=merge_meanwhile)
    threads[0].join()
    process(LATER)  # recounts a customer whom the merge has queued, if the refresh still held its other lock
    assert_counted_as_one(kept, merged)


def test_a_merge_that_is_undone_during_a_refresh_gives_both_their_own_profiles() -> None:
    kept, merged = make_pair()
    before = list(CustomerProfile.objects.order_by("pk").values_list("pk", "orders", "events", "sessions", "stage"))

    def merge_and_undo() -> None:
        merge(kept, merged)
        revert_merge(merge_id=IdentityMerge.objects.get().pk, at=NOW, by="anna")

    refresh(at_step=COMPUTED, work=lambda: finish_at_once(merge_and_undo))
    assert not PendingRecount.objects.exists()
    after = list(CustomerProfile.objects.order_by("pk").values_list("pk", "orders", "events", "sessions", "stage"))
    assert after == before
    assert StageTransition.objects.filter(customer=merged).exists()


def test_visitors_who_are_deleted_during_a_refresh_do_not_make_it_fail() -> None:
    seen_at = NOW - timedelta(days=500)
    visitor = make_customer(first_seen_at=seen_at, last_seen_at=seen_at)
    make_identifier(visitor, "v1", kind="anonymous_id")
    kept = make_customer("ada", first_seen_at=NOW)
    refresh()
    assert CustomerProfile.objects.count() == 2
    refresh(at_step=COMPUTED, work=lambda: finish_at_once(lambda: purge_visitors(before=NOW - timedelta(days=400))))
    assert list(CustomerProfile.objects.values_list("customer_id", flat=True)) == [kept.pk]
    assert not StageTransition.objects.filter(customer_id=visitor.pk).exists()
    assert not LifecycleRun.objects.exclude(status=LifecycleRun.Status.DONE).exists()
