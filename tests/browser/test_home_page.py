"""The home page in Chromium: both languages, desktop and phone, light and dark, with data and without."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import MonitoredPage, open_monitored_page

pytestmark = pytest.mark.acceptance

HEADINGS = {"en": "Lifecycle in the last four weeks", "zh-hans": "近四周生命周期变化"}


@pytest.mark.parametrize(("language", "width", "other_width"), [("en", 1280, 390), ("zh-hans", 390, 1280)])
def test_home_page_answers_what_to_do_without_browser_errors(
    shop: SimpleNamespace, live_server: LiveServer, chromium: Browser, language: str, width: int, other_width: int
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    check_home_page(monitored, language)
    monitored.save(f"home-{language}-{width}")
    assert not monitored.scrolls_sideways()
    assert not monitored.scrolls_sideways_after_resize(other_width)
    check_home_page(monitored, language)
    monitored.save(f"home-{language}-{other_width}")
    assert monitored.browser_errors == []


def check_home_page(monitored: MonitoredPage, language: str) -> None:
    expect(monitored.page.get_by_role("heading", name=HEADINGS[language])).to_be_visible()
    expect(monitored.page.locator(".figure")).to_have_count(4)
    for image in monitored.page.locator(".best-sellers img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0


def test_home_page_has_a_dark_theme(shop: SimpleNamespace, live_server: LiveServer, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280, dark=True)
    monitored.log_in()
    expect(monitored.page.locator("html")).to_contain_class("dark")
    monitored.save("home-dark-1280")
    assert monitored.browser_errors == []


def test_empty_home_page_explains_the_first_steps(operator: User, live_server: LiveServer, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.log_in()
    expect(monitored.page.get_by_text("Import past orders")).to_be_visible()
    expect(monitored.page.get_by_role("link", name="Add a source")).to_be_visible()
    monitored.save("home-empty-1280")
    assert monitored.browser_errors == []


def test_a_suggestion_becomes_a_draft_another_is_dismissed_and_a_stage_opens_its_customers(
    shop: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.log_in()
    suggestions = monitored.page.locator(".suggestions > li")
    dismissed = suggestions.nth(1).locator("strong").inner_text()
    suggestions.nth(1).get_by_text("Dismiss").first.click()
    suggestions.nth(1).get_by_label("Reason").select_option("too_many_messages")
    suggestions.nth(1).get_by_label("Note").fill("Two flows already")
    suggestions.nth(1).get_by_role("button", name="Dismiss").click()
    expect(monitored.page.locator(".suggestions strong", has_text=dismissed)).to_have_count(0)
    suggestions.first.get_by_role("button", name="Create draft").click()
    monitored.page.wait_for_url("**/campaigns/campaign/*/edit/")
    monitored.open("/admin/suggestions/")
    decisions = monitored.page.locator("#decisions")
    expect(decisions).to_contain_text("These customers get enough messages: Two flows already")
    expect(decisions.get_by_role("link", name="Draft")).to_be_visible()
    monitored.save("suggestions-1280")
    monitored.open("/admin/")
    monitored.page.get_by_role("link", name="Active", exact=True).click()
    monitored.page.wait_for_url("**/customers/?stage=active")
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
