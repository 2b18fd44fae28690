"""RFM on the Lifecycle page: the map, the groups and their movement, each figure with its people."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from customers.lifecycle.models import CustomerProfile, LifecycleRun
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.rfm.queries import (
    ALL_TIME,
    WINDOW,
    count_group_flows,
    count_groups_at,
    query_rfm_cells,
    query_rfm_groups,
)
from tests.makers import NOON, make_customer, make_order, make_profile

pytestmark = pytest.mark.django_db

PAGE, PEOPLE = "/admin/lifecycle/customerprofile/lifecycle/", "/admin/lifecycle/customerprofile/customers/"


def refresh(as_of: datetime = NOON) -> None:
    refresh_profiles(as_of=as_of, started_at=as_of)


@pytest.fixture
def ten() -> None:
    """Customer n of 0 to 9 ordered n + 1 times, each for 10, the last time 50 n days ago; 8 and 9 more than a year ago."""
    for number in range(10):
        customer = make_customer(f"customer-{number}")
        for order in range(number + 1):
            placed_at = NOON - timedelta(days=50 * number + 3 * order + 1)
            make_order(customer, placed_at=placed_at, total=Decimal(10))
    refresh()


def section(client: Client, **asked: str) -> dict[str, Any]:
    page = client.get(PAGE, asked)
    assert page.status_code == 200
    return dict(page.context["rfm"])


def count_behind(client: Client, url: str) -> int:
    page = client.get(url)
    assert page.context["problems"] == []
    return int(page.context["pages"].paginator.count)


def figures(told: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Every link of the section with the number it stands for."""
    for row in told["map"]:
        yield from ((cell["url"], cell["customers"]) for cell in row["cells"])
    yield from ((row["url"], row["customers"]) for row in told["groups"])
    for row in told["movement"]["matrix"]["rows"]:
        yield from ((cell["url"], cell["customers"]) for cell in row["cells"])
    flows = told["movement"]["sankey"]["traces"][0]["link"]
    yield from zip(flows["customdata"], flows["value"], strict=True)


@pytest.mark.parametrize("basis", ["all", "window"])
def test_every_figure_opens_the_people_it_counts(admin_client: Client, ten: None, basis: str) -> None:
    told = section(admin_client, rfm=basis)
    counted = list(figures(told))
    assert all(bool(url) == (customers > 0) for url, customers in counted)
    linked = [(url, customers) for url, customers in counted if url]
    assert len(linked) > 10
    assert [count_behind(admin_client, url) for url, _customers in linked] == [customers for _url, customers in linked]


def test_the_map_and_the_groups_tell_the_same_customers(admin_client: Client, ten: None) -> None:
    told = section(admin_client)
    assert told["customers"] == 10
    assert sum(cell["customers"] for row in told["map"] for cell in row["cells"]) == 10
    assert sum(row["customers"] for row in told["groups"]) == 10
    assert len(told["groups"]) == 10
    assert sum(row["revenue"] for row in told["groups"]) == 550
    window = section(admin_client, rfm="window")
    assert (window["customers"], window["is_window"]) == (8, True)
    assert sum(row["revenue"] for row in window["groups"]) == 330


def test_groups_are_told_by_their_averages(ten: None) -> None:
    groups = query_rfm_groups(basis=ALL_TIME, as_of=NOON)
    # the two customers of R 1, ordered 401 and 451 days ago, nine and ten times
    assert groups["cant_lose"]["customers"] == 2
    assert groups["cant_lose"]["recency_days"] == pytest.approx(426)
    assert groups["cant_lose"]["orders"] == pytest.approx(9.5)
    assert groups["cant_lose"]["value"] == pytest.approx(Decimal(95))
    assert groups["champions"] == {"customers": 0, "revenue": 0, "recency_days": None, "orders": None, "value": None}


def test_the_change_is_against_the_month_end_nearest_to_a_month_ago(admin_client: Client, ten: None) -> None:
    told = section(admin_client)
    assert told["before"] == "end of October 2026"
    then = count_groups_at(basis=ALL_TIME, back=0)
    assert sum(then.values()) == 9  # customer 0 came in November
    assert {row["key"]: row["customers"] - row["change"] for row in told["groups"]} == then


def test_movement_is_between_the_chosen_months(admin_client: Client, ten: None) -> None:
    told = section(admin_client, rfm_since="2025-12", rfm_until="2026-10")
    matrix = told["movement"]["matrix"]
    assert (told["movement"]["since"], told["movement"]["until"]) == ("end of December 2025", "end of October 2026")
    assert matrix["total"] == 9
    assert matrix["rows"][0]["name"] == "no order yet"
    assert sum(row["total"] for row in matrix["rows"]) == sum(matrix["totals"]) == 9
    assert sum(told["movement"]["sankey"]["traces"][0]["link"]["value"]) == matrix["moved"]
    rows = count_group_flows(basis=ALL_TIME, since=10, until=0)
    assert sum(row["customers"] for row in rows) == 9
    window = count_group_flows(basis=WINDOW, since=10, until=0)
    assert any(row["to_group"] == "" for row in window)  # who was in the window then and is no longer


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rfm": "ever"}, "Select a valid choice"),
        ({"rfm_since": "1999-01"}, "Select a valid choice"),
        ({"rfm_since": "2026-10", "rfm_until": "2026-09"}, "Choose a month after the first one."),
    ],
)
def test_wrong_choices_are_named_and_the_map_stays(
    admin_client: Client, ten: None, asked: dict[str, str], said: str
) -> None:
    page = admin_client.get(PAGE, asked)
    assert said in page.content.decode()
    assert page.context["rfm"]["customers"] == 10
    assert "movement" not in page.context["rfm"]


def test_both_forms_of_the_page_keep_what_the_other_asked(admin_client: Client, ten: None) -> None:
    page = admin_client.get(PAGE, {"rfm": "window", "since": "2026-11-01", "until": "2026-11-20"})
    assert page.context["carried"] == [("rfm", "window")]
    assert page.context["rfm_carried"] == [("since", "2026-11-01"), ("until", "2026-11-20")]


def test_without_orders_the_section_says_what_to_do(admin_client: Client) -> None:
    make_customer("prospect")
    refresh(NOON + timedelta(days=90))
    page = admin_client.get(PAGE)
    assert page.context["rfm"]["empty"]
    assert "No customer has RFM scores yet" in page.content.decode()


def test_without_orders_in_the_window_the_section_says_so(admin_client: Client) -> None:
    make_order(make_customer("old"), placed_at=NOON - timedelta(days=1500))
    refresh()
    assert not section(admin_client)["empty"]
    page = admin_client.get(PAGE, {"rfm": "window"})
    assert "Nobody ordered in the last 365 days" in page.content.decode()


def test_profiles_of_an_older_version_show_all_time_until_the_next_refresh(admin_client: Client) -> None:
    make_profile(make_customer("ann"), r=5, f=5, m=5, rfm_group="champions", orders=3, revenue=30, last_order_at=NOON)
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    page = admin_client.get(PAGE)
    assert page.context["rfm"]["customers"] == 1
    assert "come with the next refresh" in page.content.decode()


def test_a_shop_that_gave_everything_back_has_no_shares(admin_client: Client) -> None:
    customer = make_customer("returner")
    make_order(customer, placed_at=NOON - timedelta(days=2), total=Decimal(10))
    make_order(customer, placed_at=NOON - timedelta(days=1), total=Decimal(30), kind="return")
    refresh()
    told = section(admin_client)
    assert {row["revenue_share"] for row in told["groups"]} == {"–"}
    page = admin_client.get(PAGE)
    assert "nan" not in page.content.decode().lower().split("rfm-map")[1][:4000]


def test_the_map_tells_revenue_of_its_own_time(ten: None) -> None:
    assert sum(cell["total_revenue"] for cell in query_rfm_cells(basis=WINDOW)) == 330
    assert {cell["group"] for cell in query_rfm_cells()} == set(
        CustomerProfile.objects.values_list("rfm_group", flat=True)
    )


def test_numbers_in_sentences_are_grouped_and_chinese_is_whole(admin_client: Client, settings: Any) -> None:
    settings.RFM_WINDOW_DAYS = 1500
    make_order(make_customer("ann"), placed_at=NOON - timedelta(days=3))
    for number in range(1100):
        make_profile(make_customer(), stage="visitor", events=number)
    refresh(NOON + timedelta(days=90))
    text = admin_client.get(PAGE).content.decode()
    assert "of 1,101 customers" in text
    assert "the last 1,500 days" in text
    people = admin_client.get(PEOPLE, {"figure": "stage", "stage": "visitor"}).content.decode()
    assert "1,100 customers" in people
    chinese = admin_client.get(PAGE, headers={"accept-language": "zh-hans"}).content.decode()
    assert "最近 1,500 天" in chinese
    assert "十个分组" in chinese


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"figure": "everything"},
        {"figure": "rfm-cell", "r": "6", "f": "1"},
        {"figure": "rfm-cell", "r": "1"},
        {"figure": "rfm-cell", "basis": "ever", "r": "1", "f": "1"},
        {"figure": "rfm-cell", "r": "²", "f": "1"},
        {"figure": "rfm-group", "group": "none"},
        {"figure": "rfm-group", "group": "'; --"},
        {"figure": "rfm-flow", "from": "loyal", "to": "new"},
        {"figure": "rfm-flow", "from": "none", "to": "none", "since": "2026-09", "until": "2026-10"},
        {"figure": "stage", "stage": "king"},
        {"figure": "value"},
        {"figure": "value", "low": "NaN"},
        {"figure": "value", "low": "1e400"},
        {"figure": "value", "low": "much"},
        {"figure": "cluster", "cluster": "-1"},
        {"figure": "cluster", "cluster": "٣"},
        {"figure": "cluster", "cluster": "9" * 40},
        {"figure": "stage-flow", "from": "new", "to": "active", "since": "9999-12-31"},
    ],
)
def test_an_address_that_names_nobody_says_what_is_wrong(
    admin_client: Client, ten: None, asked: dict[str, str]
) -> None:
    for address in (PEOPLE, "/admin/segments/segment/save-people/"):
        page = admin_client.get(address, asked)
        assert page.status_code == 200
        assert page.context["problems"]
