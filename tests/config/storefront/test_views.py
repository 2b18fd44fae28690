"""The shop's pages are shells: in the demo alone, without a query, with nothing that a strict policy forbids, every text known."""

import json
import re
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

FOLDER = Path(texts.__file__).parent
SCRIPTS = sorted((FOLDER / "static" / "storefront").rglob("*.js"))
KEYS = StorefrontKeys(publishable_key="pk_live_of_the_test", write_key="wk_of_the_test")


@pytest.fixture(autouse=True)
def demo(settings: Any, tmp_path: Path) -> None:
    settings.DEMO, settings.VAR_DIR = True, tmp_path
    write_storefront_keys(KEYS)


@pytest.fixture(params=PAGES)
def address(request: pytest.FixtureRequest) -> str:
    return reverse(f"shop:{request.param}")


def given_to(page: str) -> dict[str, Any]:
    """What the page hands to its scripts."""
    [data] = re.findall(r'<script id="shop" type="application/json">(.*?)</script>', page)
    return json.loads(data)


def test_there_is_no_shop_outside_the_demo(address: str, client: Client, settings: Any) -> None:
    settings.DEMO = False
    assert client.get(address).status_code == 404


def test_page_holds_the_two_keys_its_texts_and_one_script(address: str, client: Client) -> None:
    """Without the mark of the database: a query would fail the test."""
    page = client.get(address).content.decode()
    given = given_to(page)
    assert (given["publishable_key"], given["write_key"]) == (KEYS.publishable_key, KEYS.write_key)
    assert given["texts"] == texts.build_texts()
    [script] = re.findall(r'<script type="module" src="/static/(.*?)"></script>', page)
    assert finders.find(script), script


def test_page_needs_nothing_inline_and_no_other_host(address: str, client: Client) -> None:
    response = client.get(address)
    page = response.content.decode()
    policy = response["Content-Security-Policy"]
    assert {"script-src 'self'", "style-src 'self'"} <= {directive.strip() for directive in policy.split(";")}
    assert "unsafe" not in policy
    assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:|<style", page)
    assert page.count("<script") == 2, "the data, and the page's module"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_page_speaks_the_readers_language(address: str, client: Client) -> None:
    page = client.get(address, headers={"Accept-Language": "zh-hans"}).content.decode()
    assert '<html lang="zh-Hans">' in page
    with override("zh-hans"):
        assert given_to(page)["texts"] == texts.build_texts()
    assert given_to(page)["language"] == "zh-hans"


def test_page_without_keys_says_what_makes_them(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "empty"
    page = client.get(reverse("shop:home")).content.decode()
    assert "manage.py demo" in page
    assert 'type="module"' not in page


def test_other_methods_than_reading_are_refused(client: Client) -> None:
    assert client.post(reverse("shop:checkout")).status_code == 405


def test_scripts_say_nothing_that_has_no_text_and_no_text_is_unused() -> None:
    code = "\n".join(path.read_text() for path in SCRIPTS)
    said = set(re.findall(r'\bt\("(\w+)"', code))
    counted = set(re.findall(r'\bplural\("(\w+)"', code))
    spoken = said | {f"{name}_{form}" for name in counted for form in ("one", "other")}
    assert spoken == texts.build_texts().keys()


def test_scripts_use_the_public_addresses_alone() -> None:
    """No other address of this server, no other host, and nothing that makes markup of text."""
    code = "\n".join(path.read_text() for path in SCRIPTS)
    assert set(re.findall(r'["`](/[a-z][^"`$?]*)', code)) == {"/v1/batch", "/api/v1/"}
    assert not re.search(r"https?://(?!www\.w3\.org)", code)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code)
