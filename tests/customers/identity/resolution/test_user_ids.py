"""Every user id becomes one customer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from customers.identity.models import Customer, Identifier
from customers.identity.resolution.user_ids import InvalidUserIdError, find_customer, find_or_create_customers
from tests.makers import NOON, make_customer


@pytest.mark.django_db
def test_unknown_user_ids_create_customers_and_known_ones_are_reused() -> None:
    existing = make_customer("u1", first_seen_at=NOON, last_seen_at=NOON)
    customer_ids = find_or_create_customers(user_ids=["u1", "u2", "u2", "u3"], seen_at=NOON)
    assert customer_ids["u1"] == existing.pk
    assert set(customer_ids) == {"u1", "u2", "u3"}
    assert Customer.objects.count() == Identifier.objects.count() == 3
    assert find_or_create_customers(user_ids=["u3", "u2"], seen_at=NOON) == {
        "u2": customer_ids["u2"],
        "u3": customer_ids["u3"],
    }


@pytest.mark.django_db
def test_first_and_last_seen_are_only_extended() -> None:
    for days in (0, -5, 3, 1):
        find_or_create_customers(user_ids=["u1"], seen_at=NOON + timedelta(days=days))
    customer = Customer.objects.get()
    assert customer.first_seen_at == NOON - timedelta(days=5)
    assert customer.last_seen_at == NOON + timedelta(days=3)


@pytest.mark.django_db(transaction=True)
def test_concurrent_threads_get_the_same_customers() -> None:
    user_ids = [f"u{number}" for number in range(100)]
    barrier = threading.Barrier(4)

    def resolve(turn: int) -> dict[str, int]:
        barrier.wait()
        try:
            return find_or_create_customers(user_ids=reversed(user_ids) if turn % 2 else user_ids, seen_at=NOON)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(resolve, range(4)))
    assert all(result == results[0] for result in results)
    assert Customer.objects.count() == Identifier.objects.count() == 100


@pytest.mark.django_db
@pytest.mark.parametrize("user_id", ["", "u" * 256, "a\0b"])
def test_invalid_user_id_is_named_in_the_error_and_nothing_is_written(user_id: str) -> None:
    with pytest.raises(InvalidUserIdError, match="1 to 255"):
        find_or_create_customers(user_ids=["u1", user_id], seen_at=NOON)
    assert not Customer.objects.exists()


@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_the_ids(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(7):
        find_or_create_customers(user_ids=[f"u{number}" for number in range(500)], seen_at=NOON)


@pytest.mark.django_db
def test_customer_is_found_by_any_identifier() -> None:
    customer = make_customer("u1")
    Identifier.objects.create(kind="anonymous_id", value="a1", customer=customer)
    assert find_customer("user_id", "u1") == find_customer("anonymous_id", "a1") == customer
    assert find_customer("user_id", "a1") is None
