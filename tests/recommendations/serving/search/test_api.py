"""GET /api/v1/search/ as storefronts call it."""

import json
import time
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.serving.rest.search.request import parse_search_request
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.search import searcher
from recommendations.serving.search.request import InvalidSearchError, SearchRequest, SearchSort
from recommendations.serving.search.searcher import Searcher
from tests.config.access.callers import make_client, make_key
from tests.makers import NOON

SEARCH = "/api/v1/search/"


@pytest.fixture
def shopper(worker: Searcher) -> Client:
    return make_client("recommendations:read")


def get_page(client: Client, status: int = 200, **query: Any) -> dict[str, Any]:
    response = client.get(SEARCH, query)
    assert response.status_code == status, response.content
    return response.json()


def list_ids(page: dict[str, Any]) -> list[str]:
    return [item["product_id"] for item in page["items"]]


def test_the_response_has_the_fields_of_recommendations_and_those_of_search(shopper: Client) -> None:
    page = get_page(shopper, q="Blue kettle", n=1)
    assert set(page) == {
        "recommendation_id", "scenario", "query", "corrected", "search_instead", "query_filters", "fallback", "empty_reason", "total", "items",
        "facets", "suggestions", "model_version", "took_ms", "next_cursor",
    }  # fmt: skip
    assert (page["scenario"], page["query"], page["corrected"], page["fallback"]) == (
        "search",
        "Blue kettle",
        None,
        None,
    )
    assert page["total"] == 4, "few products match all words, so those that match some words follow"
    item = page["items"][0]
    assert (item["product_id"], item["rank"]) == ("k1", 1)
    assert item["reason"] == {"code": "search_all_words", "text": "Matches all search words", "product_ids": []}
    assert item["product"] == {
        "title": "Blue electric kettle", "price": "39.90", "currency": "EUR", "image_url": "", "url": "", "brand": "Hearth",
        "category": "Kitchen > Kettles",
    }  # fmt: skip
    assert page["facets"]["brand"] == [
        {"value": "Hearth", "count": 2},
        {"value": "Leaf", "count": 1},
        {"value": "Basic", "count": 1},
    ]
    assert set(page["facets"]["price"][0]) == {"from", "to", "count"}
    assert list_ids(get_page(shopper, q="Blue kettle", n=2, cursor=page["next_cursor"]))[0] != "k1"


def test_reasons_are_in_the_language_of_the_request(worker: Searcher) -> None:
    chinese = (
        make_client("recommendations:read").get(SEARCH, {"q": "耳机"}, headers={"accept-language": "zh-hans"}).json()
    )
    english = make_client("recommendations:read").get(SEARCH, {"q": "耳机"}, headers={"accept-language": "en"}).json()
    assert list_ids(chinese) == list_ids(english)
    assert chinese["items"][0]["reason"]["code"] == english["items"][0]["reason"]["code"]
    assert get_page(make_client("recommendations:read"), q="耳机", explain="false")["items"][0]["reason"] is None


def test_a_publishable_key_may_search_but_a_key_without_the_scope_may_not(worker: Searcher) -> None:
    browser = Client(headers={"Authorization": f"Bearer {make_key(kind='publishable')[1]}"})
    assert get_page(browser, q="teapot")["total"] == 1
    assert make_client("catalog:read").get(SEARCH).status_code == 403
    assert Client().get(SEARCH).status_code == 401


def test_a_browser_sees_and_filters_by_public_attributes_only(worker: Searcher, shopper: Client) -> None:
    browser = Client(headers={"Authorization": f"Bearer {make_key(kind='publishable')[1]}"})
    assert {"color", "volume"} <= get_page(shopper)["facets"]["attributes"].keys()
    shown = get_page(browser)["facets"]["attributes"].keys()
    assert "color" in shown
    assert not shown & {"volume", "whistling"}
    assert get_page(browser, **{"attributes.color": "blue"})["total"]
    response = browser.get(SEARCH, {"attributes.volume": "1.7 l"})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["attributes.volume"]


@pytest.mark.parametrize(
    ("query", "field"),
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
def test_an_invalid_parameter_is_reported_with_its_field(shopper: Client, query: dict[str, Any], field: str) -> None:
    problem = get_page(shopper, 400, **query)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["type"] == "urn:perennial:problem:validation-failed"
    assert len(problem["errors"][0]["message"]) > 10


def test_all_invalid_parameters_are_reported_at_once(shopper: Client) -> None:
    problem = get_page(shopper, 400, q="x" * 201, n=0, sort="?")
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
def test_unusual_queries_return_products(shopper: Client, q: str) -> None:
    page = get_page(shopper, q=q)
    assert page["query"] == q
    assert page["items"], "popular products fill an empty page"


def test_a_strict_search_without_matches_is_empty(shopper: Client) -> None:
    page = get_page(shopper, q="🍵", strict="true")
    assert (page["total"], page["items"], page["fallback"]) == (0, [], None)
    assert page["empty_reason"]["code"] == "nothing_found"


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ({"category": "Nowhere"}, ["category"]),
        ({"q": "kettle", "brand": "Nobody", "price_min": "1"}, ["brand", "price_min"]),
        ({"attributes.color": "octarine"}, ["attributes.color"]),
        ({"product_ids": "nothing"}, ["product_ids"]),
    ],
)
def test_filters_that_no_product_meets_give_an_empty_list_with_its_reason(
    shopper: Client, query: dict[str, str], filters: list[str]
) -> None:
    page = get_page(shopper, **query)
    assert (page["total"], page["items"], page["fallback"]) == (0, [], None)
    assert (page["empty_reason"]["code"], page["empty_reason"]["filters"]) == ("filters", filters)
    words = "the search words and " if "q" in query else ""
    assert page["empty_reason"]["text"] == f"No product matches {words}the filters."
    if "product_ids" not in query:
        lenient = get_page(shopper, **query, strict="false")
        assert lenient["items"]
        assert (lenient["fallback"], lenient["empty_reason"]) == ("catalogue", None)


def test_a_list_may_be_repeated_and_other_parameters_may_not(shopper: Client) -> None:
    assert set(list_ids(get_page(shopper, product_ids=["k1", "h1"]))) == {"k1", "h1"}
    problem = get_page(shopper, 400, brand=["Leaf", "Hearth"], n=0, colour="red")
    codes = {error["field"]: error["code"] for error in problem["errors"]}
    assert codes == {"brand": "repeated", "n": "invalid", "colour": "unknown_name"}


def test_filters_apply(shopper: Client) -> None:
    assert set(list_ids(get_page(shopper, **{"attributes.color": "blue", "category": "Kitchen"}))) == {"k1", "k3"}
    assert set(list_ids(get_page(shopper, price_max="18.00", in_stock="false", brand="Leaf"))) == {"k3", "k4", "c1"}
    assert set(list_ids(get_page(shopper, product_ids="k1, h1"))) == {"k1", "h1"}
    assert get_page(shopper, q="kettle", facets="false")["facets"] is None
    assert list_ids(get_page(shopper, q="kettle", sort="price"))[0] == "k3"


def test_before_the_products_are_read_the_response_asks_to_retry_later(
    shopper: Client, worker: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", 3600.0)
    worker.refreshed_at = time.monotonic()
    response = shopper.get(SEARCH)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"


def test_the_order_is_personal(trained: Any, loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """user-0 drinks tea, user-1 coffee; cakes are for both."""
    source = Searcher(source=loader, background=False)

    def list_first(**parameters: str) -> list[str]:
        request = parse_search_request({"q": "house", "n": "5", **parameters})
        return list_ids(json.loads(serve_search(request=request, now=NOON, source=source)))

    assert all(name.startswith("tea") for name in list_first(user_id="user-0"))
    assert all(name.startswith("coffee") for name in list_first(user_id="user-1"))
    assert (
        list_first(user_id="user-0", personalised="false")
        == list_first()
        == list_first(user_id="nobody", anonymous_id="unknown-visitor")
    )
    assert list_first(user_id="user-0", sort="price") == list_first(sort="price")


def test_parameters_are_parsed_into_a_request() -> None:
    request = parse_search_request(
        {
            "q": "  tea ",
            "sort": "-price",
            "n": "5",
            "personalised": "0",
            "strict": "1",
            "attributes.a.b": "c",
        },
        language="en",
    )
    assert request == SearchRequest(
        q="tea",
        sort=SearchSort.MOST_EXPENSIVE,
        n=5,
        personalised=False,
        strict=True,
        attributes={"a.b": "c"},
        language="en",
    )


def test_an_unknown_parameter_is_named() -> None:
    assert list_invalid_parameters({"q": "tea", "?": "!", "attributes.x": "y"}) == ["?"]


parameter_names = st.sampled_from(
    ["q", "n", "price_min", "price_max", "in_stock", "sort", "cursor", "product_ids", "attributes.x", "brand", "?"]
)


def list_invalid_parameters(params: dict[str, str]) -> list[str]:
    """Return the parameters reported as invalid; none if the search returns a page."""
    try:
        assert serve_search(request=parse_search_request(params), now=NOON).startswith(b'{"recommendation_id"')
    except InvalidSearchError as error:
        return [name.strip("'") for name in error.errors]
    return []


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.dictionaries(
        parameter_names,
        st.text(max_size=30) | st.sampled_from(["1", "true", "price", "1e5", "-0", "Infinity"]),
        max_size=6,
    )
)
def test_any_parameters_return_a_page_or_name_the_invalid_ones(worker: Searcher, params: dict[str, str]) -> None:
    assert set(list_invalid_parameters(params)) <= set(params)


def test_prices_in_the_query_are_filters_and_named_in_the_response(shopper: Client) -> None:
    page = get_page(shopper, q="kettle under 20 dollars")
    assert sorted(list_ids(page)) == ["k2", "k3"]
    assert page["query_filters"] == {"price_min": None, "price_max": "20.00"}
    assert list_ids(get_page(shopper, q="100元以下的耳机")) == ["h2"]
    assert get_page(shopper, q="kettle")["query_filters"] is None
    given = get_page(shopper, q="kettle under 20 dollars", price_max="100")
    assert given["query_filters"] is None, "a filter of the request wins"
    nothing = get_page(shopper, q="kettle under 1 dollar")
    assert nothing["items"] == []
    assert nothing["empty_reason"]["code"] == "filters"
    assert nothing["empty_reason"]["filters"] == ["price_max"]


def test_titles_are_highlighted_on_request(shopper: Client) -> None:
    page = get_page(shopper, q="red kettle", highlight="true", n=1)
    assert page["items"][0]["highlight"] == [["Red", True], [" ", False], ["kettle", True]]
    assert "highlight" not in get_page(shopper, q="red kettle")["items"][0]


def get_completions(client: Client, status: int = 200, **query: Any) -> dict[str, Any]:
    response = client.get(f"{SEARCH}autocomplete/", query)
    assert response.status_code == status, response.content
    return response.json()


def test_autocomplete_suggests_queries_categories_and_products(shopper: Client) -> None:
    page = get_completions(shopper, q="ket")
    assert page["queries"] == ["kettle"]
    assert page["categories"] == ["Kitchen > Kettles"]
    assert {product["product_id"] for product in page["products"]} == {"k1", "k2", "k3"}
    assert page["products"][0]["title"]
    assert get_completions(shopper, q="blue k")["queries"][0] == "blue kettle"
    assert get_completions(shopper, q="ketel")["queries"] == ["kettle"]
    assert get_completions(shopper, q="耳")["products"][0]["product_id"] in ("h1", "h2")
    assert len(get_completions(shopper, q="kettle", n=1)["products"]) == 1
    assert get_completions(shopper, q="") == {"query": "", "queries": [], "categories": [], "products": []}


def test_autocomplete_rejects_invalid_parameters(shopper: Client) -> None:
    for query, field in (({}, "q"), ({"q": "x" * 201}, "q"), ({"q": "a", "n": 0}, "n"), ({"q": "a", "foo": 1}, "foo")):
        assert [error["field"] for error in get_completions(shopper, 400, **query)["errors"]] == [field]
    assert make_client("catalog:read").get(f"{SEARCH}autocomplete/", {"q": "a"}).status_code == 403
