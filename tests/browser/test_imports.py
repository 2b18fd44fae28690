"""The import wizard in Chromium: a broken CSV of orders and an export of Shopify products, to the end."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from customers.imports import tasks
from tests.browser.conftest import open_monitored_page
from tests.customers.imports.exports import SHOPIFY_PRODUCTS

pytestmark = pytest.mark.acceptance

ORDERS = """Order no;Client mail;Bought on;Article;Qty;Price
1001;ada@example.com;17.05.2026;tea;2;4,50
1002;bob@example.com;18.05.2026;pot;many;19,90
"""


@pytest.fixture
def folders(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the import folders of its own, and import immediately instead of in a worker."""
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"
    for task in (tasks.import_file, tasks.undo_import):
        monkeypatch.setattr(task, "delay", task)
    return tmp_path


@pytest.mark.parametrize("width", [1440, 390])
def test_broken_orders_are_corrected_in_the_page_and_imported(
    operator: User, live_server: LiveServer, chromium: Browser, folders: Path, width: int
) -> None:
    file = folders / "orders.csv"
    file.write_text(ORDERS)
    monitored = open_monitored_page(chromium, live_server.url, width=width)
    monitored.log_in(reverse("imports:list"))
    page = monitored.page
    page.get_by_role("link", name="Orders Past orders").click()
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_label("Bought on")).to_have_value("placed_at")
    page.get_by_role("button", name="Check the file").click()
    page.get_by_label("Line 3, Qty").fill("3")
    page.get_by_role("button", name="Save and check again").click()
    expect(page.get_by_text("All 2 rows can be imported.")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("All 2 rows were imported.")).to_be_visible()
    expect(page.locator(".figure", has_text="New orders")).to_contain_text("2")
    page.get_by_role("link", name="Undo import").click()
    expect(page.get_by_role("heading", name="What stays")).to_be_visible()
    page.get_by_role("button", name="Undo import").click()
    expect(page.get_by_text("The import was undone.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert monitored.browser_errors == []


def test_shopify_products_are_imported_in_chinese(
    operator: User, live_server: LiveServer, chromium: Browser, folders: Path
) -> None:
    file = folders / "products_export.csv"
    file.write_text(SHOPIFY_PRODUCTS)
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language="zh-hans")
    monitored.log_in(reverse("imports:list"))
    page = monitored.page
    page.locator(".wizard-kinds a").first.click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="上传").click()
    expect(page.get_by_text("规格 SKU")).to_be_visible()
    page.get_by_role("button", name="检查文件").click()
    page.get_by_role("button", name="导入", exact=True).click()
    expect(page.get_by_text("全部 3 行已导入。")).to_be_visible()
    expect(page.locator(".figure", has_text="新增商品")).to_contain_text("3")
    assert monitored.browser_errors == []
