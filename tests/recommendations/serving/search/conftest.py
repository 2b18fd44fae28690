"""Twelve products in two languages, and a search over them as in a fresh worker."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

PRODUCTS: list[dict[str, Any]] = [
    {"product_id": "k1", "sku": "KET-1", "title": "Blue electric kettle", "brand": "Hearth", "category": "Kitchen > Kettles",
     "price": "39.90", "attributes": {"color": "blue", "volume": "1.7 l"}, "tags": ["bestseller"]},
    {"product_id": "k2", "sku": "KET-2", "title": "Red kettle", "brand": "Hearth", "category": "Kitchen > Kettles",
     "price": "19.90", "attributes": {"color": "red", "whistling": True}},
    {"product_id": "k3", "title": "Small kettle", "brand": "Leaf", "category": "Kitchen > Kettles", "price": "12.00",
     "attributes": {"color": "blue"}},
    {"product_id": "k4", "title": "Kettle, sold out", "brand": "Leaf", "category": "Kitchen > Kettles", "price": "9.00", "stock": 0},
    {"product_id": "k5", "title": "Kettle of last year", "brand": "Leaf", "category": "Kitchen > Kettles", "is_active": False},
    {"product_id": "p1", "title": "Glass teapot", "brand": "Leaf", "category": "Kitchen > Teapots", "price": "24.00"},
    {"product_id": "c1", "title": "Crème cups", "brand": "Leaf", "category": "Kitchen > Cups", "price": "18.00"},
    {"product_id": "s1", "title": "T-shirt", "brand": "Basic", "category": "Clothes > Shirts", "price": "15.00",
     "attributes": {"color": ["blue", "white"]}},
    {"product_id": "h1", "title": "无线蓝牙耳机", "brand": "小声", "category": "数码 > 耳机", "price": "199.00", "attributes": {"颜色": "黑"}},
    {"product_id": "h2", "title": "蓝牙运动耳机", "brand": "小声", "category": "数码 > 耳机", "price": "99.00", "attributes": {"颜色": "白"}},
    {"product_id": "b1", "title": "不锈钢保温杯", "brand": "暖家", "category": "厨房 > 杯子", "price": "59.00"},
    {"product_id": "t1", "title": "Television 55 inch", "brand": "Bright", "category": "Electronics > TV"},
]  # fmt: skip


def make_shop() -> None:
    from tests.makers import make_product

    for product in PRODUCTS:
        price = Decimal(product["price"]) if "price" in product else None
        make_product(**{**product, "price": price})


@pytest.fixture
def shop_of_twelve(db: None, folders: Path, valkey: redis.Redis) -> None:
    make_shop()


@pytest.fixture
def fresh_searcher(loader: Any) -> Any:
    """The searcher of a fresh worker, without a thread: requests refresh it."""
    from recommendations.serving.search.searcher import Searcher

    return Searcher(source=loader, background=False)


@pytest.fixture
def worker(shop_of_twelve: None, fresh_searcher: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The fresh searcher, used by the REST view and the back office and refreshed by every request."""
    from recommendations.serving.backoffice.search import preview
    from recommendations.serving.rest.search import autocomplete, serve
    from recommendations.serving.search import searcher, visitor_search

    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", -1.0)
    for function in (
        serve.serve_search,
        autocomplete.serve_autocomplete,
        visitor_search.run_search,
        preview.preview_search,
    ):
        defaults = dict(function.__kwdefaults__ or {}, source=fresh_searcher)
        monkeypatch.setattr(function, "__kwdefaults__", defaults)
    return fresh_searcher
