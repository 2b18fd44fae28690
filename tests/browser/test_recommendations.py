"""Two journeys through the recommendations area: pin a product by its name, and find what a placement earned."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Locator, expect
from pytest_django.live_server_helper import LiveServer

from recommendations.serving.models import PerformanceDay
from recommendations.training.models import ModelVersion
from tests.browser.conftest import MonitoredPage, open_monitored_page
from tests.browser.tea_shop import make_trained_shop

pytestmark = pytest.mark.acceptance
TEXTS = {
    "en": {"area": "Recommendations", "pin": "Pin a product in For you", "performance": "Performance"},
    "zh-hans": {"area": "推荐", "pin": "在“为您推荐”中置顶商品", "performance": "效果"},
}


@pytest.fixture
def site(operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path) -> None:
    make_trained_shop(settings, tmp_path)
    day = timezone.localdate() - timedelta(days=1)
    common = {"day": day, "scenario": "for-you", "model_version": "m", "strategy": "blend", "position": 1}
    PerformanceDay.objects.create(**common, shown=1000, clicked=40)
    PerformanceDay.objects.create(**common, currency="EUR", bought=6, orders=5, revenue=240)


@pytest.fixture
def active_version(operator: User) -> None:
    now = timezone.now()
    ModelVersion.objects.create(
        version="v1", scenario="for-you", status="active", algorithm="blend", as_of=now, created_at=now
    )


class CountedClicks:
    """Counts the clicks of a walk."""

    def __init__(self, monitored: MonitoredPage) -> None:
        self.monitored = monitored
        self.clicks = 0

    def click(self, locator: Locator) -> None:
        self.clicks += 1
        locator.click()
        self.monitored.settle()


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("zh-hans", 390)])
def test_a_product_is_pinned_by_name_with_six_clicks_and_a_placement_tells_what_it_earned(
    site: None, live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    page, texts = monitored.page, TEXTS[language]
    walk = CountedClicks(monitored)
    if width < 1280:
        walk.click(page.locator(".top button").first)
    walk.click(page.locator(".side").get_by_role("link", name=texts["area"], exact=True))
    monitored.save(f"placements-{language}-{width}")
    assert not monitored.scrolls_sideways()
    walk.click(page.get_by_role("link", name=texts["pin"], exact=True))
    picker = page.locator(".field-product_ids product-picker")
    walk.click(picker.get_by_role("combobox"))
    page.keyboard.type("coffee number 3")
    walk.click(picker.get_by_role("option", name="coffee number 3"))
    expect(page.locator("[data-rule-preview-panel] [data-changed]")).to_be_visible()
    monitored.save(f"pin-{language}-{width}")
    assert not monitored.scrolls_sideways()
    walk.click(page.locator("button[name=_save], input[name=_save]").first)
    assert walk.clicks <= 6
    expect(page.locator("#result_list, table").first).to_contain_text("coffee number 3")

    monitored.open("/admin/")
    walk = CountedClicks(monitored)
    if width < 1280:
        walk.click(page.locator(".top button").first)
    walk.click(page.locator(".side").get_by_role("link", name=texts["area"], exact=True))
    walk.click(page.locator("#for-you").get_by_role("link", name=texts["performance"], exact=True))
    assert walk.clicks <= 3
    expect(page.locator(".page-verdict")).to_contain_text("€240")
    monitored.save(f"performance-{language}-{width}")
    assert not monitored.scrolls_sideways()
    assert not monitored.browser_errors


def test_the_picker_works_by_keyboard(site: None, live_server: LiveServer, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440)
    monitored.log_in()
    monitored.open("/admin/merchandising/rule/add/?action=pin&position=1&scenarios=for-you")
    page = monitored.page
    picker = page.locator(".field-product_ids product-picker")
    picker.get_by_role("combobox").focus()
    for product in ("tea number 1", "cake number 2"):
        page.keyboard.type(product)
        # Enter takes the selected one, which is another as long as the products for a part of the text are listed
        expect(picker.get_by_role("option", name=product, selected=True)).to_be_visible()
        page.keyboard.press("Enter")
        expect(picker.locator(".picker-chosen")).to_contain_text(product, ignore_case=True)
    expect(picker.locator(".picker-chosen li")).to_have_count(2)
    picker.get_by_role("button", name="Move cake number 2 up").press("Enter")
    assert page.input_value("textarea[name=product_ids]") == "cake-2\ntea-1"
    picker.get_by_role("button", name="Remove tea number 1").press("Enter")
    assert page.input_value("textarea[name=product_ids]") == "cake-2"
    picker.get_by_role("combobox").fill("unknown-7")
    expect(picker.locator(".picker-none")).to_be_visible()
    page.keyboard.press("Enter")
    expect(picker.locator(".picker-chosen")).to_contain_text("Not in the catalog")
    assert page.input_value("textarea[name=product_ids]") == "cake-2\nunknown-7"
    page.locator("button[name=_save], input[name=_save]").first.click()
    monitored.settle()
    assert not monitored.browser_errors


def test_states_in_lists_are_not_in_capitals(active_version: None, live_server: LiveServer, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language="en")
    monitored.log_in()
    monitored.open("/admin/training/modelversion/")
    # the text as it is shown; whether a browser includes the style of the first letter differs
    assert monitored.page.locator("#result_list .field-status_badge span").inner_text() in ("active", "Active")
