"""The product feed for shopping agents: what it contains, how it is replaced, and who may fetch it."""

import gzip
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.test import Client

from catalog.models import Category, Product
from config.shopping_agents import public_access
from config.shopping_agents.feed import building
from config.shopping_agents.feed.building import METADATA, PRODUCTS, build_feed, get_feed_folder
from config.shopping_agents.models import AgentFeedFile, AgentFeedSettings, load_feed_file
from customers.events.models import AgentActivity
from tests.config.shopping_agents.schemas import ACP_METADATA, ACP_PRODUCT
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db
URL = {"url": "https://shop.example/p", "image_url": "https://shop.example/p.jpg"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    settings.PRODUCT_URL = ""
    settings.PUBLIC_ATTRIBUTES = ["color", "size"]
    public_access.limiter.__init__()  # type: ignore[misc]


def read_feed() -> list[dict[str, Any]]:
    lines = gzip.decompress((get_feed_folder() / PRODUCTS).read_bytes()).splitlines()
    return [json.loads(line) for line in lines]


def make_catalog() -> None:
    make_product("shirt-r-s", parent_id="shirt", category="Clothes", description="Cotton", price=Decimal("19.99"),
                 attributes={"color": "red", "size": "S", "margin": "0.4", "gtin": "4006381333931"}, stock=3, **URL)  # fmt: skip
    make_product("shirt-b-s", parent_id="shirt", attributes={"color": "blue", "size": "S"}, stock=0, **URL)
    make_product("cup", price=Decimal(500), currency="JPY", availability="preorder", stock=0, **URL)
    make_product("draft", is_active=False, is_draft=True, **URL)
    make_product("retired", is_active=False, **URL)
    make_product("free", price=None, currency="", **URL)
    make_product("nowhere")


def test_feed_has_the_public_products_of_the_catalog_as_acp_describes_them() -> None:
    AgentFeedSettings(is_enabled=True, target_country="DE").save()
    make_catalog()
    build = build_feed(now=NOON)
    assert (build.is_new, build.products, build.variants) == (True, 2, 3)
    feed = read_feed()
    for product in feed:
        jsonschema.validate(product, ACP_PRODUCT)
    metadata = json.loads((get_feed_folder() / METADATA).read_bytes())
    jsonschema.validate(metadata, ACP_METADATA)
    assert metadata["target_country"] == "DE"
    cup, shirt = sorted(feed, key=lambda product: product["id"])
    assert cup["variants"][0]["price"] == {"amount": 500, "currency": "JPY"}
    assert cup["variants"][0]["availability"] == {"available": True, "status": "preorder"}
    red, blue = shirt["variants"]
    assert shirt["id"] == "shirt"
    assert red["price"] == {"amount": 1999, "currency": "EUR"}
    assert red["variant_options"] == [
        {"name": "color", "value": "red"}
    ]  # the size is the same, the margin is not public
    assert red["barcodes"] == [{"type": "GTIN", "value": "4006381333931"}]
    assert blue["availability"] == {"available": False, "status": "out_of_stock"}
    assert "margin" not in json.dumps(feed)
    file = load_feed_file()
    assert file is not None
    assert file.left_out == {"inactive": 2, "no_price": 1, "no_page": 1}


def test_feed_is_built_again_only_after_a_change() -> None:
    AgentFeedSettings(is_enabled=True).save()
    make_product("cup", stock=0, **URL)
    assert build_feed(now=NOON).is_new
    assert not build_feed(now=NOON + timedelta(hours=1)).is_new
    Product.objects.get().save()  # moves updated_at
    assert build_feed(now=NOON + timedelta(hours=2)).is_new
    AgentFeedSettings(is_enabled=True, includes_sold_out=False).save()
    assert build_feed(now=NOON + timedelta(hours=3)).products == 0
    AgentFeedSettings(is_enabled=False).save()
    build_feed(now=NOON)
    assert not AgentFeedFile.objects.exists()
    assert list(get_feed_folder().iterdir()) == []


def test_product_is_published_on_its_publication_date() -> None:
    AgentFeedSettings(is_enabled=True).save()
    make_product("cup", **URL)
    make_product("lamp", published_at=NOON + timedelta(days=1), **URL)
    build_feed(now=NOON)
    assert [product["id"] for product in read_feed()] == ["cup"]
    file = load_feed_file()
    assert file is not None
    assert file.left_out == {"not_yet_published": 1}
    assert not build_feed(now=NOON + timedelta(hours=23)).is_new
    assert build_feed(now=NOON + timedelta(days=1)).products == 2


def test_feed_is_built_again_after_a_change_with_an_earlier_time_and_after_a_new_category_path() -> None:
    AgentFeedSettings(is_enabled=True).save()
    make_product("cup", category="Kitchen", **URL)
    newest = make_product("mug", **URL).updated_at
    assert build_feed(now=NOON).is_new
    Product.objects.filter(product_id="cup").update(price=Decimal("7.00"), updated_at=newest - timedelta(hours=1))
    assert build_feed(now=NOON + timedelta(hours=1)).is_new
    Category.objects.update(path="Dining")
    assert build_feed(now=NOON + timedelta(hours=2)).is_new
    assert not build_feed(now=NOON + timedelta(hours=3)).is_new


def test_build_that_fails_or_is_killed_leaves_the_published_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    AgentFeedSettings(is_enabled=True).save()
    make_product("cup", **URL)
    build_feed(now=NOON)
    before = read_feed()
    make_product("mug", **URL)

    def fail(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "build_acp_product", fail)
    with pytest.raises(KeyboardInterrupt):
        build_feed(now=NOON)
    assert read_feed() == before
    (get_feed_folder() / f"{PRODUCTS}.draft").write_bytes(b"of a killed process")
    monkeypatch.undo()
    build_feed(now=NOON)
    assert sorted(path.name for path in get_feed_folder().iterdir()) == [METADATA, PRODUCTS]


def test_feed_is_fetched_again_only_after_a_change_and_counted_by_agent(client: Client) -> None:
    address = f"/agent-feed/{PRODUCTS}"
    assert client.get(address).status_code == 404
    AgentFeedSettings(is_enabled=True).save()
    assert client.get(address).status_code == 404  # not built yet
    make_product("cup", **URL)
    build_feed(now=NOON)
    headers = {"User-Agent": "Mozilla/5.0 (compatible; OAI-SearchBot/1.3)"}
    response = client.get(address, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (200, "application/gzip")
    assert len(gzip.decompress(b"".join(response)).splitlines()) == 1  # type: ignore[arg-type]
    assert response["Last-Modified"]
    assert client.get(address, headers={**headers, "If-None-Match": response["ETag"]}).status_code == 304
    metadata = json.loads(b"".join(client.get(f"/agent-feed/{METADATA}")))  # type: ignore[arg-type]
    assert metadata["id"].startswith("feed_")
    assert client.get("/agent-feed/other").status_code == 404
    counts = AgentActivity.objects.filter(action="feed", agent="oai-searchbot").values_list("page", "events")
    assert list(counts) == [(PRODUCTS, 2)]


def test_address_that_fetches_too_often_has_to_wait(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    AgentFeedSettings(is_enabled=True).save()
    monkeypatch.setattr(public_access, "LIMITS", public_access.RateLimits(requests=1, bytes=0, names=0))
    statuses = [client.get("/.well-known/ucp").status_code for _number in range(3)]
    assert 429 in statuses  # a minute may end between two of them, not between all three
