"""The rule form in Chromium: the preview shows the effect of a rule before it is saved."""

from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from recommendations.merchandising.models import Rule
from tests.browser.conftest import open_monitored_page
from tests.browser.tea_shop import make_trained_shop

pytestmark = pytest.mark.acceptance


@pytest.fixture
def site(operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path) -> None:
    make_trained_shop(settings, tmp_path)
    Rule.objects.create(name="No cake", action="hide", category="Drinks > cake")


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("zh-hans", 390)])
def test_the_preview_follows_the_form(
    site: None, live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    monitored.open(reverse("admin:merchandising_rule_add"))
    page = monitored.page
    page.fill("input[name=name]", "Coffee for tea drinkers")
    page.select_option("select[name=action]", "pin")
    page.fill("input[name=position]", "2")
    picker = page.locator(".field-product_ids product-picker")
    for product in ("coffee number 3", "coffee number 4"):
        picker.get_by_role("combobox").fill(product)
        picker.get_by_role("option", name=product).click()
    expect(picker.locator(".picker-chosen li")).to_have_count(2)
    panel = page.locator("[data-rule-preview-panel]")
    expect(panel.locator("[data-changed]")).to_be_visible()
    # a preview replaces the fields of the panel, also while one of them is filled
    with page.expect_response(lambda response: "user-0" in (response.request.post_data or "")):
        page.fill("input[name=preview-user_id]", "user-0")
    monitored.settle()
    page.fill("input[name=preview-n]", "5")
    second = panel.locator(".rule-preview-lists ol").nth(1).locator("li").nth(1)
    expect(second).to_contain_text("coffee-3")
    expect(panel.locator(".rule-preview-lists ol").first.locator("li")).to_have_count(5)
    expect(panel.locator("[data-changed]")).to_contain_text("5")
    assert page.input_value("input[name=preview-user_id]") == "user-0", "the typed value stays"
    assert not monitored.scrolls_sideways()
    monitored.save(f"rule-{language}-{width}")
    page.click("button[name=_save], input[name=_save]")
    monitored.settle()
    monitored.save(f"rules-{language}-{width}")
    expect(page.locator("#result_list, table").first).to_contain_text("coffee number 3")
    if width > 1000:
        page.locator("button.rule-switch").first.click()
        monitored.settle()
    assert not monitored.browser_errors
