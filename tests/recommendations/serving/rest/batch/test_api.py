"""POST /api/v1/recommendations/batch/: several placements of one page at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from customers.events.recent import interactions
from recommendations.serving.pipeline import visitor
from recommendations.serving.recommend_together import recommend_together
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.rest.batch.api import count_placements
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader, loader
from tests.config.access.callers import make_client, make_key
from tests.makers import NOON
from tests.recommendations.serving.rest.test_fast_path import make_user_token

BATCH = "/api/v1/recommendations/batch/"


@pytest.fixture
def shop_server(trained: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Yield the client of the shop's server, while this process serves the trained model."""
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", 3600.0)
    loader.state = None
    loader.get_state(now=NOON)
    yield make_client("recommendations:read")
    loader.state = None


def post(client: Client, status: int = 200, **body: Any) -> Any:
    response = client.post(BATCH, body, content_type="application/json")
    assert response.status_code == status, response.content
    return response.json()


def list_ids(row: dict[str, Any]) -> list[str]:
    return [item["product_id"] for item in row["items"]]


def test_no_product_is_in_two_placements(shop_server: Client) -> None:
    scenarios = ["for-you", "popular", "trending"]
    body = {"user_id": "user-0", "placements": [{"scenario": name, "n": 5, "key": f"row {name}"} for name in scenarios]}
    rows = post(shop_server, **body)["placements"]
    assert [(row["scenario"], row["key"]) for row in rows] == [(name, f"row {name}") for name in scenarios]
    assert [len(row["items"]) for row in rows] == [5, 5, 5], "later placements are still filled"
    assert len({product_id for row in rows for product_id in list_ids(row)}) == 15
    assert len({row["recommendation_id"] for row in rows}) == 3
    assert [item["rank"] for item in rows[2]["items"]] == [1, 2, 3, 4, 5]
    assert all(row["next_cursor"] is None for row in rows)
    repeated = post(shop_server, **body, distinct=False)["placements"]
    assert set(list_ids(repeated[0])) & set(list_ids(repeated[1]))


def test_each_placement_is_answered_as_if_it_were_alone(shop_server: Client) -> None:
    rows = post(
        shop_server,
        user_id="user-1",
        distinct=False,
        placements=[
            {"scenario": "for-you", "n": 4, "filter": {"field": "brand", "op": "eq", "value": "cake house"}},
            {"scenario": "similar", "product_id": "tea-1", "n": 3, "boost": 'product_id:"coffee-1" ^ 10'},
            {"scenario": "popular", "price_max": "0.50"},
            {"scenario": "categories", "n": 2},
        ],
    )["placements"]
    assert {product_id.partition("-")[0] for product_id in list_ids(rows[0])} == {"cake"}
    single = shop_server.get(
        "/api/v1/recommendations/similar/",
        {"user_id": "user-1", "product_id": "tea-1", "n": 3, "boost": 'product_id:"coffee-1" ^ 10'},
    ).json()
    assert list_ids(rows[1]) == list_ids(single)
    assert (rows[2]["items"], rows[2]["empty_reason"]["code"]) == ([], "filters")
    assert rows[3]["categories"]


def test_products_of_categories_are_shown_products(shop_server: Client) -> None:
    placements = [{"scenario": "categories", "n": 2}, {"scenario": "popular", "n": 10}]
    categories, popular = post(shop_server, user_id="user-0", placements=placements)["placements"]
    shown = {product_id for category in categories["categories"] for product_id in category["product_ids"]}
    assert shown
    assert not shown & set(list_ids(popular))


def test_a_small_shop_has_short_rows_with_reasons(trained: Any, loader: StateLoader) -> None:
    requests = [RecommendationRequest("popular", n=20), RecommendationRequest("trending", n=5)]
    first, second = recommend_together(requests=requests, is_distinct=True, now=NOON, source=loader)
    assert len(first.items) == 15, "all products"
    assert second.items == []
    assert second.empty_reason is not None
    assert second.empty_reason.code == "no_products"


def test_each_placement_counts_as_one_request_of_the_rate_limit(shop_server: Client) -> None:
    client = make_client("recommendations:read", requests_per_minute=5)
    body = {"placements": [{"scenario": "popular", "n": 1}] * 3}
    assert len(post(client, **body)["placements"]) == 3
    assert post(client, 429, **body)["type"] == "urn:perennial:problem:throttled"


def test_a_batch_that_can_never_be_within_the_limit_is_invalid(db: None) -> None:
    client = make_client("recommendations:read", requests_per_minute=5)
    problem = post(client, 400, placements=[{"scenario": "popular"}] * 6)
    assert "counts as 6 requests, but the limit is 5 per minute" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "counted"),
    [({"placements": [{}] * 3}, 3), ({"placements": [{}] * 999}, 20), ({"placements": []}, 0), ({}, 1), ([{}] * 4, 1), (None, 1)],
)  # fmt: skip
def test_a_wrong_body_counts_as_at_most_a_full_batch(body: Any, counted: int) -> None:
    assert count_placements(body) == counted


def test_recent_activity_is_read_once(trained: Any, loader: StateLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def count(**options: Any) -> Any:
        calls.append(options)
        return interactions.read_recent_activity(**options)

    monkeypatch.setattr(visitor, "read_recent_activity", count)
    requests = [RecommendationRequest(name, user_id="user-0", n=3) for name in ("for-you", "buy-again", "popular")]
    assert len(recommend_together(requests=requests, is_distinct=True, now=NOON, source=loader)) == 3
    assert len(calls) == 1


def test_one_wrong_placement_is_named_and_nothing_is_served(
    shop_server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    monkeypatch.setattr("recommendations.serving.rest.serve.record_impression", served.append)
    right = {"scenario": "popular"}
    wrong: list[tuple[list[dict[str, Any]], set[str]]] = [
        ([right, {"scenario": "popular", "n": 0}], {"placements[1].n"}),
        ([right, right, {"scenario": "similar"}], {"placements[2].product_id"}),
        ([{"scenario": "unheard-of"}, {"n": 5}], {"placements[0].scenario", "placements[1].scenario"}),
        ([{"scenario": 5}], {"placements[0].scenario"}),
        ([right, {"scenario": "unheard-of"}], {"placements[1].scenario"}),
        ([right, {**right, "filter": 'brnad:"A"', "colour": "red"}], {"placements[1].filter", "placements[1].colour"}),
        ([{**right, "key": "a"}, {**right, "key": "a"}], {"placements[1].key"}),
        ([{**right, "cursor": "x"}], {"placements[0].cursor"}),
        ([], {"placements"}),
        ([right] * 21, {"placements"}),
    ]
    for placements, fields in wrong:
        problem = post(shop_server, 400, placements=placements)
        assert {error["field"] for error in problem["errors"]} == fields
    landing = post(shop_server, 400, placements=[right, right], landing_category="Nowhere")
    assert [error["field"] for error in landing["errors"]] == ["landing_category"]
    assert {error["field"] for error in post(shop_server, 400, user="x", placements=[right])["errors"]} == {"user"}
    assert served == []


def test_impressions_are_recorded_for_each_placement(shop_server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr("recommendations.serving.rest.serve.record_impression", served.append)
    placements = [{"scenario": "for-you", "n": 2}, {"scenario": "popular", "n": 3}]
    rows = post(shop_server, user_id="user-0", anonymous_id="visitor", placements=placements)["placements"]
    assert [(entry.scenario, entry.recommendation_id, entry.user_id) for entry in served] == [
        (row["scenario"], row["recommendation_id"], "user-0") for row in rows
    ]
    assert [entry.product_ids for entry in served] == [list_ids(row) for row in rows]


def test_a_browser_needs_the_user_token_and_cannot_use_internal_attributes(shop_server: Client) -> None:
    browser = Client(headers={"Authorization": f"Bearer {make_key(kind='publishable')[1]}"})
    body: dict[str, Any] = {"user_id": "user-0", "placements": [{"scenario": "for-you"}, {"scenario": "popular"}]}
    assert [row.get("identity") for row in post(browser, **body)["placements"]] == ["unverified"] * 2
    token = make_user_token("user-0")
    response = browser.post(BATCH, body, content_type="application/json", headers={"x-user-token": token})
    assert ["identity" in row for row in response.json()["placements"]] == [False, False]
    body["placements"][1]["filter"] = "margin > 0.2"
    assert [error["field"] for error in post(browser, 400, **body)["errors"]] == ["placements[1].filter"]
