"""A marketer starts the recipe “Price drop”, lowers a price, and finds the messages in the outbox, in both languages."""

import base64
import json
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from customers.processing.pipeline import process_events
from recommendations.flows.tasks import run_flows
from recommendations.sending.tasks import send_due_messages
from tests.browser.conftest import open_monitored_page
from tests.customers.events.client import make_keyed_source
from tests.makers import make_consent, make_customer, make_product
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.acceptance


@pytest.fixture
def site(operator: User, settings: Any, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Make a product, a customer of each language who can be reached by email, and a write key of the server."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    product = make_product("tea", title="Green tea", price=Decimal("20.00"), category="Drinks > Tea")
    for user_id, language in (("ada", "en"), ("mei", "zh-hans")):
        make_consent(make_customer(user_id, email=f"{user_id}@shop.example", language=language))
    _source, write_key = make_keyed_source()
    with ThreadPoolExecutor(1) as worker:
        yield SimpleNamespace(product=product, write_key=write_key, worker=worker)
        worker.submit(connections.close_all).result()


def work(site: SimpleNamespace, *jobs: Callable[[], object]) -> None:
    """Run jobs of the worker outside of Playwright's thread, where Django's ORM cannot run."""
    for job in jobs:
        site.worker.submit(job).result(DEADLINE_SECONDS)


def track_view(host: str, write_key: str, user_id: str) -> None:
    """Send what a stock Segment SDK sends when a customer views the product."""
    body = {"userId": user_id, "event": "Product Viewed", "properties": {"product_id": "tea", "price": 20}}
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode(),
    }
    request = urllib.request.Request(f"{host}/v1/track", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
        assert response.status == 200


def test_a_price_drop_reaches_those_who_viewed_the_product_in_their_language(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    for user_id in ("ada", "mei"):
        track_view(live_server.url, site.write_key, user_id)
    work(site, lambda: process_events(at=timezone.now()))
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.log_in(reverse("flows:recipes"))
    page = monitored.page

    page.get_by_role("listitem").filter(has_text="Price drop").get_by_role("link", name="Use recipe").click()
    page.get_by_role("button", name="Use recipe").click()
    page.get_by_role("link", name="Edit message").click()
    subject = page.locator("input[name=subject]")
    expect(subject).to_be_editable()
    monitored.settle()  # otherwise the change can come before the scripts that save it
    subject.fill("Only today: {{ event.product.title }}")
    subject.blur()
    expect(page.locator("#texts-status")).to_contain_text("Saved")
    page.reload()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("is published").first).to_be_visible()

    monitored.open(reverse("flows:list"))
    page.get_by_role("link", name="Price drop").click()
    page.get_by_role("link", name="Add an exit").click()
    page.get_by_label("Type").select_option("condition")
    page.get_by_role("button", name="Choose").click()
    page.locator(".cb-search").focus()
    page.keyboard.type("churned")
    expect(page.locator(".cb-option").first).to_contain_text("churned")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.locator(".flow-parts")).to_contain_text("churned")
    page.get_by_role("button", name="Publish").press("Enter")
    expect(page.locator(".page-verdict")).to_contain_text("Live")

    monitored.open(reverse("admin:catalog_product_change", args=[site.product.pk]))
    page.locator("input[name=price]").fill("15.00")
    page.locator("[name=_save]").last.click()
    page.wait_for_url("**/catalog/product/")
    work(site, run_flows, send_due_messages)

    monitored.open(reverse("outbox:list"))
    assert page.get_by_role("row").count() == 3  # with the headings
    page.get_by_role("link", name="Only today: Green tea").click()
    message = page.frame_locator("iframe")
    expect(message.get_by_text("Green tea").first).to_be_visible()
    expect(message.get_by_text("15.00").first).to_be_visible()
    chinese = open_monitored_page(chromium, live_server.url, width=390, language="zh-hans")
    chinese.log_in(reverse("outbox:list"))
    chinese.page.get_by_role("link", name="降价了：Green tea").click()
    expect(chinese.page.frame_locator("iframe").get_by_text("您关注的商品降价了")).to_be_visible()
