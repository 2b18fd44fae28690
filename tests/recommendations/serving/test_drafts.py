"""Products that events make are drafts: no visitor reads what an event says of a product."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from catalog.models import Category, Product
from catalog.upsert import upsert_products
from customers.events.models import Source
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.searcher import Searcher
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from tests.config.access.callers import make_client
from tests.customers.processing.event_makers import order, process, product, send, track
from tests.makers import make_source

SPAM = "Zzyzx-Winner"
TITLE = f"{SPAM} visit evil.example"
SPAM_PRODUCT = product("spam", 5, name=TITLE, brand=f"{SPAM} brand", category=f"{SPAM} category")


@pytest.fixture
def shopper(trained: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a client of the trained shop, after events have named a product that the catalog lacks."""
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", 3600.0)
    monkeypatch.setattr(loader_module.loader, "state", None)
    browser = make_source("browser", kind=Source.Kind.BROWSER)
    view = {"product_id": "spam", "name": TITLE, "price": 5}
    send(
        {**track("Product Viewed", view, anonymousId="device-7")},
        {**track("Order Completed", {"order_id": "1", "products": [SPAM_PRODUCT]}, anonymousId="device-7")},
        source=browser,
        at=datetime.now(UTC),
    )
    process()
    return make_client("recommendations:read", "catalog:read", "catalog:write")


def read_every_response(client: Client) -> str:
    """Return the responses of all placements, the ranking and the search, as one text."""
    identity = {"user_id": "user-0", "anonymous_id": "device-7"}
    start = {"product_ids": "spam,tea-1", "in_stock": "false"}
    paths = [f"/api/v1/recommendations/{placement}/" for placement in PLACEMENTS]
    responses = [client.get(path, {**identity, **start, "n": 100}) for path in paths]
    ranked = {"product_ids": ["spam", "tea-1"], "user_id": "user-0", "in_stock": False}
    responses.append(client.post("/api/v1/rank/", ranked, content_type="application/json"))
    assert [response.status_code for response in responses] == [200] * len(responses)
    texts = [response.content.decode() for response in responses]
    searcher = Searcher(source=StateLoader(), background=False)
    for q in (SPAM, SPAM[:4], TITLE, "spam", "Zzyzx-Wimner"):
        request = SearchRequest(q=q, in_stock=False, n=100)
        body = json.loads(serve_search(request=request, now=datetime.now(UTC), source=searcher))
        body.pop("query")
        texts.append(json.dumps(body))
    return "\n".join(texts)


def test_an_anonymous_event_makes_no_product(shopper: Client) -> None:
    assert not Product.objects.filter(product_id="spam").exists()
    assert not Category.objects.filter(path__startswith=SPAM).exists()
    assert SPAM.lower() not in read_every_response(shopper).lower()


def test_an_order_event_of_a_server_makes_a_draft_that_is_shown_nowhere(shopper: Client) -> None:
    send(order(products=[SPAM_PRODUCT]), at=datetime.now(UTC))
    process()
    draft = Product.objects.get(product_id="spam")
    assert (draft.title, draft.is_draft, draft.is_active) == (TITLE, True, False)
    assert SPAM.lower() not in read_every_response(shopper).lower()


def test_a_feed_replaces_a_draft_and_a_person_activates_it(shopper: Client) -> None:
    send(order(products=[SPAM_PRODUCT, product("mug", name="Mug")]), at=datetime.now(UTC))
    process()
    upsert_products(items=[{"product_id": "spam", "title": "Honest pot"}], at=datetime.now(UTC), currency="EUR")
    body = {"is_active": True}
    assert shopper.patch("/api/v1/products/mug/", body, content_type="application/json").status_code == 200
    shown = read_every_response(shopper)
    assert "Honest pot" in shown
    assert "Mug" in shown
    assert SPAM not in shown
