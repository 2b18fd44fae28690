"""A walk through all pages of the menu, and the parts around each page: search, menus, skip link."""

import json
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from config.foundation.backoffice.navigation import build_navigation
from tests.browser.conftest import MonitoredPage, open_monitored_page, type_query

pytestmark = pytest.mark.acceptance
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")


def list_pages(user: User) -> list[str]:
    request = HttpRequest()
    request.user, request.path = user, "/admin/"
    return [page.url for area in build_navigation(request) for tab in area.tabs for page in tab.pages]


def find_violations(page: Page) -> list[dict[str, Any]]:
    """Return the serious findings of axe-core with the elements that they are about."""
    page.evaluate(AXE)  # by the debugging protocol, which the content security policy does not concern
    violations = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
    return [
        {
            "rule": violation["id"],
            "help": violation["help"],
            "elements": [node["html"][:200] for node in violation["nodes"][:5]],
        }
        for violation in violations
        if violation["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(("language", "width", "other_width"), [("en", 390, 1440), ("zh-hans", 1440, 390)])
def test_every_page_of_the_menu_is_accessible_fits_and_has_no_console_message(
    shop: SimpleNamespace,
    operator: User,
    live_server: LiveServer,
    chromium: Browser,
    language: str,
    width: int,
    other_width: int,
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    problems: dict[str, Any] = {}
    for address in shop.menu:
        monitored.browser_errors.clear()
        monitored.open(address)
        found = {
            # the structure is the same in both languages, and axe takes half of the time
            "axe": find_violations(monitored.page) if language == "en" else [],
            "sideways": monitored.scrolls_sideways(),
            "title": "" if monitored.page.locator("h1").first.inner_text().strip() else "no title",
        }
        found[f"sideways at {other_width}"] = monitored.scrolls_sideways_after_resize(other_width)
        found["console"] = list(monitored.browser_errors)
        if any(found.values()):
            problems[address] = {name: value for name, value in found.items() if value}
            monitored.save(f"walk{address.replace('/', '-')}{language}", full_page=False, is_failure=True)
        monitored.resize(width)
    assert not problems, json.dumps(problems, indent=1, ensure_ascii=False)


@pytest.fixture
def shop(shop: SimpleNamespace, operator: User) -> SimpleNamespace:
    """Add the URLs of the menu: Django's ORM cannot be used once Playwright has started."""
    shop.menu = list_pages(operator)
    return shop


@pytest.fixture
def home(operator: User, live_server: LiveServer, chromium: Browser) -> MonitoredPage:
    monitored = open_monitored_page(chromium, live_server.url, width=1440)
    monitored.log_in()
    return monitored


def test_the_search_is_opened_used_and_left_by_keyboard(home: MonitoredPage) -> None:
    page = home.page
    page.keyboard.press("Control+k")
    box = page.locator("#search-input")
    expect(box).to_be_focused()
    type_query(home, box, "stage")
    options = page.locator("#search-results").get_by_role("option")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-expanded", "true")
    first = box.get_attribute("aria-activedescendant")
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") != first
    page.keyboard.press("ArrowUp")
    assert find_violations(page) == []
    target = options.first.get_attribute("href") or ""
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    page.get_by_role("button", name="Search").click()
    expect(box).to_be_focused()
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")
    assert home.browser_errors == []


def test_a_search_without_results_says_how_customers_are_found(home: MonitoredPage) -> None:
    home.page.keyboard.press("Control+k")
    home.page.locator("#search-input").press_sequentially("nothing like this")
    expect(home.page.get_by_role("status").filter(has_text="complete user ID")).to_be_visible()
    assert home.browser_errors == []


def test_the_first_tab_stop_skips_to_the_content(home: MonitoredPage) -> None:
    home.page.keyboard.press("Tab")
    link = home.page.get_by_role("link", name="Skip to content")
    expect(link).to_be_focused()
    home.page.keyboard.press("Enter")
    expect(home.page.locator("main")).to_be_focused()


def test_menus_of_the_header_open_and_close_by_keyboard_and_change_language_and_theme(home: MonitoredPage) -> None:
    page = home.page
    theme = page.locator("summary", has=page.locator("text=contrast"))
    theme.press("Enter")
    page.get_by_role("button", name="Dark").press("Enter")
    expect(page.locator("html")).to_contain_class("dark")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    expect(theme).to_be_focused()
    page.locator("summary", has=page.locator("text=translate")).press("Enter")
    page.get_by_role("button", name="简体中文").press("Enter")
    expect(page.get_by_role("heading", name="首页")).to_be_visible()
    assert home.browser_errors == []


def test_the_menu_of_a_phone_opens_over_the_page_and_closes_by_escape(
    operator: User, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=390)
    monitored.log_in()
    page = monitored.page
    menu = page.get_by_role("navigation", name="Areas")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Catalog").click()
    page.wait_for_url(f"**{reverse('admin:catalog_product_changelist')}")
    assert not monitored.scrolls_sideways()
    assert monitored.browser_errors == []
