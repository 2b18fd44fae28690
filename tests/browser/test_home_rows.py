"""The rows of the demo shop's home page do not repeat each other: for a guest, a new customer and a loyal one."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import MonitoredPage, open_monitored_page
from tests.browser.kettle_shop import run_kettle_shop

pytestmark = pytest.mark.acceptance

MAX_OVERLAP = 0.3


@pytest.fixture
def site(operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path) -> Iterator[None]:
    """Set up the kettle shop in demo mode. (`chromium` waits for a fixture of this name.)"""
    from recommendations.serving.models import PlacementSettings
    from recommendations.serving.state.loader import loader

    with run_kettle_shop(settings, tmp_path, with_new_products=True):
        PlacementSettings.objects.update(switch="on")  # this shop is too small for every placement to beat its fallback
        loader.state = None
        yield


@pytest.fixture
def unshown_products(site: None) -> None:
    """Hide a row: together, all rows may show every product of the shop."""
    from recommendations.serving.models import PlacementSettings

    PlacementSettings.objects.filter(placement="trending").update(switch="off")


def read_rows(page: Page) -> dict[str, set[str]]:
    """Return the product ids of each visible row."""
    expect(page.locator(".card.skeleton")).to_have_count(0)
    expect(page.locator(".trouble")).to_have_count(0)
    rows = {}
    for row in page.locator("[data-row]:visible").all():
        cards = row.locator("[data-product]")
        rows[row.get_attribute("data-row") or ""] = {str(card.get_attribute("data-product")) for card in cards.all()}
    return rows


def measure_overlaps(rows: dict[str, set[str]]) -> dict[tuple[str, str], float]:
    """Return the share of the shorter row that is in the other one, for any two rows."""
    return {
        (one, other): len(rows[one] & rows[other]) / min(len(rows[one]), len(rows[other]))
        for one, other in combinations(sorted(rows), 2)
    }


def test_no_two_rows_of_the_home_page_show_the_same_products(
    site: None, live_server: LiveServer, chromium: Browser
) -> None:
    for user_id in ("", "newcomer", "household-0", "household-1", "household-5"):
        visitor = open_monitored_page(chromium, live_server.url, width=1280, language="en")
        if user_id:
            log_in(visitor, user_id)
        visitor.open("/shop/product/?id=blue-kettle")
        visitor.open("/shop/")
        rows = read_rows(visitor.page)
        assert len(rows["for-you"]) == 12, (user_id, rows)
        assert len(rows) >= 3, (user_id, rows)
        overlaps = measure_overlaps(rows)
        assert max(overlaps.values()) <= MAX_OVERLAP, (user_id, overlaps)
        assert visitor.browser_errors == []


def test_the_rows_of_the_home_page_are_loaded_by_one_call(
    site: None, live_server: LiveServer, chromium: Browser
) -> None:
    visitor = open_monitored_page(chromium, live_server.url, width=1280, language="en")
    visitor.open("/shop/product/?id=blue-kettle")
    answered: list[tuple[str, int]] = []
    visitor.page.on("response", lambda response: answered.append((urlsplit(response.url).path, response.status)))
    visitor.open("/shop/")
    assert len(read_rows(visitor.page)["for-you"]) == 12
    prefix = "/api/v1/recommendations/"
    calls = [(path.removeprefix(prefix), status) for path, status in answered if path.startswith(prefix)]
    assert {path for path, _status in calls} == {"batch/", "categories/"}
    assert [status for path, status in calls if path == "batch/"].count(200) == 1, (
        "again only if the server was too busy"
    )
    assert visitor.browser_errors == []


def test_a_dismissed_product_is_replaced_by_one_that_no_row_shows(
    site: None, unshown_products: None, live_server: LiveServer, chromium: Browser
) -> None:
    visitor = open_monitored_page(chromium, live_server.url, width=1280, language="en")
    visitor.open("/shop/product/?id=blue-kettle")
    visitor.open("/shop/")
    before = read_rows(visitor.page)
    row = visitor.page.locator("[data-row=for-you]")
    dismissed = row.locator("[data-product]").first.get_attribute("data-product")
    row.locator("[data-tool=dismiss]").first.click()
    expect(row.locator(f'[data-product="{dismissed}"]')).to_have_count(0)
    after = read_rows(visitor.page)
    [new] = after["for-you"] - before["for-you"]
    assert not any(new in products for products in before.values())
    assert visitor.browser_errors == []


def log_in(visitor: MonitoredPage, user_id: str) -> None:
    visitor.open("/shop/account/")
    visitor.page.locator("#user-id").fill(user_id)
    visitor.page.locator("[data-log-in] button.button").click()
    visitor.page.wait_for_url("**/shop/")
    visitor.settle()
