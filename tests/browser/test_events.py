"""Live events and rejected events in Chromium: events appear while the page is open, and a rejected event is corrected and replayed."""

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import redis
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import MonitoredPage, open_monitored_page
from tests.customers.events.client import make_keyed_source

pytestmark = pytest.mark.acceptance

LIVE, MINUTES, REJECTED = (
    reverse(f"admin:{name}") for name in ("events_live", "events_minutes", "events_rejectedevent_changelist")
)


@pytest.fixture
def site(operator: User, valkey: redis.Redis) -> SimpleNamespace:
    """Make a source with a write key and no events. (`chromium` waits for a fixture of this name.)"""
    source, key = make_keyed_source("web")
    return SimpleNamespace(source=source, key=key, pages={})


@pytest.fixture
def monitored(site: SimpleNamespace, live_server: LiveServer, chromium: Browser) -> Iterator[MonitoredPage]:
    page = open_monitored_page(chromium, live_server.url, width=1280)
    page.log_in()
    yield page
    assert not page.browser_errors


def post_event(monitored: MonitoredPage, key: str, **item: object) -> dict[str, int]:
    """Send an event as a shop's server does, without the back office's cookies."""
    event = {"event": "Product Viewed", "properties": {"product_id": "tea"}, **item}
    answer = monitored.page.context.request.post(
        f"{monitored.address}/v1/track", data=event, headers={"X-Write-Key": key}
    )
    assert answer.ok, answer.text()
    return answer.json()


def list_rows(page: Page) -> list[str]:
    return page.locator("[data-live-table] tbody tr td:nth-child(2) a").all_inner_texts()


def test_an_event_appears_on_the_open_live_page(monitored: MonitoredPage, site: SimpleNamespace) -> None:
    page = monitored.page
    monitored.page.goto(monitored.address + LIVE)
    expect(page.locator("[data-live-empty]")).to_be_visible()
    post_event(monitored, site.key, userId="anna", event="<b>Product</b> Viewed")
    expect(page.locator("[data-live-table] tbody tr")).to_have_count(1)
    expect(page.locator("[data-live-empty]")).to_be_hidden()
    expect(page.locator("[data-live-news]")).to_have_text("New events: 1")
    assert list_rows(page) == ["<b>Product</b> Viewed"]
    monitored.save("live-en")
    page.locator("[data-live-table] tbody a").click()
    expect(page).to_have_url(re.compile(r"/admin/events/event/\d+/change/"))


def test_live_page_pauses_resumes_and_filters(monitored: MonitoredPage, site: SimpleNamespace) -> None:
    page = monitored.page
    page.clock.install()
    post_event(monitored, site.key, userId="anna", event="First")
    page.goto(monitored.address + LIVE)
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("[data-live-pause]").click()
    expect(page.locator("[data-live-pause]")).to_have_attribute("aria-pressed", "true")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    post_event(monitored, site.key, userId="ben", event="Second")
    page.clock.run_for(60_000)  # longer than the polling interval
    assert not requested
    assert list_rows(page) == ["First"]
    page.locator("[data-live-pause]").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("user, anonymous or message ID").fill("anna")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert list_rows(page) == ["First"]
    assert "who=anna" in page.url
    page.get_by_label("user, anonymous or message ID").fill("nobody")
    expect(page.locator("[data-live-unmatched]")).to_be_visible()


def test_live_page_sends_no_requests_while_its_tab_is_hidden(monitored: MonitoredPage, site: SimpleNamespace) -> None:
    page = monitored.page
    page.clock.install()
    page.goto(monitored.address + LIVE)
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.clock.run_for(60_000)
    assert not requested
    page.evaluate(hide, False)
    post_event(monitored, site.key, userId="anna")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_live_page_reports_that_the_user_is_logged_out(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=390, language="zh-hans", dark=True)
    monitored.log_in()
    post_event(monitored, site.key, userId="anna")
    monitored.page.goto(monitored.address + LIVE)
    expect(monitored.page.locator("tbody tr")).to_have_count(1)
    assert not monitored.scrolls_sideways()
    monitored.save("live-zh-hans-390")
    monitored.page.context.clear_cookies()
    expect(monitored.page.locator("[data-live-state]")).to_contain_text("退出登录")


def test_a_rejected_event_is_corrected_and_replayed(monitored: MonitoredPage, site: SimpleNamespace) -> None:
    page = monitored.page
    assert post_event(monitored, site.key, messageId="m-1")["rejected"] == 1
    monitored.open(REJECTED)
    monitored.save("rejected-events-en")
    page.locator("#result_list tbody a").first.click()
    editor = page.locator("textarea[name=text]")
    editor.fill(editor.input_value().replace('"m-1"', '"m-1", "userId": "anna"'))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#outcome")).to_contain_text("The event would be accepted")
    monitored.save("rejected-event-checked-en")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("The event was accepted")).to_be_visible()
    page.get_by_role("link", name="m-1").click()
    expect(page).to_have_url(re.compile(r"/admin/events/event/\d+/change/"))
    monitored.open(LIVE)
    assert list_rows(page) == ["Product Viewed"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_events_per_minute_are_drawn(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser, language: str
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=390, language=language, dark=True)
    monitored.log_in()
    for number in range(3):
        post_event(monitored, site.key, userId=f"user-{number}")
    monitored.open(MINUTES)
    expect(
        monitored.page.locator("[data-chart='events-by-minute'] .bars path:visible").first
    ).to_be_visible()  # a minute without events has no bar
    assert monitored.page.locator("[data-chart='events-by-minute'] .legendtext").all_text_contents() == ["web"]
    assert not monitored.scrolls_sideways()
    monitored.save(f"minutes-{language}-390")
    assert not monitored.browser_errors
