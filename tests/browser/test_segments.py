"""Segments in Chromium: a marketer builds "loyal, bought coffee, not in the last 30 days" in at most eight clicks."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from customers.lifecycle.models import CustomerProfile
from customers.processing.pipeline import process_events
from customers.segments.membership import evaluate_segments
from tests.browser.conftest import MonitoredPage, open_monitored_page, type_query
from tests.makers import make_customer, make_order, make_product, make_profile, make_segment

pytestmark = pytest.mark.acceptance

MAX_CLICKS = 8
DAY = timedelta(days=1)
LOYAL = {"field": "stage", "op": "in", "value": ["loyal"]}


class ClickCounter:
    """Counts the clicks of a walk; typing into a field counts as one."""

    def __init__(self, monitored: MonitoredPage) -> None:
        self.monitored = monitored
        self.clicks = 0

    def click(self, target: Any) -> None:
        self.clicks += 1
        target.click()


@pytest.fixture
def coffee_shop(operator: User, valkey: redis.Redis) -> None:
    now = timezone.now()
    coffee = make_product("coffee-1", title="Espresso beans", category="Grocery > Coffee", brand="Bean House")
    tea = make_product("tea-1", title="Green tea", category="Grocery > Tea")
    for user, stage, product, days in (
        ("lapsed", "loyal", coffee, 60),
        ("recent", "loyal", coffee, 5),
        ("tea", "loyal", tea, 60),
        ("new", "new", coffee, 60),
    ):
        customer = make_customer(user)
        make_profile(customer, stage=stage)
        make_order(customer, placed_at=now - days * DAY, products=[product])
    process_events(at=now)


def choose(walk: ClickCounter, text: str, option: str) -> None:
    """Type into the search box, which has the focus, and click an option."""
    walk.clicks += 1
    page = walk.monitored.page
    type_query(walk.monitored, page.locator(".cb-search").first, text)
    walk.click(page.get_by_role("option").filter(has_text=re.compile(option)).first)


@pytest.mark.parametrize(
    ("language", "width", "options"),
    [
        ("en", 1440, ("stage: loyal", "Coffee, but not in the last 30 days")),
        ("zh-hans", 390, ("忠诚", "Coffee，但最近 30 天没有")),
    ],
)  # fmt: skip
def test_segment_of_lapsed_coffee_drinkers_takes_at_most_eight_clicks(
    coffee_shop: None,
    live_server: LiveServer,
    chromium: Browser,
    language: str,
    width: int,
    options: tuple[str, str],
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    page = monitored.page
    walk = ClickCounter(monitored)
    if width < 1000:
        walk.click(page.locator("button[aria-controls=nav-sidebar]"))
    walk.click(page.locator(f"a[href='{reverse('admin:segments_segment_changelist')}']:visible").first)
    walk.click(page.locator(f"a[href*='{reverse('admin:segments_segment_add')}']").first)
    # until it is loaded: an asynchronous script of Django gives the first field the focus, which would get the text
    page.wait_for_url(f"**{reverse('admin:segments_segment_add')}**")
    page.locator(".cb-search").first.focus()
    choose(walk, "忠诚" if language == "zh-hans" else "loyal", options[0])
    choose(walk, "coffee", options[1])
    expect(page.locator("input[name=name]")).to_have_value(re.compile(f"Grocery › {options[1]}"))
    expect(page.locator("[data-cb-count]")).to_contain_text(re.compile(r"^1 "))
    monitored.save(f"segment-builder-{language}-{width}")
    assert not monitored.scrolls_sideways()
    walk.click(page.locator("[name=_save]").last)
    monitored.settle()
    assert walk.clicks <= MAX_CLICKS
    monitored.open(reverse("admin:segments_segment_changelist") + "?q=Coffee")
    expect(page.locator("a[href$='/members/']").first).to_have_text("1")
    assert not monitored.browser_errors


@pytest.fixture
def segments_with_history(coffee_shop: None) -> tuple[int, int]:
    """Return the IDs of a segment that customers entered and left, and of one with everyone."""
    segment = make_segment("loyal", LOYAL, name="Loyal")
    other = make_segment("everyone", {"all": []}, name="Everyone")
    now = timezone.now()
    evaluate_segments(as_of=now - 2 * DAY)
    CustomerProfile.objects.filter(customer__identifiers__value="new").update(stage="loyal")
    CustomerProfile.objects.filter(customer__identifiers__value="tea").update(stage="new")
    evaluate_segments(as_of=now - DAY)
    evaluate_segments(as_of=now)
    return segment.pk, other.pk


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("zh-hans", 390)])
def test_page_of_a_segment_shows_its_history_and_overlap(
    segments_with_history: tuple[int, int], live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    segment, other = segments_with_history
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in()
    monitored.open(reverse("admin:segments_segment_overview", args=[segment]))
    page = monitored.page
    expect(page.locator("#entries tbody tr")).to_contain_text(["new"])
    expect(page.locator("#exits tbody tr")).to_contain_text(["tea"])
    expect(page.locator("[data-chart=segment-size] svg").first).to_be_visible()
    page.select_option("select[name=other]", str(other))
    page.locator(".segment-overlap button").click()
    monitored.settle()
    expect(page.locator("#overlap")).to_contain_text("3")
    monitored.save(f"segment-page-{language}-{width}")
    assert not monitored.scrolls_sideways()
    assert not monitored.browser_errors
    campaign = page.locator(f"a[href$='?segment={segment}']")
    campaign.first.click()
    monitored.settle()
    expect(page.locator("select[name=segment] option[selected]")).to_contain_text("Loyal")


def test_a_problem_is_shown_after_the_field_was_left(
    coffee_shop: None, live_server: LiveServer, chromium: Browser
) -> None:
    monitored: MonitoredPage = open_monitored_page(chromium, live_server.url, width=1440, language="en")
    monitored.log_in()
    page = monitored.page
    monitored.open(reverse("admin:segments_segment_add"))
    type_query(monitored, page.locator(".cb-search").first, "bought category")
    page.get_by_role("option").filter(has_text="bought category").first.click()
    page.locator(".cb-row .cb-values input").focus()
    expect(page.locator("[data-cb-count]")).to_contain_text("Complete the conditions")
    expect(page.locator(".cb-problem:visible")).to_have_count(0)
    page.locator("input[name=name]").focus()
    expect(page.locator(".cb-row .cb-problem")).to_have_count(1)
    expect(page.locator(".cb-problem code")).to_have_count(0)
    page.locator("[data-cb-toggle]").click()
    expect(page.locator(".cb-problem:visible code")).to_contain_text(["$.all[0]"])


def test_a_list_of_customers_is_uploaded(
    coffee_shop: None, live_server: LiveServer, chromium: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("user_id\nlapsed\n")
    monitored: MonitoredPage = open_monitored_page(chromium, live_server.url, width=1440, language="en")
    monitored.log_in()
    page = monitored.page
    monitored.open(reverse("admin:segments_segment_add"))
    page.locator("input[name=name]").fill("Chosen")
    page.select_option("select[name=kind]", "static")
    page.locator("input[name=list_file]").set_input_files(file)
    expect(page.locator(".field-list_file input[type=text]")).to_have_value("customers.csv")
    page.locator("[name=_save]").last.click()
    monitored.settle()
    monitored.open(reverse("admin:segments_segment_changelist") + "?q=Chosen")
    expect(page.locator("a[href$='/members/']").first).to_have_text("1")
    assert not monitored.browser_errors
