"""The home page in Chromium: both languages, desktop and phone, light and dark, with data and without."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from customers.lifecycle.models import Stage
from tests.browser.conftest import open_monitored_page

pytestmark = pytest.mark.acceptance

WIDTHS = [1280, 390]
HEADINGS = {"en": "Customers by lifecycle stage", "zh-hans": "各生命周期阶段的客户"}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_home_page_shows_every_chart_without_browser_errors(
    shop: SimpleNamespace, live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    expect(monitored.page.get_by_role("heading", name=HEADINGS[language])).to_be_visible()
    charts = monitored.page.locator("[data-chart]")
    expect(charts).to_have_count(5)
    for chart in charts.all():
        expect(chart.locator("svg.main-svg").first).to_be_visible()
    monitored.save(f"home-{language}-{width}")
    assert not monitored.scrolls_sideways()
    assert monitored.browser_errors == []


def test_home_page_has_a_dark_theme(shop: SimpleNamespace, live_server: LiveServer, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280, dark=True)
    monitored.log_in()
    assert "dark" in (monitored.page.locator("html").get_attribute("class") or "")
    monitored.save("home-dark-1280")
    assert monitored.browser_errors == []


def test_empty_home_page_explains_the_first_steps(operator: User, live_server: LiveServer, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.log_in()
    expect(monitored.page.get_by_text("No orders yet.")).to_be_visible()
    expect(monitored.page.get_by_text("No model is active yet.")).to_be_visible()
    monitored.save("home-empty-1280")
    assert monitored.browser_errors == []


def test_the_bar_of_a_stage_opens_its_customers(
    shop: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.log_in()
    bar = monitored.page.locator("[data-chart=stages] .point path").nth(list(Stage).index(Stage.ACTIVE))
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    monitored.page.mouse.move(box["x"] + 15, box["y"] + 10)
    expect(monitored.page.locator("[data-chart=stages] .hovertext")).to_be_visible()
    monitored.page.mouse.click(box["x"] + 15, box["y"] + 10)
    monitored.page.wait_for_url("**/admin/lifecycle/customerprofile/?stage__exact=active")
    assert monitored.browser_errors == []


def test_the_language_can_be_changed_on_the_log_in_page(
    operator: User, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.open("/admin/login/")
    monitored.page.get_by_role("button", name="简体中文").click()
    expect(monitored.page.locator("#login-form button[type=submit]")).to_contain_text("登录")
    monitored.save("login-zh-hans-1280")
    assert monitored.browser_errors == []
