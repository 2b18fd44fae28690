"""A worker answers with fallbacks until the model is loaded, shares what was loaded before it, and rereads only what has changed."""

import gc
import json
import threading
import weakref
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog.models import Product
from config import health
from config.foundation.database.wait_limits import stop_limiter
from recommendations.engine import IdMap
from recommendations.merchandising.models import Rule
from recommendations.serving.expressions.expression import BoundExpression
from recommendations.serving.expressions.text_parser import parse_filter_text
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.compiled_blends import CompiledBlends
from recommendations.serving.state.compiled_rules import CompiledRules, read_compiled_rules
from recommendations.serving.state.loader import StateLoader
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.state.settings import DEFAULT_CONFIGS
from recommendations.training.models import ModelVersion
from tests.makers import NOON, make_product

FOR_YOU = RecommendationRequest("for-you", user_id="user-0", n=3)


@pytest.fixture
def background_loader(loader: StateLoader) -> StateLoader:
    """A loader that is refreshed by a thread, which is that of the test."""
    loader.is_refreshed_by_thread = True
    return loader


def test_requests_get_fallbacks_until_the_kernels_of_the_model_are_compiled(
    trained: ModelVersion, background_loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader, answers = background_loader, []
    warm_up = CompiledBlends.warm_up

    def answer_meanwhile(blends: CompiledBlends, model: ServingModel) -> None:
        assert (loader.can_answer.is_set(), loader.is_ready) == (True, False)
        answers.append(recommend(request=FOR_YOU, now=NOON, source=loader))
        warm_up(blends, model)

    monkeypatch.setattr(CompiledBlends, "warm_up", answer_meanwhile)
    with loader.lock:
        loader.refresh(now=NOON)
    [early] = answers
    assert (early.fallback_reason, early.model_version, len(early.items)) == ("no_model", "", 3)
    loader.has_refresh_thread = True
    late = recommend(request=FOR_YOU, now=NOON, source=loader)
    assert (late.fallback_reason, late.model_version) == (None, trained.version)


def test_the_state_is_replaced_as_a_whole(trained: ModelVersion, background_loader: StateLoader) -> None:
    background_loader.refresh(now=NOON)
    before = background_loader.state
    assert before is not None
    seen = (before.model, before.blends, before.rules, before.products.generation)
    Rule.objects.create(name="tea first", action="boost", factor=2, category="tea")
    background_loader.refresh(now=NOON)
    assert background_loader.state is not before
    assert (before.model, before.blends, before.rules, before.products.generation) == seen


def test_a_replaced_state_is_freed_without_a_garbage_collection(
    trained: ModelVersion, background_loader: StateLoader
) -> None:
    """The objects of a worker are excluded from garbage collections, so that a cycle would stay in its memory forever."""
    bound = BoundExpression(parse_filter_text("price > 0"), 0)

    def serve() -> tuple[weakref.ref[Any], ...]:
        background_loader.refresh(now=NOON)
        background_loader.has_refresh_thread = True
        recommend(request=replace(FOR_YOU, filter=bound.expression), now=NOON, source=background_loader)
        state = background_loader.state
        assert state is not None
        assert state.products.get_expression_mask(bound).any()
        return weakref.ref(state), weakref.ref(state.products), weakref.ref(state.model), weakref.ref(state.blends)

    replaced = serve()
    state = background_loader.state
    assert state is not None
    products = state.products.rearrange(IdMap.of(["another product"]))
    background_loader.state = replace(state, name="another", checksum="", products=products)
    del state, products
    gc.disable()
    try:
        present = serve()
        assert [reference() for reference in replaced] == [None] * 4
        assert all(reference() is not None for reference in present)
    finally:
        gc.enable()


def test_what_is_loaded_before_the_fork_is_not_loaded_again(
    transactional_db: None, background_loader: StateLoader, settings: Any
) -> None:
    settings.DATABASE_STATEMENT_TIMEOUT = 15  # as `up` sets it for the web server
    loader = background_loader
    make_product("tea")
    stop_limiter()
    threads = set(threading.enumerate())
    loader.preload(now=NOON)
    prepared = loader.prepared
    assert prepared is not None
    assert loader.state is None
    assert connection.connection is None
    assert set(threading.enumerate()) <= threads, "a worker would lack them"
    loader.refresh(now=NOON)
    assert loader.state is not None
    assert loader.state.products is prepared.products
    assert (loader.state.products.find_row("tea"), loader.prepared) == (0, None)


def test_readiness_waits_for_the_model(
    db: None, background_loader: StateLoader, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "loader", background_loader)
    early = client.get("/health/ready")
    assert (early.status_code, json.loads(early.content)["recommendations"]) == (503, False)
    assert client.get("/health/live").status_code == 200
    background_loader.ready.set()
    assert client.get("/health/ready").status_code == 200


def test_only_the_changed_products_of_an_import_are_read_again(db: None) -> None:
    for number in range(5):
        make_product(f"p{number}")
    index = ProductIndex(IdMap.of([]), more=5)
    assert index.refresh(now=NOON) == 5
    Product.objects.filter(product_id="p3").update(price=Decimal("7.50"), updated_at=index.known_until)
    Product.objects.filter(product_id="p1").update(
        price=Decimal("8.50"), updated_at=Product.objects.get(product_id="p1").updated_at + timedelta(seconds=1)
    )
    assert index.refresh(now=NOON) <= 2
    assert index.price[index.find_row("p1")] == 8.5


def test_a_second_change_that_is_committed_late_is_read(db: None) -> None:
    make_product("a", price="10")
    make_product("b")
    index = ProductIndex(IdMap.of([]), more=2)
    index.refresh(now=NOON)
    known = index.known_until
    assert known is not None
    Product.objects.filter(product_id="b").update(updated_at=known + timedelta(seconds=20))
    Product.objects.filter(product_id="a").update(updated_at=known + timedelta(seconds=10))
    assert index.refresh(now=NOON) == 2
    Product.objects.filter(product_id="a").update(price=Decimal("8.50"), updated_at=known + timedelta(seconds=15))
    assert index.refresh(now=NOON) == 1
    assert index.price[index.find_row("a")] == 8.5


def test_a_deletion_is_noticed_if_as_many_products_were_created_meanwhile(db: None) -> None:
    make_product("a")
    make_product("b")
    index = ProductIndex(IdMap.of(["a", "model-only"]), more=2)
    index.refresh(now=NOON)
    Product.objects.filter(product_id="a").delete()
    make_product("c")
    assert index.refresh(now=NOON, thorough=False) == 1
    assert index.shown[index.find_rows(["a", "b", "c"])].tolist() == [True, True, True], "not looked for every second"
    assert index.refresh(now=NOON) == 2
    assert index.shown[index.find_rows(["a", "b", "c"])].tolist() == [False, True, True]
    assert index.refresh(now=NOON) == 0
    Product.objects.all().delete()
    index.refresh(now=NOON)
    assert not index.shown.any()


def test_products_keep_their_values_in_another_order(db: None) -> None:
    make_product("a", sku="A-1", brand="Alpha", tags=["new"], attributes={"color": "blue"})
    make_product("b", sku="B-1", brand="Beta")
    index = ProductIndex(IdMap.of(["a", "b"]))
    index.refresh(now=NOON)
    other = index.rearrange(IdMap.of(["0", "b"]))
    row_a, row_b = other.find_row("a"), other.find_row("B-1")
    assert (row_b, other.product_ids[row_a]) == (1, "a")
    brands = [card.brand for row in (row_a, row_b) if (card := other.cards[row]) is not None]
    assert brands == ["Alpha", "Beta"]
    assert other.cards[0] is None
    other.values.publish()
    column = other.get_column("attributes.color")
    assert column is not None
    assert (column.rows.tolist(), list(column.texts)) == ([row_a], ["blue"])


def test_rules_for_attributes_and_tags_are_compiled_without_reading_products(db: None) -> None:
    make_product("a", tags=["new"], attributes={"color": "blue"})
    make_product("b", attributes={"color": ["red", "blue"]})
    make_product("c", tags=["old"])
    index = ProductIndex(IdMap.of([]), more=3)
    index.refresh(now=NOON)
    Rule.objects.create(name="blue", action="boost", factor=2, attribute_name="color", attribute_value="blue")
    Rule.objects.create(name="new", action="bury", factor=0.5, tag="new")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        rules = read_compiled_rules(before=CompiledRules(), products=index, placements=DEFAULT_CONFIGS, now=NOON)
    assert not [query["sql"] for query in queries if "catalog_product" in query["sql"]]
    matched = {
        entry.rule.name: [index.product_ids[row] for row in entry.mask.nonzero()[0]] for entry in rules.book.rules
    }
    assert matched == {"blue": ["a", "b"], "new": ["a"]}
