"""The customers list in Chromium: filter by high churn risk, then save the filter as a segment."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import open_monitored_page
from tests.makers import make_customer, make_profile

pytestmark = pytest.mark.acceptance


@pytest.fixture
def customers(operator: User) -> None:
    for number in range(60):
        make_profile(make_customer(f"user-{number:02}"), stage="at_risk" if number % 3 else "loyal", churn=number / 60)


@pytest.mark.parametrize(
    ("language", "width", "name"), [("en", 1440, "High churn risk"), ("zh-hans", 390, "高流失风险")]
)
def test_people_with_a_high_churn_risk_become_a_segment(
    customers: None, live_server: LiveServer, chromium: Browser, language: str, width: int, name: str
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    monitored.open(reverse("customer_list:list"))
    page = monitored.page
    expect(page.locator("#customers tbody tr")).to_have_count(25)
    page.select_option("select[name=churn]", "high")
    page.locator(".list-quick button").click()
    monitored.settle()
    expect(page.locator(".page-verdict")).to_contain_text("30")
    page.locator("#customers thead a[href*='sort=-churn']").click()
    expect(page.locator("#customers tbody tr").first).to_contain_text("98%")
    page.locator(".list-conditions > summary").click()
    expect(page.locator(".list-conditions .cb-search")).to_be_visible()
    monitored.save(f"customers-{language}-{width}")
    assert not monitored.scrolls_sideways()
    page.locator("a[href*='save-as-segment']").click()
    page.fill("input[name=name]", name)
    page.locator(".list-form button").click()
    monitored.settle()
    expect(page.locator(".page-verdict")).to_contain_text("30")
    expect(page.locator(".page-title h1")).to_contain_text(name)
    assert not monitored.browser_errors
