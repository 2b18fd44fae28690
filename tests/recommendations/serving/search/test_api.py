"""GET /api/v1/search/ as storefronts call it."""

import json
import time
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.serving.rest.search.request import (
    InvalidSearchError,
    SearchRequest,
    SearchSort,
    parse_search_request,
)
from recommendations.serving.rest.search.response import respond_to_parameters
from recommendations.serving.search import searcher
from recommendations.serving.search.searcher import Searcher
from tests.config.access.callers import make_client, make_key
from tests.makers import NOON

SEARCH = "/api/v1/search/"


@pytest.fixture
def shopper(worker: Searcher) -> Client:
    return make_client("recommendations:read")


def answer(client: Client, status: int = 200, **query: Any) -> dict[str, Any]:
    response = client.get(SEARCH, query)
    assert response.status_code == status, response.content
    return response.json()


def ids(found: dict[str, Any]) -> list[str]:
    return [item["product_id"] for item in found["items"]]


def test_the_answer_has_the_shape_of_recommendations_and_what_search_adds(shopper: Client) -> None:
    found = answer(shopper, q="Blue kettle", n=1)
    assert set(found) == {
        "recommendation_id", "scenario", "query", "corrected", "fallback", "total", "items", "facets", "suggestions",
        "model_version", "took_ms", "next_cursor",
    }  # fmt: skip
    assert (found["scenario"], found["query"], found["corrected"], found["fallback"]) == (
        "search",
        "Blue kettle",
        None,
        None,
    )
    assert found["total"] == 4, "few have all words, so those with some follow"
    item = found["items"][0]
    assert (item["product_id"], item["rank"]) == ("k1", 1)
    assert item["reason"] == {"code": "search_all_words", "text": "Matches all search words", "product_ids": []}
    assert item["product"] == {
        "title": "Blue electric kettle", "price": "39.90", "currency": "EUR", "image_url": "", "url": "", "brand": "Hearth",
        "category": "Kitchen > Kettles",
    }  # fmt: skip
    assert found["facets"]["brand"] == [
        {"value": "Hearth", "count": 2},
        {"value": "Leaf", "count": 1},
        {"value": "Basic", "count": 1},
    ]
    assert set(found["facets"]["price"][0]) == {"from", "to", "count"}
    assert ids(answer(shopper, q="Blue kettle", n=2, cursor=found["next_cursor"]))[0] != "k1"


def test_reasons_are_worded_in_the_readers_language(worker: Searcher) -> None:
    chinese = (
        make_client("recommendations:read").get(SEARCH, {"q": "耳机"}, headers={"accept-language": "zh-hans"}).json()
    )
    english = make_client("recommendations:read").get(SEARCH, {"q": "耳机"}, headers={"accept-language": "en"}).json()
    assert ids(chinese) == ids(english)
    assert chinese["items"][0]["reason"]["code"] == english["items"][0]["reason"]["code"]
    assert answer(make_client("recommendations:read"), q="耳机", explain="false")["items"][0]["reason"] is None


def test_a_publishable_key_may_search_and_a_key_without_the_scope_may_not(worker: Searcher) -> None:
    browser = Client(headers={"Authorization": f"Bearer {make_key(kind='publishable')[1]}"})
    assert answer(browser, q="teapot")["total"] == 1
    assert make_client("catalog:read").get(SEARCH).status_code == 403
    assert Client().get(SEARCH).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"q": "x" * 201}, "q"),
        ({"q": "x" * 10_000}, "q"),
        ({"q": "a\x00b"}, "q"),
        ({"n": 0}, "n"),
        ({"n": 10**9}, "n"),
        ({"n": "9" * 5000}, "n"),
        ({"n": "ten"}, "n"),
        ({"price_min": "cheap"}, "price_min"),
        ({"price_min": "NaN"}, "price_min"),
        ({"price_min": "1e400"}, "price_min"),
        ({"price_max": "-1"}, "price_max"),
        ({"price_min": "3", "price_max": "2"}, "price_min"),
        ({"in_stock": "maybe"}, "in_stock"),
        ({"sort": "random"}, "sort"),
        ({"cursor": "???"}, "cursor"),
        ({"user_id": "u" * 256}, "user_id"),
        ({"brand": "b\x00"}, "brand"),
        ({"attributes.color": "c" * 256}, "'attributes.color'"),
        ({"product_ids": ",".join(map(str, range(1001)))}, "product_ids"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(shopper: Client, wrong: dict[str, Any], field: str) -> None:
    problem = answer(shopper, 400, **wrong)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["type"] == "urn:perennial:problem:validation-failed"
    assert len(problem["errors"][0]["message"]) > 10


def test_all_wrong_values_are_named_at_once(shopper: Client) -> None:
    problem = answer(shopper, 400, q="x" * 201, n=0, sort="?")
    assert {error["field"] for error in problem["errors"]} == {"q", "n", "sort"}
    assert "200" in next(error["message"] for error in problem["errors"] if error["field"] == "q")


@pytest.mark.parametrize(
    "q",
    [
        "'; DROP TABLE catalog_product; --",
        "<script>alert(1)</script>",
        "🍵🫖",
        "שלום כתה",
        "\u202ekettle",
        "%00",
        "a" * 200,
    ],
)
def test_odd_queries_are_answered(shopper: Client, q: str) -> None:
    found = answer(shopper, q=q)
    assert found["query"] == q
    assert found["items"], "never an empty page"


def test_a_strict_search_without_matches_stays_empty(shopper: Client) -> None:
    found = answer(shopper, q="🍵", strict="true")
    assert (found["total"], found["items"], found["fallback"]) == (0, [], None)


def test_filters_come_by_their_names(shopper: Client) -> None:
    assert set(ids(answer(shopper, **{"attributes.color": "blue", "category": "Kitchen"}))) == {"k1", "k3"}
    assert set(ids(answer(shopper, price_max="18.00", in_stock="false", brand="Leaf"))) == {"k3", "k4", "c1"}
    assert set(ids(answer(shopper, product_ids="k1, h1"))) == {"k1", "h1"}
    assert answer(shopper, q="kettle", facets="false")["facets"] is None
    assert ids(answer(shopper, q="kettle", sort="price"))[0] == "k3"


def test_before_the_products_are_read_the_answer_says_when_to_come_again(
    shopper: Client, worker: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", 3600.0)
    worker.looked_at = time.monotonic()
    response = shopper.get(SEARCH)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"


def test_the_order_is_personal(trained: Any, loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """user-0 drinks tea, user-1 coffee; cakes are for both."""
    source = Searcher(source=loader, background=False)
    query = {"q": "house", "n": "5"}

    def first(**more: str) -> list[str]:
        return ids(json.loads(respond_to_parameters({**query, **more}, NOON, source=source)))

    assert all(name.startswith("tea") for name in first(user_id="user-0"))
    assert all(name.startswith("coffee") for name in first(user_id="user-1"))
    assert (
        first(user_id="user-0", personalised="false") == first() == first(user_id="nobody", anonymous_id="never seen")
    )
    assert first(user_id="user-0", sort="price") == first(sort="price")


def test_parse_reads_what_it_writes() -> None:
    request = parse_search_request(
        {
            "q": "  tea ",
            "sort": "-price",
            "n": "5",
            "personalised": "0",
            "strict": "1",
            "attributes.a.b": "c",
            "?": "!",
        },
        language="en",
    )
    assert request == SearchRequest(
        q="tea", sort=SearchSort.DEAREST, n=5, personalised=False, strict=True, attributes={"a.b": "c"}, language="en"
    )


names = st.sampled_from(
    ["q", "n", "price_min", "price_max", "in_stock", "sort", "cursor", "product_ids", "attributes.x", "brand", "?"]
)


def refused(params: dict[str, str]) -> list[str]:
    """The fields that are wrong; the answer of a search with them is none at all."""
    try:
        assert respond_to_parameters(params, NOON).startswith(b'{"recommendation_id"')
    except InvalidSearchError as error:
        return [name.strip("'") for name in error.errors]
    return []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        names, st.text(max_size=30) | st.sampled_from(["1", "true", "price", "1e5", "-0", "Infinity"]), max_size=6
    )
)
def test_any_parameters_are_answered_or_refused_by_name(worker: Searcher, params: dict[str, str]) -> None:
    assert set(refused(params)) <= set(params)
