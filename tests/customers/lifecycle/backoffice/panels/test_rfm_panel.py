"""The RFM panel of the Lifecycle page: map, groups and group changes.

Each figure links to its customers.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.rfm.queries import (
    ALL_TIME,
    WINDOW,
    count_group_flows,
    count_groups_at,
    query_rfm_cells,
    query_rfm_groups,
)
from tests.customers.lifecycle.linked_customers import count_linked_customers
from tests.customers.lifecycle.sample_shop import share_rows
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db

PAGE, CUSTOMERS_PAGE = "/admin/lifecycle/customerprofile/lifecycle/rfm/", "/admin/lifecycle/customerprofile/customers/"


def refresh(as_of: datetime = NOON) -> None:
    refresh_profiles(as_of=as_of, started_at=as_of)


@pytest.fixture(scope="module")
def ten_customers(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Ten customers, made once for all tests here.

    Customer n of 0 to 9 ordered n + 1 times, each for 10, the last time 50 n days ago; 8 and 9 more than a year ago.
    """
    with share_rows(django_db_blocker):
        for number in range(10):
            customer = make_customer(f"customer-{number}")
            for order in range(number + 1):
                placed_at = NOON - timedelta(days=50 * number + 3 * order + 1)
                make_order(customer, placed_at=placed_at, total=Decimal(10))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 40)
            refresh()
        with django_db_blocker.block():
            yield


def get_panel(client: Client, **query: str) -> dict[str, Any]:
    page = client.get(PAGE, query)
    assert page.status_code == 200
    return dict(page.context["rfm"])


def list_linked_figures(panel: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield every link of the panel with the number of customers it shows."""
    for row in panel["map"]:
        yield from ((cell["url"], cell["customers"]) for cell in row["cells"])
    yield from ((row["url"], row["customers"]) for row in panel["groups"])
    for row in panel["flows"]["matrix"]["rows"]:
        yield from ((cell["url"], cell["customers"]) for cell in row["cells"])
        yield row["url"], row["total"]
    yield from ((total["url"], total["customers"]) for total in panel["flows"]["matrix"]["totals"])
    flows = panel["flows"]["sankey"]["traces"][0]["link"]
    yield from zip(flows["customdata"], flows["value"], strict=True)


@pytest.mark.parametrize("basis", ["all", "window"])
def test_every_figure_links_to_the_customers_it_counts(admin_client: Client, ten_customers: None, basis: str) -> None:
    panel = get_panel(admin_client, rfm=basis)
    figures = list(list_linked_figures(panel))
    assert all(bool(url) == (customers > 0) for url, customers in figures)
    linked = [(url, customers) for url, customers in figures if url]
    assert len(linked) > 10
    assert [count_linked_customers(admin_client, url) for url, _customers in linked] == [
        customers for _url, customers in linked
    ]


def test_the_map_and_the_groups_count_the_same_customers(admin_client: Client, ten_customers: None) -> None:
    panel = get_panel(admin_client)
    assert panel["customers"] == 10
    assert sum(cell["customers"] for row in panel["map"] for cell in row["cells"]) == 10
    assert sum(row["customers"] for row in panel["groups"]) == 10
    assert len(panel["groups"]) == 10
    assert sum(row["revenue"] for row in panel["groups"]) == 550
    window = get_panel(admin_client, rfm="window")
    assert (window["customers"], window["is_window"]) == (8, True)
    assert sum(row["revenue"] for row in window["groups"]) == 330


def test_groups_have_averages(ten_customers: None) -> None:
    groups = query_rfm_groups(basis=ALL_TIME, as_of=NOON)
    # the two customers of R 1, ordered 401 and 451 days ago, nine and ten times
    assert groups["cant_lose"]["customers"] == 2
    assert groups["cant_lose"]["recency_days"] == pytest.approx(426)
    assert groups["cant_lose"]["orders"] == pytest.approx(9.5)
    assert groups["cant_lose"]["value"] == pytest.approx(Decimal(95))
    assert groups["champions"] == {"customers": 0, "revenue": 0, "recency_days": None, "orders": None, "value": None}


def test_the_change_is_against_the_month_end_nearest_to_a_month_ago(admin_client: Client, ten_customers: None) -> None:
    panel = get_panel(admin_client)
    assert panel["before"] == "end of October 2026"
    counts_before = count_groups_at(basis=ALL_TIME, as_of=NOON, months_back=0)
    assert sum(counts_before.values()) == 9  # customer 0 first ordered in November
    assert {row["key"]: row["customers"] - row["change"] for row in panel["groups"]} == counts_before


def test_group_changes_are_between_the_chosen_months(admin_client: Client, ten_customers: None) -> None:
    panel = get_panel(admin_client, rfm_since="2025-12", rfm_until="2026-10")
    matrix = panel["flows"]["matrix"]
    assert (panel["flows"]["since"], panel["flows"]["until"]) == ("end of December 2025", "end of October 2026")
    assert matrix["total"] == 9
    assert matrix["rows"][0]["name"] == "no order yet"
    assert sum(row["total"] for row in matrix["rows"]) == sum(total["customers"] for total in matrix["totals"]) == 9
    assert sum(panel["flows"]["sankey"]["traces"][0]["link"]["value"]) == matrix["moved"]
    rows = count_group_flows(basis=ALL_TIME, as_of=NOON, since=10, until=0)
    assert sum(row["customers"] for row in rows) == 9
    window = count_group_flows(basis=WINDOW, as_of=NOON, since=10, until=0)
    assert any(row["to_group"] == "" for row in window)  # in the window before and not after


def test_kept_flows_of_a_month_are_not_shown_in_the_next_one(
    ten_customers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.foundation.slow_figures.SLOW_SECONDS", 0.0)
    try:
        before = count_group_flows(basis=ALL_TIME, as_of=NOON, since=1, until=0)
        CustomerProfile.objects.update(rfm_months=0)
        assert count_group_flows(basis=ALL_TIME, as_of=NOON + timedelta(hours=1), since=1, until=0) == before != []
        assert count_group_flows(basis=ALL_TIME, as_of=NOON + timedelta(days=30), since=1, until=0) == []
    finally:
        cache.delete_many([f"figures:rfm-flows:all:2026-{month}-01:1:0" for month in (11, 12)])


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"rfm": "ever"}, "Select a valid choice"),
        ({"rfm_since": "1999-01"}, "Select a valid choice"),
        ({"rfm_since": "2026-10", "rfm_until": "2026-09"}, "Choose a month after the start month."),
    ],
)
def test_invalid_choices_are_reported_and_the_map_remains(
    admin_client: Client, ten_customers: None, query: dict[str, str], error: str
) -> None:
    page = admin_client.get(PAGE, query)
    assert error in page.content.decode()
    assert page.context["rfm"]["customers"] == 10
    assert "flows" not in page.context["rfm"]


def test_the_map_shows_the_revenue_of_its_own_period(ten_customers: None) -> None:
    assert sum(cell["total_revenue"] for cell in query_rfm_cells(basis=WINDOW)) == 330
    assert {cell["group"] for cell in query_rfm_cells()} == set(
        CustomerProfile.objects.values_list("rfm_group", flat=True)
    )


@pytest.mark.parametrize(
    "query",
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
        {"figure": "rfm-flow", "from": "any", "to": "any", "since": "2026-09", "until": "2026-10"},
        {"figure": "stage", "stage": "king"},
        {"figure": "value"},
        {"figure": "value", "low": "NaN"},
        {"figure": "value", "low": "1e400"},
        {"figure": "value", "low": "much"},
        {"figure": "cluster", "cluster": "-1"},
        {"figure": "cluster", "cluster": "٣"},
        {"figure": "cluster", "cluster": "9" * 40},
        {"figure": "stage-flow", "from": "new", "to": "active", "since": "9999-12-31"},
        {"figure": "stage-flow", "from": "any", "to": "any"},
    ],
)
def test_an_invalid_drilldown_url_is_reported(admin_client: Client, ten_customers: None, query: dict[str, str]) -> None:
    for url in (CUSTOMERS_PAGE, "/admin/segments/segment/save-people/"):
        page = admin_client.get(url, query)
        assert page.status_code == 200
        assert page.context["problems"]
