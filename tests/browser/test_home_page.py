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
    seen = open_monitored_page(chromium, live_server.url, width=width, language=language)
    seen.log_in()
    expect(seen.page.get_by_role("heading", name=HEADINGS[language])).to_be_visible()
    charts = seen.page.locator("[data-chart]")
    expect(charts).to_have_count(5)
    for chart in charts.all():
        expect(chart.locator("svg.main-svg").first).to_be_visible()
    seen.save(f"home-{language}-{width}")
    assert not seen.scrolls_sideways()
    assert seen.browser_errors == []


def test_every_menu_link_opens_without_browser_errors(
    shop: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    seen = open_monitored_page(chromium, live_server.url, width=1440)
    seen.log_in()
    links = [link.get_attribute("href") or "" for link in seen.page.locator("#nav-sidebar-apps a").all()]
    assert len(links) > 10
    seen.save("home-en-1440", full_page=False)
    for link in links:
        seen.open(link)
        assert not seen.browser_errors, link


def test_home_page_has_a_dark_theme(shop: SimpleNamespace, live_server: LiveServer, chromium: Browser) -> None:
    seen = open_monitored_page(chromium, live_server.url, width=1280, dark=True)
    seen.log_in()
    assert "dark" in (seen.page.locator("html").get_attribute("class") or "")
    seen.save("home-dark-1280")
    assert seen.browser_errors == []


def test_empty_home_page_explains_the_first_steps(operator: User, live_server: LiveServer, chromium: Browser) -> None:
    seen = open_monitored_page(chromium, live_server.url, width=1280)
    seen.log_in()
    expect(seen.page.get_by_text("No orders yet.")).to_be_visible()
    expect(seen.page.get_by_text("No model is active yet.")).to_be_visible()
    seen.save("home-empty-1280")
    assert seen.browser_errors == []


def test_the_bar_of_a_stage_opens_its_customers(
    shop: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    seen = open_monitored_page(chromium, live_server.url, width=1280)
    seen.log_in()
    bar = seen.page.locator("[data-chart=stages] .point path").nth(list(Stage).index(Stage.ACTIVE))
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + 15, box["y"] + 10)
    expect(seen.page.locator("[data-chart=stages] .hovertext")).to_be_visible()
    seen.page.mouse.click(box["x"] + 15, box["y"] + 10)
    seen.page.wait_for_url("**/admin/lifecycle/customerprofile/?stage__exact=active")
    assert seen.browser_errors == []


def test_the_language_can_be_changed_on_the_log_in_page(
    operator: User, live_server: LiveServer, chromium: Browser
) -> None:
    seen = open_monitored_page(chromium, live_server.url, width=1280)
    seen.open("/admin/login/")
    seen.page.get_by_role("button", name="简体中文").click()
    expect(seen.page.locator("#login-form button[type=submit]")).to_contain_text("登录")
    seen.save("login-zh-hans-1280")
    assert seen.browser_errors == []
