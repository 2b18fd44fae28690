"""RFM of all time and of a window, and by month, as a refresh writes it; by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.rfm.months import BITS_PER_MONTH, MAX_MONTHS, find_month_ago, list_month_ends
from customers.lifecycle.scoring.rfm.rfm_scores import find_rfm_group
from customers.orders.models import Order
from tests.makers import NOON, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db


def refresh(as_of: datetime = NOON) -> None:
    refresh_profiles(as_of=as_of, started_at=as_of)


def profile(customer: Customer) -> CustomerProfile:
    return CustomerProfile.objects.get(customer=customer)


def months(customer: Customer, *, window: bool = False) -> list[str]:
    """The groups at the month ends, the newest first."""
    found = profile(customer)
    packed = found.rfm_months_window if window else found.rfm_months
    return [find_rfm_group(packed >> BITS_PER_MONTH * back & 2**BITS_PER_MONTH - 1) for back in range(MAX_MONTHS)]


def everything() -> list[tuple[Any, ...]]:
    return list(CustomerProfile.objects.order_by("pk").values_list())


@pytest.fixture
def five() -> dict[str, Customer]:
    """Each ordered once more than the one before, the last time a hundred days earlier; NOON is the 24th of November 2026."""
    customers = {name: make_customer(name) for name in ("ann", "bob", "eve", "kim", "zoe")}
    for number, customer in enumerate(customers.values()):
        last = NOON - timedelta(days=100 * number + 1)
        for order in range(number + 1):
            make_order(customer, placed_at=last - timedelta(days=200 * order), total=Decimal(10 * (number + 1)))
    return customers


def test_a_window_scores_those_who_ordered_in_it(five: dict[str, Customer], settings: Any) -> None:
    settings.RFM_WINDOW_DAYS = 365
    refresh()
    assert {name: (profile(one).r, profile(one).f, profile(one).m) for name, one in five.items()} == {
        "ann": (5, 1, 1),
        "bob": (4, 2, 2),
        "eve": (3, 3, 3),
        "kim": (2, 4, 4),
        "zoe": (1, 5, 5),
    }
    found = {name: profile(one) for name, one in five.items()}
    # in the window: ann 1 order, bob 2 of 20 (101 and 301 days ago), eve 1 of 30, kim 1 of 40, zoe none
    assert {name: (one.orders_window, one.revenue_window) for name, one in found.items()} == {
        "ann": (1, 10),
        "bob": (2, 40),
        "eve": (1, 30),
        "kim": (1, 40),
        "zoe": (0, 0),
    }
    # of four, one each in the fifths 1 to 4; who ordered first ranks lower among equals: kim, then eve, then bob
    scores = {name: (one.r_window, one.f_window, one.m_window) for name, one in found.items()}
    assert scores == {"ann": (4, 3, 1), "bob": (3, 4, 4), "eve": (2, 2, 2), "kim": (1, 1, 3), "zoe": (None, None, None)}
    assert [one.rfm_group_window for one in found.values()] == [
        "potential_loyalists",
        "loyal",
        "hibernating",
        "hibernating",
        "",
    ]


def test_a_shorter_window_leaves_more_out(five: dict[str, Customer], settings: Any) -> None:
    settings.RFM_WINDOW_DAYS = 100
    refresh()
    assert {name for name, one in five.items() if profile(one).r_window} == {"ann"}
    assert profile(five["ann"]).rfm_group_window == "hibernating"  # one alone is in the first fifth, as with all time


def test_each_month_end_knows_what_was_before_it(five: dict[str, Customer]) -> None:
    refresh()
    # ann ordered first on the 23rd of November, so no month end knows her; bob on the 27th of January
    assert set(months(five["ann"])) == {""}
    assert [bool(group) for group in months(five["bob"])] == [True] * 10 + [False] * 2
    assert all(months(five["zoe"]))
    # at the end of October the four others stand in the fifths 1 to 4 by last and number of orders
    assert [months(five[name])[0] for name in ("bob", "eve", "kim", "zoe")] == [
        "promising",
        "about_to_sleep",
        "at_risk",
        "at_risk",
    ]


def test_facts_after_a_month_end_change_nothing_of_that_month(five: dict[str, Customer]) -> None:
    refresh(datetime(2026, 9, 1, tzinfo=UTC))
    then = {name: (months(one), months(one, window=True)) for name, one in five.items() if name != "ann"}
    for customer in five.values():
        make_order(customer, placed_at=datetime(2026, 9, 1, tzinfo=UTC), total=Decimal(999))
    make_order(make_customer("late"), placed_at=datetime(2026, 9, 2, tzinfo=UTC))
    refresh()
    for name, (all_time, window) in then.items():  # two months have ended since
        assert months(five[name])[2:] == all_time[:10]
        assert months(five[name], window=True)[2:] == window[:10]
    assert months(five["bob"])[1] != months(five["bob"])[2]


def test_telling_twice_and_from_any_day_is_the_same(five: dict[str, Customer]) -> None:
    refresh()
    first = everything()
    refresh()
    assert everything() == first
    refresh(NOON - timedelta(days=90))
    assert everything() != first
    refresh()
    assert everything() == first


def test_a_corrected_order_corrects_the_months(five: dict[str, Customer]) -> None:
    refresh()
    assert months(five["bob"])[0] == "promising"
    Order.objects.filter(customer=five["bob"]).update(status="cancelled")
    refresh()
    assert set(months(five["bob"])) == {""}
    assert profile(five["bob"]).r is None


def test_a_month_ends_in_the_time_zone_of_the_shop(settings: Any) -> None:
    customer = make_customer("night")
    make_order(customer, placed_at=datetime(2026, 10, 31, 20, tzinfo=UTC))  # the 1st of November in Shanghai
    refresh()
    assert months(customer)[0] == "hibernating"
    settings.TIME_ZONE = "Asia/Shanghai"
    refresh()
    assert months(customer)[0] == ""


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


def test_nobody_is_ranked_before_the_first_order() -> None:
    customer = make_customer("prospect")
    Customer.objects.filter(pk=customer.pk).update(created_at=NOON - timedelta(days=9))
    refresh()
    found = profile(customer)
    assert (found.r, found.r_window, found.rfm_group_window, found.orders_window) == (None, None, "", 0)
    assert (found.rfm_months, found.rfm_months_window) == (0, 0)


def test_odd_orders_are_ranked_too() -> None:
    """All on one day, of nothing, more returned than bought, before 1970."""
    free, minus, old, same = (make_customer(name) for name in ("free", "minus", "old", "same"))
    make_order(free, placed_at=NOON - timedelta(days=1), total=Decimal(0))
    make_order(same, placed_at=NOON - timedelta(days=1), total=Decimal(0))
    make_order(minus, placed_at=NOON - timedelta(days=1), total=Decimal(5))
    make_order(minus, placed_at=NOON - timedelta(hours=1), total=Decimal("12.34"), kind="return")
    make_order(old, placed_at=datetime(1955, 5, 5, tzinfo=UTC), products=[make_product(price=Decimal(3))])
    refresh()
    assert sorted(profile(one).r or 0 for one in (free, minus, old, same)) == [1, 2, 3, 4]
    assert (profile(minus).revenue, profile(minus).revenue_window) == (Decimal("-7.34"), Decimal("-7.34"))
    assert (profile(minus).m, profile(minus).m_window) == (1, 1)
    assert (profile(old).r, profile(old).r_window) == (1, None)
    assert set(months(old)) == {"hibernating"}
    assert set(months(old, window=True)) == {""}


def test_a_return_alone_is_no_order() -> None:
    customer = make_customer("returner")
    make_order(customer, placed_at=NOON - timedelta(days=400), total=Decimal(50))
    make_order(customer, placed_at=NOON - timedelta(days=3), total=Decimal(50), kind="return")
    refresh()
    found = profile(customer)
    assert (found.r, found.r_window, found.revenue_window) == (1, None, 0)
