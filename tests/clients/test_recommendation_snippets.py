"""The snippets that request recommendations work in the kettle shop once host and keys are filled in."""

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

from tests.browser.kettle_shop import make_kettle_shop
from tests.clients.sdk_packages import ROOT, install_node_packages
from tests.clients.sdks import require_chromium
from tests.clients.storefront import visit_page
from tests.clients.test_snippets import HOST, MODULE_PAGE, list_fenced_blocks, run_command
from tests.clients.web_server import PATIENT_SETTINGS, run_web_server
from tests.customers.events.client import make_keyed_source
from tests.ports import reserve_port
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

PAGES = ["README.md", "docs/recommendations.md"]
API_KEY, WRITE_KEY = "YOUR_API_KEY", "YOUR_WRITE_KEY"
IDS = {"Blue kettle": "sku-1", "Steel kettle": "sku-2"}


@dataclass(frozen=True)
class Shop:
    """A running server with a trained shop, and its keys; pages may request recommendations from the origin with ``port``."""

    url: str
    api_key: str
    write_key: str
    port: int

    def fill_in(self, code: str) -> str:
        return code.replace(HOST, self.url).replace(API_KEY, self.api_key).replace(WRITE_KEY, self.write_key)


def list_code_blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of the blocks that contain an API key."""
    return list_fenced_blocks(page, API_KEY)


@pytest.fixture
def shop(transactional_db: None, valkey: redis.Redis, settings: Any, tmp_path: Path) -> Iterator[Shop]:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey
    from recommendations.serving.models import PlacementSettings

    settings.TRAINING_SECONDS, settings.WAREHOUSE_URL = 10, str(tmp_path / "warehouse")
    settings.MODELS_DIR = tmp_path / "models"
    now, port = datetime.now(UTC), reserve_port()
    make_kettle_shop(product_ids=IDS, user_prefix="customer")
    # 45 customers are too few to show that a placement is better than its fallback
    PlacementSettings.objects.update(switch=PlacementSettings.Switch.ON)
    _key, api_key = create_api_key(name="storefront", kind=ApiKey.Kind.PUBLISHABLE, now=now)
    _source, write_key = make_keyed_source()
    variables = {
        "MODELS_DIR": str(settings.MODELS_DIR),
        "CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        # on a busy machine, a basket would get popular products, and a visitor would have no history
        "DJANGO_SETTINGS_MODULE": PATIENT_SETTINGS,
    }
    with run_web_server(**variables) as url:
        wait_until(lambda: is_ready(url, api_key), what="a first recommendation")
        yield Shop(url, api_key, write_key, port)


def is_ready(url: str, api_key: str) -> bool:
    """Return whether the server has loaded its model."""
    output = run_command(
        ["curl", "-sS", "-H", f"Authorization: Bearer {api_key}", f"{url}/api/v1/recommendations/popular/?n=1"]
    )
    return "items" in json.loads(output)


def run_snippet(shop: Shop, language: str, code: str) -> str:
    """Return what the snippet printed or rendered."""
    code = shop.fill_in(code)
    match language:
        case "bash":
            return run_command(["bash", "-euo", "pipefail", "-c", code])
        case "python":
            return run_command([sys.executable, "-c", code])
        case "js node":
            return run_command(["node", "--input-type=module", "--eval", code])
        case "js browser":
            return render_in_chromium(shop, code)
    raise AssertionError(f"Unknown snippet language {language!r}")


def render_in_chromium(shop: Shop, code: str) -> str:
    require_chromium()
    with visit_page(MODULE_PAGE % code, node_folder=install_node_packages(), port=shop.port) as opened:
        opened.page.locator("li a").first.click()
        opened.wait_for_count(2)  # the view and the click event
        text = opened.page.locator("ul").inner_text()
    assert opened.browser_errors == []
    return text


def test_every_snippet_shows_recommendations(shop: Shop) -> None:
    outputs = [
        (language, code, run_snippet(shop, language, code))
        for page in PAGES
        for language, code in list_code_blocks(page)
    ]
    for language, code, output in outputs:
        expected = build_expected_pattern(code)
        assert re.search(expected, output), f"{language}:\n{code}\nprinted {output!r}, which lacks {expected}"
    events = list_recommendation_events()
    assert {name for name, _id in events} == {"Recommendation Viewed", "Recommendation Clicked"}
    assert len({recommendation_id for _name, recommendation_id in events} - {""}) == 1


def build_expected_pattern(code: str) -> str:
    """Return a pattern for the expected outcome of the snippet."""
    if "/search/" in code:
        return r"products[\s\S]*kettle'[\s\S]*Kitchen"
    if "recommendations/cart/" in code:
        return r"(teapot|tea-strainer|descaler|mug-with-a-lid|tea-caddy|infuser|milk-jug)"
    if "visitor-7" in code:
        return r'"text":"[^"]*Blue kettle'
    return r"(?m)^\w.*(?: - |: )\w.+$"  # a product and its reason


def list_recommendation_events() -> list[tuple[str, str]]:
    from customers.events.models import Event

    return list(
        Event.objects.filter(name__startswith="Recommendation").values_list("name", "recommendation_id").order_by("id")
    )


def test_the_pages_have_the_same_snippets_in_both_languages() -> None:
    for page in PAGES:
        translated = page.removesuffix(".md") + ".zh-hans.md"
        assert list_code_blocks(page), page
        assert list_code_blocks(translated) == list_code_blocks(page)


@pytest.mark.parametrize("page", ["docs/recommendations.md", "docs/recommendations.zh-hans.md"])
def test_the_table_of_placements_matches_the_code(page: str) -> None:
    from recommendations.engine.placements import PLACEMENTS

    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (?:`([a-z-]+)`|–) \|$", (ROOT / page).read_text(), re.MULTILINE)
    assert {placement: fallback or None for placement, fallback in rows if placement in PLACEMENTS} == {
        scenario.name: scenario.fallback for scenario in PLACEMENTS.values()
    }


@pytest.mark.parametrize("page", ["docs/recommendations.md", "docs/recommendations.zh-hans.md"])
def test_the_documented_parameters_and_fields_match_the_code(page: str) -> None:
    from django.conf import settings

    from recommendations.serving.rank import MAX_RANKED_PRODUCTS
    from recommendations.serving.request import MAX_ITEMS
    from recommendations.serving.rest.request import RecommendationQuerySerializer
    from recommendations.serving.rest.serializers import RecommendationSerializer

    text = (ROOT / page).read_text()
    unused = {"session_id"}  # accepted but without effect
    for name in (RecommendationQuerySerializer().fields.keys() - unused) | RecommendationSerializer().fields.keys():
        assert re.search(rf'[`"]{name}[`":]', text), name
    for number in (MAX_ITEMS, MAX_RANKED_PRODUCTS, int(settings.RECOMMEND_DEADLINE_MS)):
        assert str(number) in text
