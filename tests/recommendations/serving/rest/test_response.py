"""The JSON of items is joined from parts that are kept per product."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from catalog.models import Product
from recommendations.engine import IdMap
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.response import ItemColumns, RecommendedItem
from recommendations.serving.rest.response import encode_items, encode_numbers
from recommendations.serving.state.product_index import ProductIndex
from tests.makers import NOON, make_product


def decode(items: Sequence[RecommendedItem], products: ProductIndex | None) -> list[dict]:
    return msgspec.json.decode(b"[%b]" % bytes(encode_items(items, products))) if items else []


@pytest.fixture
def products(db: None) -> ProductIndex:
    make_product("tea", title='Tea "green" 绿茶', price=Decimal("4.50"), sku="SKU-1")
    index = ProductIndex(IdMap.of([]), more=1)
    index.refresh(now=NOON)
    return index


def test_items_have_their_product_reason_and_boost(products: ProductIndex) -> None:
    items = [
        RecommendedItem("tea", 1, 0.123456789, None, ItemReason("new", "New"), 0, 1.23456),
        RecommendedItem("gone", 2, 0.0, None, None),
    ]
    first, second = decode(items, products)
    assert list(first) == ["product_id", "rank", "score", "reason", "product", "boost"]
    assert (first["product_id"], first["rank"], first["score"], first["boost"]) == ("tea", 1, 0.123457, 1.2346)
    assert first["reason"] == {"code": "new", "text": "New", "product_ids": []}
    assert (first["product"]["title"], first["product"]["price"]) == ('Tea "green" 绿茶', "4.50")
    assert second == {"product_id": "gone", "rank": 2, "score": 0.0, "reason": None, "product": None}
    assert decode([], products) == []
    assert decode(items[1:], None) == [second]


def test_a_product_named_by_its_sku_keeps_that_name(products: ProductIndex) -> None:
    [item] = decode([RecommendedItem("SKU-1", 1, 1.0, None, None, products.find_row("SKU-1"))], products)
    assert (item["product_id"], item["product"]["price"]) == ("SKU-1", "4.50")


def make_columns(
    ids: list[str], first_rank: int, scores: list[float], products: ProductIndex, reasons: dict
) -> ItemColumns:
    rows = [products.find_row(product_id) for product_id in ids]
    return ItemColumns(
        ids,
        first_rank,
        np.array(scores, np.float32),
        products.cards,
        reasons,
        rows,
        {},
        row_numbers=np.array(rows, np.int32),
        are_catalog_ids=all(map(products.row_by_id.__contains__, ids)),
    )


def test_compiled_code_writes_the_same_text(products: ProductIndex) -> None:
    make_product("milk", title="Milk")
    products.refresh(now=NOON)
    reasons = {products.find_row("tea"): ItemReason("popular", "Popular, 人气")}
    small = [0.0, 4e-7, 6e-7, 9.4e-6, 1e-5, 0.00099, 0.05, 0.1234565, 1.0, 99.999999, 123456.5]
    for score in [*small, *np.random.default_rng(3).random(50).tolist()]:
        columns = make_columns(["tea", "milk", "tea"], 98, [score, score / 3, score * 7], products, reasons)
        assert isinstance(encode_items(columns, products), memoryview)
        assert bytes(encode_items(columns, products)) == encode_items(list(columns), products)


def test_compiled_code_leaves_unusual_items_to_python(products: ProductIndex) -> None:
    for product_id, score in (("SKU-1", 1.0), ("gone", 1.0), ("tea", -0.5), ("tea", 1e12)):
        [item] = decode(make_columns([product_id], 1, [score], products, {}), products)
        assert (item["product_id"], item["score"]) == (product_id, pytest.approx(score))


def test_a_new_price_is_shown_at_once(products: ProductIndex) -> None:
    items = make_columns(["tea"], 1, [1.0], products, {})
    old_card = products.cards[0]
    assert decode(items, products)[0]["product"]["price"] == "4.50"
    Product.objects.update(price=Decimal("5.25"), updated_at=NOON)
    products.known_until = None
    products.refresh(now=NOON)
    assert products.cards[0] is not old_card
    assert decode(items, products)[0]["product"]["price"] == "5.25"
    # a thread that encoded the old card while it was replaced must not leave it behind
    products._json[0] = type(products.get_json(0)).encode("tea", old_card)
    assert decode(items, products)[0]["product"]["price"] == "5.25"


def test_numbers_are_rounded_as_python_rounds_them() -> None:
    values = np.random.default_rng(3).random(500, np.float32) * np.logspace(-9, 3, 500, dtype=np.float32)
    values = np.concatenate([values, np.array([0.0000005, 0.5, -1.25, 1e-5, 123456.78], np.float32)]).tolist()
    assert encode_numbers(values, decimals=6) == [msgspec.json.encode(round(value, 6)) for value in values]
    assert encode_numbers([], decimals=6) == []


def test_a_product_without_a_url_links_to_the_page_of_the_shop(
    products: ProductIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.PRODUCT_URL", "https://shop.example/?id={product_id}")
    make_product("mug/1", url="https://shop.example/mug")
    make_product("cup/1")
    products.refresh(now=NOON)
    items = [RecommendedItem(name, 1, 1.0, None, None, products.find_row(name)) for name in ("cup/1", "mug/1")]
    cup, mug = decode(items, products)
    assert cup["product"]["url"] == "https://shop.example/?id=cup%2F1"
    assert mug["product"]["url"] == "https://shop.example/mug"
