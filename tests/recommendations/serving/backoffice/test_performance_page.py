"""The recommendation performance page."""

import json
import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tests.recommendations.serving.impressions.test_performance import make_days, make_position_bias

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/serving/performanceday/"
ALL = f"{ADDRESS}?since=2026-10-28&until=2026-11-24"


def log_in(*groups: str) -> Client:
    user = User.objects.create_user("anna", password="x", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


def test_an_analyst_sees_the_figures_with_intervals_charts_and_a_warning() -> None:
    make_days()
    make_position_bias()
    page = log_in("Analyst").get(ALL).content.decode()
    assert "is not necessarily caused by the recommendation" in page
    assert "within 7 days of the impression" in page
    assert "30.00 EUR + 5.00 USD" in page
    assert "15.00%" in page
    assert "20.00%" in page, "the estimate without position bias"
    spec = json.loads(re.search(r'<script id="clicks-0" type="application/json">(.*?)</script>', page)[1])  # type: ignore[index]
    assert (spec["traces"][0]["y"], spec["traces"][0]["x"]) == (["1", "2"], [0.15, 0.05])
    assert 'id="looked-0"' in page
    assert "Nov 24, 2026, 11:55" in page


def test_low_positions_are_combined() -> None:
    from recommendations.serving.models import PerformanceDay

    for position in (1, 20, 21, 40):
        PerformanceDay.objects.create(
            day="2026-11-24", scenario="search", model_version="m", strategy="s", position=position, shown=50
        )
    page = log_in("Analyst").get(ALL).content.decode()
    assert "after 20" in page
    assert ">100<" in page


def test_the_empty_page_explains_what_to_do() -> None:
    page = log_in("Analyst").get(ADDRESS).content.decode()
    assert "No recommendations were shown in this period" in page
    assert "/api/v1/recommendations/for-you/" in page


def test_an_invalid_period_is_reported_at_its_field() -> None:
    page = log_in("Analyst").get(f"{ADDRESS}?since=2026-11-25&until=2026-11-24")
    assert page.status_code == 200
    assert "since must not be later" in page.content.decode()


def test_the_page_needs_permission() -> None:
    assert log_in("Privacy officer").get(ADDRESS).status_code == 403
    assert Client().get(ADDRESS).status_code == 302


def test_a_merchandiser_finds_the_page_in_the_tabs() -> None:
    client = log_in("Merchandiser")
    assert f'href="{ADDRESS}"' in client.get("/admin/merchandising/rule/").content.decode()
