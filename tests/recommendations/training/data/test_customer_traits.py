from datetime import timedelta
from pathlib import Path

import pytest

from customers.events.models import Event
from customers.identity.models import Customer
from customers.warehouse.export import export_warehouse
from recommendations.engine import IdMap
from recommendations.training.data.customer_traits import KnownTraits, extract_known_traits, extract_new_customers
from tests.makers import NOON, make_customer, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def customers(folders: Path) -> list[Customer]:
    """Return twelve customers: six of each taste, one of each age from 20 to 31."""
    customers = [make_customer(f"user-{number}") for number in range(12)]
    for number, customer in enumerate(customers):
        customer.traits = {
            "taste": ("tea", "coffee")[number % 2],
            "age": 20 + number,
            "secret": "x",
            "club": number < 6,
        }
        customer.language = "de-AT"
        customer.country = "AT"
    Customer.objects.bulk_update(customers, ["traits", "language", "country"])
    return customers


def list_values(known: KnownTraits, customer: Customer) -> set[str]:
    codes = known.traits.select_users(known.customers.get_rows([str(customer.pk)])).has.indices
    return {known.traits.values.get_id(code).replace("\x1f", "=") for code in codes.tolist()}


def test_only_named_traits_are_read_and_many_numbers_are_bands(customers: list[Customer]) -> None:
    export_warehouse(started_at=NOON)
    known = extract_known_traits(as_of=NOON, traits=["taste", "age", "club"])
    # Bands of fewer than five customers could identify them and are dropped: twelve ages make bands of two and three.
    assert known.edges == {"traits.age": pytest.approx([22.2, 24.4, 26.6, 28.8])}
    assert list_values(known, customers[0]) == {"language=de", "country=at", "traits.taste=tea", "traits.club=true"}
    assert list_values(extract_known_traits(as_of=NOON, traits=[]), customers[0]) == {"language=de", "country=at"}


def test_the_device_is_from_the_first_visit(customers: list[Customer]) -> None:
    for number, (device, days) in enumerate((("Mobile", 2), ("desktop", 1))):
        for user in range(6):
            Event.objects.create(
                source=make_source(),
                message_id=f"{number}/{user}",
                type="page",
                name="",
                user_id=f"user-{user}",
                occurred_at=NOON - timedelta(days=days),
                received_at=NOON - timedelta(days=days),
                context={"device": {"type": device}},
            )
    export_warehouse(started_at=NOON)
    assert "device=mobile" in list_values(extract_known_traits(as_of=NOON, traits=[]), customers[0])
    assert not any(
        "device" in value for value in list_values(extract_known_traits(as_of=NOON, traits=[]), customers[7])
    )


def test_new_customers_have_traits_no_history_and_did_not_refuse(customers: list[Customer]) -> None:
    export_warehouse(started_at=NOON)
    known = extract_known_traits(as_of=NOON, traits=["taste"])
    new_customers = extract_new_customers(
        known=known, with_history=IdMap.of([str(customers[0].pk)]), excluded={"user_id:user-2"}
    )
    assert "user_id:user-0" not in new_customers.identifiers
    assert new_customers.row[new_customers.identifiers.get_row("user_id:user-2")] == -1
    row = int(new_customers.row[new_customers.identifiers.get_row("user_id:user-1")])
    values = {known.traits.values.get_id(code) for code in new_customers.traits[[row]].indices.tolist()}
    assert values == {"language\x1fde", "country\x1fat", "traits.taste\x1fcoffee"}
