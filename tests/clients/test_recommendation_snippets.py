"""The snippets that show how a shop asks for recommendations work as they stand, but for host and keys, in a shop of kettles."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from config.embedded.server_process import find_free_port
from tests.browser.kettles import make_kettle_shop
from tests.clients.installing import ROOT, install_node_packages
from tests.clients.sdks import need_chromium
from tests.clients.serving import web_server
from tests.clients.storefront import visit
from tests.clients.test_snippets import HOST, MODULE_PAGE, fenced, run
from tests.customers.events.senders import make_keyed_source
from tests.waiting import wait_until

PAGES = ["README.md", "docs/recommendations.md"]
API_KEY, WRITE_KEY = "YOUR_API_KEY", "YOUR_WRITE_KEY"
IDS = {"Blue kettle": "sku-1", "Steel kettle": "sku-2"}


@dataclass(frozen=True)
class Shop:
    """A running server with a trained shop, and its keys. ``port``: of the origin whose pages may ask."""

    url: str
    api_key: str
    write_key: str
    port: int

    def filled_in(self, code: str) -> str:
        return code.replace(HOST, self.url).replace(API_KEY, self.api_key).replace(WRITE_KEY, self.write_key)


def code_blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the blocks that ask for something."""
    return fenced(page, API_KEY)


@pytest.fixture
def shop(transactional_db: None, valkey: redis.Redis, settings: Any, tmp_path: Path) -> Iterator[Shop]:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey

    settings.TRAINING_SECONDS, settings.WAREHOUSE_URL = 2, str(tmp_path / "warehouse")
    settings.MODELS_DIR = tmp_path / "models"
    now, port = datetime.now(UTC), find_free_port()
    make_kettle_shop(now, product_ids=IDS, people="customer")
    _key, api_key = create_api_key(name="storefront", kind=ApiKey.Kind.PUBLISHABLE, now=now)
    _source, write_key = make_keyed_source()
    with web_server(MODELS_DIR=str(settings.MODELS_DIR), CORS_ALLOWED_ORIGINS=f"http://127.0.0.1:{port}") as url:
        wait_until(lambda: answers(url, api_key), within=60, what="a first recommendation")
        yield Shop(url, api_key, write_key, port)


def answers(url: str, api_key: str) -> bool:
    """A server that has just started loads its model first."""
    said = run(["curl", "-sS", "-H", f"Authorization: Bearer {api_key}", f"{url}/api/v1/recommendations/popular/?n=1"])
    return "items" in json.loads(said)


def outcome_of(shop: Shop, language: str, code: str) -> str:
    """What the snippet printed, or drew."""
    code = shop.filled_in(code)
    match language:
        case "bash":
            return run(["bash", "-euo", "pipefail", "-c", code])
        case "python":
            return run([sys.executable, "-c", code])
        case "js node":
            return run(["node", "--input-type=module", "--eval", code])
        case "js browser":
            return drawn_in_chromium(shop, code)
    raise AssertionError(f"nobody knows how to run {language}")


def drawn_in_chromium(shop: Shop, code: str) -> str:
    need_chromium()
    with visit(MODULE_PAGE % code, node_folder=install_node_packages(), port=shop.port) as opened:
        opened.page.locator("li a").first.click()
        opened.wait_for_count(2)  # seen, and clicked
        drawn = opened.page.locator("ul").inner_text()
    assert opened.complaints == []
    return drawn


def test_every_snippet_shows_what_it_says(shop: Shop) -> None:
    outcomes = [
        (language, code, outcome_of(shop, language, code)) for page in PAGES for language, code in code_blocks(page)
    ]
    for language, code, outcome in outcomes:
        expected = expectation(code)
        assert re.search(expected, outcome), f"{language}:\n{code}\nprinted {outcome!r}, which lacks {expected}"
    events = events_of_recommendations()
    assert {name for name, _id in events} == {"Recommendation Viewed", "Recommendation Clicked"}
    assert len({recommendation_id for _name, recommendation_id in events} - {""}) == 1


def expectation(code: str) -> str:
    """What the outcome holds when the shop has understood the snippet."""
    if "/search/" in code:
        return r"products[\s\S]*kettle'[\s\S]*Kitchen"
    if "recommendations/cart/" in code:
        return r"(teapot|tea-strainer|descaler|mug-with-a-lid|tea-caddy|infuser|milk-jug)"
    if "visitor-7" in code:
        return r'"text":"[^"]*Blue kettle'
    return r"(?m)^\w.*(?: - |: )\w.+$"  # a product, and why


def events_of_recommendations() -> list[tuple[str, str]]:
    from customers.events.models import Event

    return list(
        Event.objects.filter(name__startswith="Recommendation").values_list("name", "recommendation_id").order_by("id")
    )


def test_both_languages_have_the_same_snippets() -> None:
    for page in PAGES:
        translated = page.removesuffix(".md") + ".zh-hans.md"
        assert code_blocks(page), page
        assert code_blocks(translated) == code_blocks(page)


@pytest.mark.parametrize("page", ["docs/recommendations.md", "docs/recommendations.zh-hans.md"])
def test_table_of_places_is_that_of_the_code(page: str) -> None:
    from recommendations.engine.placements import SCENARIOS

    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (?:`([a-z-]+)`|–) \|$", (ROOT / page).read_text(), re.MULTILINE)
    assert {place: fallback or None for place, fallback in rows if place in SCENARIOS} == {
        scenario.name: scenario.fallback for scenario in SCENARIOS.values()
    }


@pytest.mark.parametrize("page", ["docs/recommendations.md", "docs/recommendations.zh-hans.md"])
def test_parameters_and_fields_are_those_of_the_code(page: str) -> None:
    from django.conf import settings

    from recommendations.serving.rank import MAX_RANKED_PRODUCTS
    from recommendations.serving.request import MAX_ITEMS
    from recommendations.serving.rest.request import RecommendationQuerySerializer
    from recommendations.serving.rest.serializers import RecommendationSerializer

    text = (ROOT / page).read_text()
    unused = {"session_id"}  # taken and of no effect
    for name in (RecommendationQuerySerializer().fields.keys() - unused) | RecommendationSerializer().fields.keys():
        assert re.search(rf'[`"]{name}[`":]', text), name
    for number in (MAX_ITEMS, MAX_RANKED_PRODUCTS, int(settings.RECOMMEND_DEADLINE_MS)):
        assert str(number) in text
