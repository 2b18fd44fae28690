"""RFM of all time, of a window and by month, as written by a refresh; computed by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile, RfmGroup
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.rfm.months import BITS_PER_MONTH, MAX_MONTHS, find_month_ago, list_month_ends
from customers.lifecycle.scoring.rfm.rfm_scores import find_rfm_group
from customers.orders.models import Order
from tests.makers import NOON, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db


def test_no_chinese_name_of_a_group_is_part_of_another() -> None:
    with override("zh-hans"):
        names = [str(group.label) for group in RfmGroup]
    assert [(name, other) for name in names for other in names if name != other and name in other] == []
    assert len(set(names)) == len(names)


def refresh(as_of: datetime = NOON) -> None:
    refresh_profiles(as_of=as_of, started_at=as_of)


def get_profile(customer: Customer) -> CustomerProfile:
    return CustomerProfile.objects.get(customer=customer)


def list_month_groups(customer: Customer, *, window: bool = False) -> list[str]:
    """Return the groups at the month ends, latest first."""
    profile = get_profile(customer)
    packed = profile.rfm_months_window if window else profile.rfm_months
    return [find_rfm_group(packed >> BITS_PER_MONTH * back & 2**BITS_PER_MONTH - 1) for back in range(MAX_MONTHS)]


def read_profiles() -> list[tuple[Any, ...]]:
    return list(CustomerProfile.objects.order_by("pk").values_list())


@pytest.fixture
def five_customers() -> dict[str, Customer]:
    """Five customers, each with one order more than the one before.

    The last order is 100 days earlier each; NOON is 2026-11-24.
    """
    customers = {name: make_customer(name) for name in ("ann", "bob", "eve", "kim", "zoe")}
    for number, customer in enumerate(customers.values()):
        last = NOON - timedelta(days=100 * number + 1)
        for order in range(number + 1):
            make_order(customer, placed_at=last - timedelta(days=200 * order), total=Decimal(10 * (number + 1)))
    return customers


def test_a_window_scores_the_customers_who_ordered_in_it(five_customers: dict[str, Customer], settings: Any) -> None:
    settings.RFM_WINDOW_DAYS = 365
    refresh()
    assert {
        name: (get_profile(customer).r, get_profile(customer).f, get_profile(customer).m)
        for name, customer in five_customers.items()
    } == {
        "ann": (5, 1, 1),
        "bob": (4, 2, 2),
        "eve": (3, 3, 3),
        "kim": (2, 4, 4),
        "zoe": (1, 5, 5),
    }
    profiles = {name: get_profile(customer) for name, customer in five_customers.items()}
    # in the window: ann 1 order, bob 2 of 20 (101 and 301 days ago), eve 1 of 30, kim 1 of 40, zoe none
    assert {name: (customer.orders_window, customer.revenue_window) for name, customer in profiles.items()} == {
        "ann": (1, 10),
        "bob": (2, 40),
        "eve": (1, 30),
        "kim": (1, 40),
        "zoe": (0, 0),
    }
    # four customers are in the quintiles 1 to 4; among equals the earlier first order ranks lower: kim, then eve, then bob
    scores = {name: (customer.r_window, customer.f_window, customer.m_window) for name, customer in profiles.items()}
    assert scores == {"ann": (4, 3, 1), "bob": (3, 4, 4), "eve": (2, 2, 2), "kim": (1, 1, 3), "zoe": (None, None, None)}
    assert [customer.rfm_group_window for customer in profiles.values()] == [
        "potential_loyalists",
        "loyal",
        "hibernating",
        "hibernating",
        "",
    ]


def test_a_shorter_window_leaves_out_more_customers(five_customers: dict[str, Customer], settings: Any) -> None:
    settings.RFM_WINDOW_DAYS = 100
    refresh()
    assert {name for name, customer in five_customers.items() if get_profile(customer).r_window} == {"ann"}
    # a single customer is in the first quintile, as with all time
    assert get_profile(five_customers["ann"]).rfm_group_window == "hibernating"


def test_each_month_end_counts_the_orders_before_it(five_customers: dict[str, Customer]) -> None:
    refresh()
    # ann first ordered on November 23, after the last month end; bob on January 27
    assert set(list_month_groups(five_customers["ann"])) == {""}
    assert [bool(group) for group in list_month_groups(five_customers["bob"])] == [True] * 10 + [False] * 2
    assert all(list_month_groups(five_customers["zoe"]))
    # at the end of October the four others are in the quintiles 1 to 4 by last order and number of orders
    assert [list_month_groups(five_customers[name])[0] for name in ("bob", "eve", "kim", "zoe")] == [
        "promising",
        "about_to_sleep",
        "at_risk",
        "at_risk",
    ]


def test_facts_after_a_month_end_change_nothing_of_that_month(five_customers: dict[str, Customer]) -> None:
    refresh(datetime(2026, 9, 1, tzinfo=UTC))
    groups_before = {
        name: (list_month_groups(member), list_month_groups(member, window=True))
        for name, member in five_customers.items()
        if name != "ann"
    }
    for customer in five_customers.values():
        make_order(customer, placed_at=datetime(2026, 9, 1, tzinfo=UTC), total=Decimal(999))
    make_order(make_customer("late"), placed_at=datetime(2026, 9, 2, tzinfo=UTC))
    refresh()
    for name, (all_time, window) in groups_before.items():  # two months have ended since
        assert list_month_groups(five_customers[name])[2:] == all_time[:10]
        assert list_month_groups(five_customers[name], window=True)[2:] == window[:10]
    assert list_month_groups(five_customers["bob"])[1] != list_month_groups(five_customers["bob"])[2]


def test_repeated_refreshes_give_the_same_result(five_customers: dict[str, Customer]) -> None:
    refresh()
    first = read_profiles()
    refresh()
    assert read_profiles() == first
    refresh(NOON - timedelta(days=90))
    assert read_profiles() != first
    refresh()
    assert read_profiles() == first


def test_a_corrected_order_corrects_the_months(five_customers: dict[str, Customer]) -> None:
    refresh()
    assert list_month_groups(five_customers["bob"])[0] == "promising"
    Order.objects.filter(customer=five_customers["bob"]).update(status="cancelled")
    refresh()
    assert set(list_month_groups(five_customers["bob"])) == {""}
    assert get_profile(five_customers["bob"]).r is None


def test_a_month_ends_in_the_time_zone_of_the_shop(settings: Any) -> None:
    customer = make_customer("night")
    make_order(customer, placed_at=datetime(2026, 10, 31, 20, tzinfo=UTC))  # November 1 in Shanghai
    refresh()
    assert list_month_groups(customer)[0] == "hibernating"
    settings.TIME_ZONE = "Asia/Shanghai"
    refresh()
    assert list_month_groups(customer)[0] == ""


def test_the_month_ends_are_the_last_twelve(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    ends = list_month_ends(as_of=datetime(2026, 3, 15, tzinfo=UTC))
    assert (len(ends), ends[0].isoformat()) == (12, "2025-04-01T00:00:00+02:00")
    assert [end.isoformat() for end in ends[-2:]] == ["2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00"]
    assert list_month_ends(as_of=ends[-1]) == ends
    assert list_month_ends(as_of=ends[-1] - timedelta(microseconds=1))[-1] == ends[-2]


@pytest.mark.parametrize(("day", "back"), [(1, 1), (10, 1), (20, 0), (30, 0)])
def test_a_month_ago_is_the_nearest_month_end(day: int, back: int) -> None:
    assert find_month_ago(as_of=datetime(2026, 11, day, tzinfo=UTC)) == back


def test_a_customer_without_orders_has_no_scores() -> None:
    customer = make_customer("prospect")
    Customer.objects.filter(pk=customer.pk).update(created_at=NOON - timedelta(days=9))
    refresh()
    profile = get_profile(customer)
    assert (profile.r, profile.r_window, profile.rfm_group_window, profile.orders_window) == (None, None, "", 0)
    assert (profile.rfm_months, profile.rfm_months_window) == (0, 0)


def test_unusual_orders_are_scored_too() -> None:
    """Orders on one day, orders of 0, more returns than orders, and an order before 1970."""
    free, minus, old, same = (make_customer(name) for name in ("free", "minus", "old", "same"))
    make_order(free, placed_at=NOON - timedelta(days=1), total=Decimal(0))
    make_order(same, placed_at=NOON - timedelta(days=1), total=Decimal(0))
    make_order(minus, placed_at=NOON - timedelta(days=1), total=Decimal(5))
    make_order(minus, placed_at=NOON - timedelta(hours=1), total=Decimal("12.34"), kind="return")
    make_order(old, placed_at=datetime(1955, 5, 5, tzinfo=UTC), products=[make_product(price=Decimal(3))])
    refresh()
    assert sorted(get_profile(customer).r or 0 for customer in (free, minus, old, same)) == [1, 2, 3, 4]
    assert (get_profile(minus).revenue, get_profile(minus).revenue_window) == (Decimal("-7.34"), Decimal("-7.34"))
    assert (get_profile(minus).m, get_profile(minus).m_window) == (1, 1)
    assert (get_profile(old).r, get_profile(old).r_window) == (1, None)
    assert set(list_month_groups(old)) == {"hibernating"}
    assert set(list_month_groups(old, window=True)) == {""}


def test_a_return_without_an_order_in_the_window_gives_no_scores() -> None:
    customer = make_customer("returner")
    make_order(customer, placed_at=NOON - timedelta(days=400), total=Decimal(50))
    make_order(customer, placed_at=NOON - timedelta(days=3), total=Decimal(50), kind="return")
    refresh()
    profile = get_profile(customer)
    assert (profile.r, profile.r_window, profile.revenue_window) == (1, None, 0)
