"""The shop's pages: only in demo mode, without queries, within a strict content security policy, with every text."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from config.storefront import texts
from config.storefront.keys import StorefrontKeys, write_storefront_keys
from config.storefront.views import PAGES
from tests.waiting import DEADLINE_SECONDS

FOLDER = Path(texts.__file__).parent
NODE = shutil.which("node")
FULL_STORAGE = """
const stored = new Map()
let isFull = false
const area = {
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, text) => {
    if (isFull) throw new Error("QuotaExceededError")
    stored.set(name, text)
  },
  removeItem: (name) => stored.delete(name),
}
globalThis.window = { localStorage: area, sessionStorage: area }
const { lasting } = await import("./storage.mjs")
const seen = []
lasting.write("basket", [1])
isFull = true
lasting.write("basket", [1, 2])
seen.push(lasting.read("basket"))
isFull = false
lasting.write("basket", [3])
seen.push(lasting.read("basket"), JSON.parse(stored.get("perennial-shop:basket")))
console.log(JSON.stringify(seen))
"""
SCRIPTS = sorted((FOLDER / "static" / "storefront").rglob("*.js"))
KEYS = StorefrontKeys(publishable_key="pk_live_of_the_test", write_key="wk_of_the_test")


@pytest.fixture(autouse=True)
def demo(settings: Any, tmp_path: Path) -> None:
    settings.DEMO, settings.VAR_DIR = True, tmp_path
    write_storefront_keys(KEYS)


@pytest.fixture(params=PAGES)
def address(request: pytest.FixtureRequest) -> str:
    return reverse(f"shop:{request.param}")


def read_page_data(page: str) -> dict[str, Any]:
    """Return the data that the page passes to its scripts."""
    [data] = re.findall(r'<script id="shop" type="application/json">(.*?)</script>', page)
    return json.loads(data)


def test_the_shop_exists_only_in_demo_mode(address: str, client: Client, settings: Any) -> None:
    settings.DEMO = False
    assert client.get(address).status_code == 404


def test_a_page_has_both_keys_the_texts_and_one_script(address: str, client: Client) -> None:
    """The test has no django_db mark, so a query would fail it."""
    page = client.get(address).content.decode()
    data_of_page = read_page_data(page)
    assert (data_of_page["publishable_key"], data_of_page["write_key"]) == (KEYS.publishable_key, KEYS.write_key)
    assert data_of_page["texts"] == texts.build_texts()
    [script] = re.findall(r'<script type="module" src="/static/(.*?)"></script>', page)
    assert finders.find(script), script


def test_a_page_needs_no_inline_code_and_no_other_host(address: str, client: Client) -> None:
    response = client.get(address)
    page = response.content.decode()
    policy = response["Content-Security-Policy"]
    assert {"script-src 'self'", "style-src 'self'"} <= {directive.strip() for directive in policy.split(";")}
    assert "unsafe" not in policy
    assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:|<style", page)
    assert page.count("<script") == 2, "the data and the page's module"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_a_page_uses_the_visitors_language(address: str, client: Client) -> None:
    page = client.get(address, headers={"Accept-Language": "zh-hans"}).content.decode()
    assert '<html lang="zh-Hans">' in page
    with override("zh-hans"):
        assert read_page_data(page)["texts"] == texts.build_texts()
    assert read_page_data(page)["language"] == "zh-hans"


def test_a_page_without_keys_names_the_command_that_creates_them(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "empty"
    page = client.get(reverse("shop:home")).content.decode()
    assert "manage.py demo" in page
    assert 'type="module"' not in page


def test_write_methods_are_not_allowed(client: Client) -> None:
    assert client.post(reverse("shop:checkout")).status_code == 405


def test_every_text_of_the_scripts_exists_and_is_used() -> None:
    code = "\n".join(path.read_text() for path in SCRIPTS)
    singular = set(re.findall(r'\bt\("(\w+)"', code))
    plural_keys = set(re.findall(r'\bplural\("(\w+)"', code))
    used = singular | {f"{name}_{form}" for name in plural_keys for form in ("one", "other")}
    assert used == texts.build_texts().keys()


def test_scripts_use_only_the_public_api() -> None:
    """The scripts use no other path, no other host, and nothing that parses text as HTML."""
    code = "\n".join(path.read_text() for path in SCRIPTS)
    api = {f"/api/v1/{path}/" for path in ("recommendations/{}", "search")}
    assert set(re.findall(r'["`](/[a-z][^"`$?]*)', code)) == {"/perennial/v1/perennial.mjs", *api}
    assert not re.search(r"https?://(?!www\.w3\.org)", code)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code)


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_a_value_that_does_not_fit_into_the_storage_is_read_until_the_page_is_closed(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "static" / "storefront" / "storage.js", tmp_path / "storage.mjs")
    (tmp_path / "test.mjs").write_text(FULL_STORAGE)
    output = subprocess.run(
        [str(NODE), "test.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=DEADLINE_SECONDS
    )
    assert json.loads(output.stdout) == [[1, 2], [3], [3]]
