"""While levels are recalculated, a checkout waits for its own member only, and nobody else waits for the checkout."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import Client

from config.foundation.database.direct_connection import open_direct_connection
from customers.identity.locking import lock_identities
from customers.loyalty import counting
from customers.loyalty.counting import recompute_all_levels, start_program
from customers.loyalty.models import LevelChange, LoyaltyMember, LoyaltyProgram, PointReservation
from customers.loyalty.points import member_lock
from customers.loyalty.points.ledger import adjust_points
from customers.loyalty.program import load_program
from tests.customers.loyalty.makers import make_levels, make_program
from tests.makers import NOON, make_customer, make_order, make_product
from tests.waiting import DEADLINE_SECONDS, is_lock_awaited, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def hold_member(customer_id: int) -> Iterator[Callable[[], None]]:
    """Lock a member in another session, as a recalculation of its levels does; yield what releases it."""
    with open_direct_connection() as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM loyalty_loyaltymember WHERE customer_id = %s FOR UPDATE", [customer_id])
        yield other.rollback


@contextmanager
def limit_waits(milliseconds: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {milliseconds}")
        try:
            yield
        finally:
            cursor.execute("SET lock_timeout = DEFAULT")


def reserve(client: Client, points: int) -> Any:
    url = "/api/v1/customers/anna/loyalty/reservations/"
    return client.post(url, {"points": points}, content_type="application/json")


def make_member(points: int) -> int:
    anna = make_customer("anna").pk
    adjust_points(customer_id=anna, points=points, note="gift", by="x", key="k", now=NOON)
    return anna


def test_levels_of_a_batch_are_free_again_while_another_batch_is_recalculated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LEVEL_BATCH_SIZE", 2)
    make_program(started_at=None), make_levels()
    customers = [make_customer() for _number in range(5)]
    people = [customer.pk for customer in customers]
    product = make_product(price=Decimal(150))
    for customer in customers:
        make_order(customer, products=[product])
    LoyaltyMember.objects.create(customer_id=people[-1])
    with hold_member(people[-1]) as release:
        with limit_waits(100), pytest.raises(OperationalError, match="lock timeout"):
            start_program(now=NOON, reason="rules")
        assert sorted(LevelChange.objects.values_list("customer_id", flat=True)) == people[:4]
        assert load_program().started_at is None, "orders earn no points before all levels are known"
        release()
    assert start_program(now=NOON, reason="rules") == 1
    assert set(LoyaltyMember.objects.values_list("pk", "level__key")) == {(person, "silver") for person in people}
    assert load_program().started_at == NOON
    assert recompute_all_levels(now=NOON) == 0


def test_rules_saved_during_a_recalculation_apply_to_the_batches_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(validity_months=3), make_levels()
    monkeypatch.setattr(counting, "LEVEL_BATCH_SIZE", 1)
    first, second = make_customer(), make_customer()
    for customer in (first, second):
        make_order(customer, products=[make_product(price=Decimal(150))])
    recompute = counting.recompute_levels

    def save_rules_after(**values: Any) -> int:
        changes = recompute(**values)
        LoyaltyProgram.objects.update(validity_months=0)
        return changes

    monkeypatch.setattr(counting, "recompute_levels", save_rules_after)
    recompute_all_levels(now=NOON)
    ends = dict(LoyaltyMember.objects.values_list("pk", "level_until"))
    assert (ends[first.pk] is None, ends[second.pk]) == (False, None)


def test_a_checkout_that_waits_for_a_member_lets_all_others_change_identities(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_lock, "WAIT_MS", DEADLINE_SECONDS * 1000)
    anna = make_member(100)

    def reserve_in_thread() -> int:
        try:
            return reserve(admin_client, 30).status_code
        finally:
            connections.close_all()

    with hold_member(anna) as release, ThreadPoolExecutor(1) as pool:
        try:
            request = pool.submit(reserve_in_thread)
            wait_until(lambda: request.done() or is_lock_awaited(), what="the checkout to wait for its member")
            # half as long as the checkout waits for its member, which it would do with the identity lock if that were wrong
            with limit_waits(DEADLINE_SECONDS * 500), transaction.atomic():
                lock_identities()
            assert not request.done(), "it still waits for its member"
        finally:
            release()
        assert request.result() == 201
    assert LoyaltyMember.objects.get().available == 70


def test_a_checkout_that_waits_too_long_is_told_to_try_again(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_lock, "WAIT_MS", 10)
    anna = make_member(100)
    with hold_member(anna):
        response = reserve(admin_client, 30)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["type"] == "urn:perennial:problem:database-busy"
    assert not PointReservation.objects.exists()
    assert reserve(admin_client, 30).status_code == 201
