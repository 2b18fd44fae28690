"""An analyst in Chromium: where do people leave, who are they, and saving them as a segment."""

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from customers.analytics.backoffice.shown_results import read_parameters
from customers.analytics.results import compute_result, get_result
from customers.warehouse.export import export_warehouse
from tests.browser.conftest import open_monitored_page
from tests.customers.events.makers import make_event
from tests.makers import make_customer, make_order, make_product, make_profile, make_source

pytestmark = pytest.mark.acceptance
STEPS: list[dict[str, str]] = [{"meaning": "view"}, {"meaning": "cart"}, {"meaning": "purchase"}]


@pytest.fixture
def site(operator: User, settings: Any, tmp_path: Path) -> None:
    """Make people of whom few order, and the results that the pages show."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    now, tea, source = timezone.now(), make_product("tea"), make_source()
    for number in range(8):
        customer, at = make_customer(f"person-{number}"), now - timedelta(days=number + 1)
        make_profile(customer)
        for step, name in enumerate(("Product Viewed", "Product Added")[: 1 + (number < 5)]):
            make_event(source, at=at + timedelta(minutes=step), user_id=f"person-{number}", name=name)
        if number < 3:
            make_order(customer, products=[tea], placed_at=at + timedelta(hours=1))
    export_warehouse(started_at=now)
    # also of tomorrow: a day may end before the page is opened, whose range then has other days
    for steps, day in product((STEPS, [STEPS[0], STEPS[2]]), (now, now + timedelta(days=1))):
        parameters = read_parameters("funnel", {"range": "90d", "steps": steps}, now=day)
        state = get_result(question="funnel", parameters=parameters, now=now)
        assert state.pending_id is not None
        compute_result(result_id=state.pending_id, now=timezone.now())


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("zh-hans", 390)])
def test_from_a_funnel_to_a_segment(live_server: LiveServer, chromium: Browser, language: str, width: int) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in(reverse("analytics:funnel"))
    page = monitored.page
    expect(page.locator("#funnel-steps")).to_have_count(1)
    page.click("button[value='remove:steps.1']")
    expect(page.locator("select[name='steps.2.event']")).to_have_count(0)
    page.click("#analytics-builder .button")
    monitored.settle()
    expect(page.locator(".analytics-sentence")).to_contain_text("37.5%")
    expect(page.locator("[data-chart] svg.main-svg").first).to_be_visible()
    monitored.save(f"funnel-{language}-{width}")
    assert not monitored.scrolls_sideways()
    page.click(".chart-figure summary >> nth=0")
    page.click("a[href*='is_dropped']")
    monitored.settle()
    monitored.save(f"funnel-people-{language}-{width}")
    assert not monitored.scrolls_sideways()
    page.fill("input[name=name]", f"No order {language}")
    page.click("form[method=post] .button >> nth=0")
    monitored.settle()
    expect(page.get_by_text(f"No order {language}").first).to_be_visible()
    assert not monitored.browser_errors
