"""Live events and rejected events in Chromium: an event shows while the page is open, a rejected one is mended and sent."""

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import redis
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import Watched, watch
from tests.customers.events.senders import make_keyed_source

LIVE, MINUTES, LETTERS = (
    reverse(f"admin:{name}") for name in ("events_live", "events_minutes", "events_rejectedevent_changelist")
)


@pytest.fixture
def loop(operator: User, valkey: redis.Redis) -> SimpleNamespace:
    """A source with its key; nothing has arrived. (Named as ``chromium`` waits for it.)"""
    source, key = make_keyed_source("web")
    return SimpleNamespace(source=source, key=key, pages={})


@pytest.fixture
def seen(loop: SimpleNamespace, live_server: LiveServer, chromium: Browser) -> Iterator[Watched]:
    page = watch(chromium, live_server.url, width=1280)
    page.log_in()
    yield page
    assert not page.complaints


def post(seen: Watched, key: str, **item: object) -> dict[str, int]:
    """As a shop's server would: without the cookies of the back office."""
    event = {"event": "Product Viewed", "properties": {"product_id": "tea"}, **item}
    answer = seen.page.context.request.post(f"{seen.address}/v1/track", data=event, headers={"X-Write-Key": key})
    assert answer.ok, answer.text()
    return answer.json()


def rows(page: Page) -> list[str]:
    return page.locator("[data-live-table] tbody tr td:nth-child(2) a").all_inner_texts()


def test_event_shows_on_the_live_page_while_it_is_open(seen: Watched, loop: SimpleNamespace) -> None:
    page = seen.page
    seen.page.goto(seen.address + LIVE)
    expect(page.locator("[data-live-empty]")).to_be_visible()
    post(seen, loop.key, userId="anna", event="<b>Product</b> Viewed")
    expect(page.locator("[data-live-table] tbody tr")).to_have_count(1, timeout=5000)
    expect(page.locator("[data-live-empty]")).to_be_hidden()
    expect(page.locator("[data-live-news]")).to_have_text("New events: 1")
    assert rows(page) == ["<b>Product</b> Viewed"]
    seen.save("live-en")
    page.locator("[data-live-table] tbody a").click()
    expect(page).to_have_url(re.compile(r"/admin/events/event/\d+/change/"))


def test_live_page_pauses_goes_on_and_filters(seen: Watched, loop: SimpleNamespace) -> None:
    page = seen.page
    post(seen, loop.key, userId="anna", event="First")
    page.goto(seen.address + LIVE)
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("[data-live-pause]").click()
    expect(page.locator("[data-live-pause]")).to_have_attribute("aria-pressed", "true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    post(seen, loop.key, userId="ben", event="Second")
    page.wait_for_timeout(2500)  # longer than a turn takes
    assert not asked
    assert rows(page) == ["First"]
    page.locator("[data-live-pause]").click()
    expect(page.locator("tbody tr")).to_have_count(2, timeout=5000)
    page.get_by_label("user, anonymous or message id").fill("anna")
    expect(page.locator("tbody tr")).to_have_count(1, timeout=5000)
    assert rows(page) == ["First"]
    assert "who=anna" in page.url
    page.get_by_label("user, anonymous or message id").fill("nobody")
    expect(page.locator("[data-live-unmatched]")).to_be_visible(timeout=5000)


def test_live_page_rests_while_its_tab_is_hidden(seen: Watched, loop: SimpleNamespace) -> None:
    page = seen.page
    page.goto(seen.address + LIVE)
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert not asked
    page.evaluate(hide, False)
    post(seen, loop.key, userId="anna")
    expect(page.locator("tbody tr")).to_have_count(1, timeout=5000)


def test_live_page_says_when_its_reader_is_logged_out(
    loop: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    seen = watch(chromium, live_server.url, width=390, language="zh-hans", dark=True)
    seen.log_in()
    post(seen, loop.key, userId="anna")
    seen.page.goto(seen.address + LIVE)
    expect(seen.page.locator("tbody tr")).to_have_count(1)
    assert not seen.scrolls_sideways()
    seen.save("live-zh-hans-390")
    seen.page.context.clear_cookies()
    expect(seen.page.locator("[data-live-state]")).to_contain_text("退出登录", timeout=5000)


def test_rejected_event_is_corrected_and_replayed(seen: Watched, loop: SimpleNamespace) -> None:
    page = seen.page
    assert post(seen, loop.key, messageId="m-1")["rejected"] == 1
    seen.open(LETTERS)
    seen.save("rejected-events-en")
    page.locator("#result_list tbody a").first.click()
    editor = page.locator("textarea[name=text]")
    editor.fill(editor.input_value().replace('"m-1"', '"m-1", "userId": "anna"'))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#outcome")).to_contain_text("would be taken now")
    seen.save("rejected-event-checked-en")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It was taken.")).to_be_visible()
    page.get_by_role("link", name="m-1").click()
    expect(page).to_have_url(re.compile(r"/admin/events/event/\d+/change/"))
    seen.open(LIVE)
    assert rows(page) == ["Product Viewed"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_events_a_minute_are_drawn(
    loop: SimpleNamespace, live_server: LiveServer, chromium: Browser, language: str
) -> None:
    seen = watch(chromium, live_server.url, width=390, language=language, dark=True)
    seen.log_in()
    for number in range(3):
        post(seen, loop.key, userId=f"user-{number}")
    seen.open(MINUTES)
    expect(seen.page.locator("[data-minutes] .bars path").last).to_be_visible()
    assert seen.page.locator("[data-minutes] .legendtext").all_text_contents() == ["web"]
    assert not seen.scrolls_sideways()
    seen.save(f"minutes-{language}-390")
    assert not seen.complaints
