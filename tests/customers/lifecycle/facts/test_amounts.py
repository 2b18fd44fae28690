"""Amounts have one currency: orders in others count as orders, and add nothing to amounts."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.identity.models import Customer
from customers.lifecycle.facts.amounts import choose_amount_currency, get_amount_currency
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.refresh.profile_updates import recount_order_counters
from customers.lifecycle.stages.rules import activate_rules
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
RULES: dict[str, Any] = {"second_gap_days": 20, "median_gap_days": 10, "active_gap_days": 15, "dormant_gap_days": 30}


@pytest.fixture
def traveller(settings: Any) -> Customer:
    """A customer with two orders in the shop's currency and one in another, all with a discount."""
    settings.SHOP_CURRENCY = "EUR"
    activate_rules(**RULES, loyal_revenue=None)
    customer = make_customer("traveller")
    for number, (currency, total) in enumerate((("EUR", 10), ("USD", 500), ("EUR", 20)), start=1):
        make_order(
            customer, placed_at=NOON - number * DAY, currency=currency, total=Decimal(total), discount=Decimal(2)
        )
    return customer


def test_the_currency_is_that_of_the_shop_and_without_such_orders_the_most_frequent(
    traveller: Customer, settings: Any
) -> None:
    chosen = choose_amount_currency(as_of=NOON)
    assert (chosen.currency, chosen.other_orders) == ("EUR", {"USD": 1})
    settings.SHOP_CURRENCY = "CNY"
    assert choose_amount_currency(as_of=NOON).currency == "EUR"


def test_amounts_leave_out_other_currencies_after_a_refresh_and_after_an_order(traveller: Customer) -> None:
    run = refresh_profiles(as_of=NOON, started_at=NOON)
    assert (run.currency, run.quality["orders_in_other_currencies"]) == ("EUR", {"USD": 1})
    expected = (3, Decimal(30), Decimal(15), Decimal(4))
    assert read_amounts(traveller) == expected
    CustomerProfile.objects.update(revenue=0, discounts=0, average_order_value=None)
    recount_order_counters([traveller.pk], as_of=NOON)
    assert read_amounts(traveller) == expected


def test_the_average_order_value_is_net_and_the_discount_share_of_the_gross_total(traveller: Customer) -> None:
    make_order(traveller, placed_at=NOON - 5 * DAY, total=Decimal(60), discount=Decimal(6), status="refunded")
    make_order(traveller, placed_at=NOON - 4 * DAY, total=Decimal(-12), kind="return")
    refresh_profiles(as_of=NOON, started_at=NOON)
    expected = (4, Decimal(18), Decimal(6), Decimal(10))
    assert read_amounts(traveller) == expected
    recount_order_counters([traveller.pk], as_of=NOON)
    assert read_amounts(traveller) == expected
    profile = build_customer_profile(customer_id=traveller.pk, as_of=NOON)
    assert profile is not None
    assert profile["discount_share"] == 0.1  # 10 of 90 + 10


def read_amounts(customer: Customer) -> tuple[Any, ...]:
    profile = CustomerProfile.objects.get(customer=customer)
    return profile.orders, profile.revenue, profile.average_order_value, profile.discounts


def test_a_new_currency_of_the_shop_counts_from_the_next_refresh(traveller: Customer, settings: Any) -> None:
    refresh_profiles(as_of=NOON, started_at=NOON)
    settings.SHOP_CURRENCY = "USD"
    assert get_amount_currency() == "EUR", "the profiles are still in euros"
    refresh_profiles(as_of=NOON, started_at=NOON)
    assert get_amount_currency() == "USD"
    assert read_amounts(traveller)[1] == 500


@pytest.mark.parametrize(("language", "amount"), [("en", "€30.00"), ("zh-hans", "€30.00")])
def test_the_customer_page_shows_the_currency_and_what_amounts_leave_out(
    traveller: Customer, admin_client: Client, language: str, amount: str
) -> None:
    refresh_profiles(as_of=NOON, started_at=NOON)
    page = admin_client.get(
        reverse("admin:lifecycle_customer", args=[traveller.pk]), headers={"accept-language": language}
    ).text
    assert amount in page
    assert ("1 order in another currency (USD)" if language == "en" else "另有 1 笔其他币种（USD）的订单") in page
    rfm = admin_client.get(reverse("admin:lifecycle_rfm"), headers={"accept-language": language}).text
    assert "€30" in rfm
    assert "USD" in rfm
