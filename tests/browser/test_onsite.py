"""`perennial.js` in a plain HTML page of another origin with a strict content security policy and Trusted Types."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import redis
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect
from psycopg.rows import dict_row
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import open_monitored_page, type_query
from tests.browser.kettle_shop import run_kettle_shop
from tests.browser.plain_shop import PAGE, run_plain_shop
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance


@pytest.fixture
def site(
    operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path, live_server: LiveServer
) -> Iterator[SimpleNamespace]:
    """Set up the kettle shop, and a plain page elsewhere that names its keys and the current version of the script."""
    from config.access.models import ApiKey
    from config.onsite.bundle import build_bundle, get_bundle
    from config.storefront.keys import read_storefront_keys
    from tests.recommendations.offers.makers import make_offer

    with run_plain_shop() as shop, ExitStack() as stack:
        settings.PRODUCT_URL = f"{shop.origin}/#{{product_id}}"  # stays on the page, and no card is without a link
        site = stack.enter_context(run_kettle_shop(settings, tmp_path))
        make_offer("spring", titles={"en": "Free delivery <b>today</b>"}, placement="top")
        build_bundle.cache_clear()
        keys, core = read_storefront_keys(), get_bundle().core
        assert keys is not None
        ApiKey.objects.update(allowed_origins=[shop.origin])
        values = {
            "write_key": keys.write_key,
            "publishable_key": keys.publishable_key,
            "core": core.name,
            "integrity": core.integrity,
        }
        shop.host = live_server.url
        shop.page = PAGE.read_text(encoding="utf-8")
        for name, value in {**values, "host": live_server.url}.items():
            shop.page = shop.page.replace(f"{{{name}}}", value)
        site.origin = shop.origin
        yield site


def read_events(site: SimpleNamespace) -> dict[str, dict[str, Any]]:
    """Return the newest stored event of each name; with psycopg, because Django's ORM cannot run inside Playwright's event loop."""
    query = "SELECT name, anonymous_id, recommendation_id, properties, context FROM events_event ORDER BY id"
    with psycopg.connect(site.database, row_factory=dict_row) as connection:
        return {event["name"]: event for event in connection.execute(query)}


def wait_for_events(site: SimpleNamespace, *names: str) -> dict[str, dict[str, Any]]:
    wait_until(lambda: set(names) <= read_events(site).keys(), what=f"the events {names}")
    return read_events(site)


def test_a_plain_page_shows_recommendations_and_sends_events_after_consent(
    site: SimpleNamespace, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, site.origin, width=1280)
    page = monitored.page
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    monitored.open("/")
    row = page.locator("[data-perennial-placement=for-you]")
    expect(row.get_by_role("heading")).to_have_text("Popular now")
    expect(row.locator("[data-product]")).to_have_count(4)
    assert not any("/v1/batch" in url for url in requested), "nothing is sent before the visitor agrees"
    offer = page.locator("[data-perennial-offer=top]")
    expect(offer).to_be_hidden()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]

    page.get_by_role("button", name="Accept").click()
    events = wait_for_events(site, "A shop of its own", "Recommendation Viewed", "Consent Preference Updated")
    shown = events["Recommendation Viewed"]
    assert shown["anonymous_id"] == events["A shop of its own"]["anonymous_id"] != ""
    assert shown["context"]["consent"]["categoryPreferences"] == {"analytics": True, "personalisation": True}
    expect(offer.get_by_text("Free delivery <b>today</b>")).to_be_visible()
    offer.get_by_role("button", name="Close").click()
    expect(offer).to_be_hidden()
    row.locator("a").first.click()
    events = wait_for_events(site, "Recommendation Clicked", "Promotion Viewed")
    clicked = events["Recommendation Clicked"]
    assert clicked["recommendation_id"]
    assert events["Promotion Viewed"]["properties"]["promotion_id"] == "spring"
    box = page.get_by_role("combobox")
    type_query(monitored, box, "kettl")
    expect(page.get_by_role("option").first).to_be_visible()
    box.press("ArrowDown")
    expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    page.get_by_role("textbox", name="Email").fill("mei@shop.example")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("status")).to_contain_text("confirm your address")
    assert clicked["properties"]["position"] == 1
    monitored.save("onsite-plain-page")
    assert monitored.browser_errors == []


def test_only_an_invalid_address_is_called_invalid(site: SimpleNamespace, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, site.origin, width=1280)
    page = monitored.page
    monitored.open("/")
    form = page.locator("[data-perennial-form=newsletter]")
    form.get_by_label("Email").fill("mei@shop")
    form.get_by_role("button").click()
    expect(form.get_by_role("status")).to_contain_text("Enter a valid email address")
    form.evaluate("form => { form.dataset.name = 'Footer form' }")
    form.get_by_label("Email").fill("mei@shop.example")
    form.get_by_role("button").click()
    expect(form.get_by_role("status")).to_contain_text("That did not work.")
    assert any("Perennial: newsletter:" in error and '"field":"form"' in error for error in monitored.browser_errors)


def test_nothing_is_promised_that_a_refusal_prevents(site: SimpleNamespace, chromium: Browser) -> None:
    monitored = open_monitored_page(chromium, site.origin, width=1280)
    page = monitored.page
    monitored.open("/")
    page.evaluate("perennial.consent(false)")
    refused = "Allow analytics in the privacy settings of this site first."
    quiz, button = page.locator("[data-perennial-form=quiz]"), page.locator("[data-perennial-back-in-stock]")
    for _time in range(2):
        button.click()
        expect(page.locator("[data-perennial-back-in-stock] + [role=status]")).to_have_text(refused)
    expect(button).to_have_text("Notify me when it is back in stock")
    quiz.get_by_label("Tea").check()
    quiz.get_by_role("button").click()
    expect(quiz.get_by_role("status")).to_have_text(refused)

    page.evaluate("perennial.consent(true)")
    button.click()
    expect(button).to_have_text("Request saved")
    quiz.get_by_role("button").click()
    expect(quiz.get_by_role("status")).to_have_text("Thank you. Your answers were saved.")
    wait_for_events(site, "Back In Stock Requested", "Preferences Submitted")
    assert monitored.browser_errors == []
