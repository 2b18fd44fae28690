"""A buyer's walk in Chromium: from the restock list to the chart of a product and its table, and to the CSV file."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import open_monitored_page
from tests.customers.demand.makers import make_forecast, make_restock_item, make_run
from tests.makers import NOON, make_product

pytestmark = pytest.mark.acceptance


@pytest.fixture
def warehouse(operator: User) -> None:
    make_run(as_of=NOON)
    for name, quantity in (("kettle", 90), ("pan", 0)):
        product = make_product(name, stock=12)
        make_forecast(product, as_of=NOON)
        make_restock_item(product, as_of=NOON, quantity=quantity)


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("zh-hans", 390)])
def test_a_buyer_goes_from_the_list_to_the_reason_and_downloads_it(
    warehouse: None, live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in(reverse("demand:restock"))
    page = monitored.page
    expect(page.locator("#restock tbody tr")).to_have_count(1)
    monitored.save(f"demand-restock-{language}-{width}")
    assert not monitored.scrolls_sideways()
    with page.expect_download() as download:
        page.click("a[href*='restock.csv']")
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("kettle,")
    page.click("#restock tbody a")
    monitored.settle()
    page.click("[data-chart=demand] ~ details summary")
    expect(page.locator("[data-chart=demand] ~ details tbody tr")).to_have_count(28 + 56)
    monitored.save(f"demand-product-{language}-{width}")
    assert not monitored.scrolls_sideways()
    assert not monitored.browser_errors
