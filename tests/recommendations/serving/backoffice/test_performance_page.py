"""The performance pages: what recommendations earned, how it is attributed, and what is missing."""

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone, translation

from recommendations.serving.backoffice.performance.details import get_strategy_label
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import PerformanceDay, ProductPerformanceDay
from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label
from tests.makers import make_product
from tests.recommendations.serving.impressions.entries import make_entry
from tests.recommendations.serving.impressions.test_performance import make_days, make_position_bias

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/serving/performanceday/"
DAYS = "since=2026-10-28&until=2026-11-24"


def log_in(*groups: str) -> Client:
    user = User.objects.create_user("anna", password="x", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


def read_page(query: str = "", role: str = "Analyst") -> str:
    response = log_in(role).get(f"{ADDRESS}?{query}")
    assert response.status_code == 200
    return response.content.decode()


def make_day(days_ago: int, scenario: str = "for-you", **fields: Any) -> date:
    day = timezone.localdate() - timedelta(days=days_ago)
    PerformanceDay.objects.create(
        day=day, scenario=scenario, model_version="m", strategy="s", **{"position": 1, **fields}
    )
    return day


def test_the_page_says_what_was_earned_and_compares_with_the_days_before() -> None:
    make_day(1, shown=100, clicked=5)
    make_day(1, currency="EUR", bought=3, orders=2, revenue=150)
    make_day(29, currency="EUR", bought=1, orders=1, revenue=100)
    make_day(1, "cart", currency="EUR", bought=1, orders=1, revenue=50)
    page = read_page()
    assert (
        "Recommendations earned €200 in 28 days from orders within 7 days of an impression, 100.0% more than in the comparison period."
        in page
    )
    assert "An order counts once in each placement that showed one of its products." in page, (
        "the sum of 3 is not a number of orders"
    )
    assert "?scenario=cart&amp;range=28d&amp;compare=previous" in page
    assert (
        "shown to the same customer in the 7 days before the order, each credited to the placement that showed it last"
        in page
    )
    assert "is not necessarily caused by the recommendation" in page


def test_a_placement_shows_its_products_positions_and_models() -> None:
    make_days()
    make_position_bias()
    tea = make_product("tea", title="Green tea")
    for currency, figures in (("", {"shown": 300, "clicked": 9}), ("EUR", {"orders": 2, "revenue": Decimal("30")})):
        ProductPerformanceDay.objects.create(
            day="2026-11-24", scenario="for-you", product_id=tea.product_id, currency=currency, **figures
        )
    page = read_page(f"scenario=for-you&{DAYS}")
    assert "Performance of “For you”" in page
    assert "An order counts once in each placement" not in page
    assert "€30.00 + $5.00" in page
    assert "Green tea" in page
    assert "€30.00" in page
    assert "20.00%" in page, "the estimate without position bias"
    spec = json.loads(re.search(r'<script id="clicks-by-position" type="application/json">(.*?)</script>', page)[1])  # type: ignore[index]
    assert (spec["traces"][0]["y"], spec["traces"][0]["x"]) == (["1", "2"], [0.15, 0.05])
    assert 'id="examined-by-position"' in page


def test_a_day_without_impressions_has_no_click_through_rate() -> None:
    make_day(1, shown=100, clicked=0)
    make_day(30, shown=100, clicked=5)
    response = log_in("Analyst").get(ADDRESS)
    [(_title, rates)] = response.context["charts"]
    assert [bar.text for bar in rates.bars] == [*["–"] * 27, "0.00%"]
    assert len(rates.line.split()) == 1


def test_strategies_have_names() -> None:
    names = {name: get_strategy_label(name) for name in ("blend", "similar", "catalogue", "other")}
    assert names == {
        "blend": get_algorithm_label("blend"),
        "similar": "Similar products",
        "catalogue": "Newest products of the catalog",
        "other": "other",
    }
    with translation.override("zh-hans"):
        assert get_strategy_label("simulated") == "模拟"


def test_low_positions_are_combined() -> None:
    for position in (1, 20, 21, 40):
        make_day(1, "search", position=position, shown=50)
    page = read_page("scenario=search")
    assert "after 20" in page
    assert ">100<" in page


def test_the_empty_page_names_the_request_that_is_missing() -> None:
    page = read_page()
    assert "Your shop did not request recommendations in this period" in page
    assert "GET /api/v1/recommendations/for-you/?user_id=…&amp;anonymous_id=…" in page
    assert "Nothing was shown in these 28 days." in page


def test_a_placement_without_clicks_names_the_event_and_one_without_visitors_the_identifier() -> None:
    day = make_day(1, "similar", shown=100)
    served_at = timezone.now() - timedelta(days=1)
    insert_entries([make_entry(f"r{number}", scenario="similar", served_at=served_at) for number in range(4)])
    assert day == timezone.localdate(served_at)
    page = read_page("scenario=similar")
    assert "No clicks are recorded" in page
    assert "Recommendation Clicked" in page
    assert "Most requests do not identify the visitor" in page


def test_an_invalid_period_is_reported_at_its_field() -> None:
    page = read_page("since=2026-11-25&until=2026-11-24")
    assert "The end date is before the start date." in page


def test_the_page_needs_permission() -> None:
    assert log_in("Privacy officer").get(ADDRESS).status_code == 403
    assert Client().get(ADDRESS).status_code == 302


def test_a_merchandiser_finds_the_page_in_the_tabs() -> None:
    client = log_in("Merchandiser")
    assert f'href="{ADDRESS}"' in client.get("/admin/merchandising/rule/").content.decode()
