"""Filters and boosts of requests over REST, in front of Django and behind."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from recommendations.serving.rest.fast_path import RANK_PATH, RECOMMENDATIONS_PATH, SEARCH_PATH
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.search.searcher import Searcher
from recommendations.serving.state.loader import loader
from tests.config.access.callers import make_key
from tests.recommendations.serving.rest.test_fast_path import Caller, key, normalize

__all__ = ["key"]
POPULAR = RECOMMENDATIONS_PATH + "popular/"
TREE = {"all": [{"field": "brand", "op": "eq", "value": "tea house"}, {"field": "price", "op": "lt", "value": 4}]}


@pytest.fixture
def call(key: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sends a request with the key of the shop's server, and the counter of Django's requests."""
    source = Searcher(source=loader, background=False)
    monkeypatch.setattr(serve_search, "__kwdefaults__", {**(serve_search.__kwdefaults__ or {}), "source": source})
    caller = Caller()

    def send(path: str, *, body: Any = None, caller_key: str = key, **query: Any) -> Any:
        content = {} if body is None else {"method": "POST", "body": json.dumps(body).encode()}
        status, _headers, response = caller(path, urlencode(query), key=caller_key, **content)
        return status, response

    send.caller = caller  # type: ignore[attr-defined]
    return send


def list_ids(response: dict[str, Any]) -> list[str]:
    return [item["product_id"] for item in response["items"]]


def list_errors(response: dict[str, Any]) -> dict[str, str]:
    return {error["field"]: error["message"] for error in response["errors"]}


def test_a_filter_keeps_only_products_that_match(call: Any, key: str, client: Client) -> None:
    text = 'brand in ("tea house", "coffee house") and price < 3'
    status, response = call(POPULAR, filter=text, n=20)
    assert (status, call.caller.reached) == (200, 0), "plain requests are answered in front of Django"
    assert sorted(list_ids(response)) == ["coffee-0", "coffee-1", "tea-0", "tea-1"]
    view = client.get(POPULAR, {"filter": text, "n": 20}, headers={"authorization": f"Bearer {key}"})
    assert normalize(view.json()) == normalize(response)
    assert sorted(list_ids(call(POPULAR, filter=json.dumps(TREE), n=20)[1])) == ["tea-0", "tea-1", "tea-2"]
    assert sorted(list_ids(call(POPULAR, filter=text, category="Drinks > tea")[1])) == ["tea-0", "tea-1"]


def test_a_filter_that_nothing_matches_gives_a_reason_or_is_dropped(call: Any) -> None:
    nothing = call(POPULAR, filter="price > 900")[1]
    assert (nothing["items"], nothing["empty_reason"]["code"]) == ([], "filters")
    assert nothing["empty_reason"]["filters"] == ["filter"]
    dropped = call(POPULAR, filter="price > 900", strict="false")[1]
    assert dropped["items"]
    assert dropped["fallback_reason"] == "filters"


def test_a_boost_moves_products_and_is_explained(call: Any, key: str, client: Client) -> None:
    plain = call(RECOMMENDATIONS_PATH + "for-you/", user_id="user-0", n=5)[1]
    last = plain["items"][-1]["product_id"]
    boost = f'product_id:"{last}" ^ 10, price < 1000 ^ 0.5'
    boosted = call(RECOMMENDATIONS_PATH + "for-you/", user_id="user-0", n=5, boost=boost)[1]
    assert boosted["items"][0]["product_id"] == last
    assert [item["boost"] for item in boosted["items"]] == [5.0, *[0.5] * 4]
    assert all("boost" not in item for item in plain["items"])
    assert call.caller.reached == 0
    query = {"user_id": "user-0", "n": 5, "boost": boost}
    view = client.get(RECOMMENDATIONS_PATH + "for-you/", query, headers={"authorization": f"Bearer {key}"})
    assert normalize(view.json()) == normalize(boosted)


def test_a_ranking_leaves_out_what_does_not_match_and_boosts(call: Any, key: str, client: Client) -> None:
    ids = ["coffee-1", "tea-1", "tea-2", "nothing"]
    body = {"product_ids": ids, "filter": TREE, "boost": [{"expression": 'product_id:"tea-2"', "factor": 10}]}
    status, response = call(RANK_PATH, body=body)
    assert (status, call.caller.reached) == (200, 0)
    assert list_ids(response) == ["tea-2", "tea-1"], "without a history, the boost alone orders"
    assert response["left_out"] == [{"product_id": id_, "why": "filter"} for id_ in ("coffee-1", "nothing")]
    assert [item["boost"] for item in response["items"]] == [10.0, 1.0]
    view = client.post(RANK_PATH, body, content_type="application/json", headers={"authorization": f"Bearer {key}"})
    assert normalize(view.json()) == normalize(response)
    personal = call(RANK_PATH, body={"product_ids": ids, "user_id": "user-0", "boost": 'brand:"coffee house" ^ 10'})[1]
    assert list_ids(personal)[-1] == "nothing"


def test_a_search_filters_and_boosts(call: Any, key: str, client: Client) -> None:
    query = {"q": "number", "n": 3, "filter": 'brand:"tea house"', "boost": 'product_id:"tea-4" ^ 10'}
    status, response = call(SEARCH_PATH, **query)
    assert (status, call.caller.reached) == (200, 0)
    assert response["total"] == 5
    assert response["items"][0]["product_id"] == "tea-4"
    assert response["items"][0]["boost"] == 10.0
    view = client.get(SEARCH_PATH, query, headers={"authorization": f"Bearer {key}"}).json()
    assert normalize(view) == normalize(response)
    empty = call(SEARCH_PATH, q="tea", filter="price > 900")[1]
    assert (empty["items"], empty["empty_reason"]["filters"]) == ([], ["filter"])
    other_filter = {**query, "cursor": response["next_cursor"], "filter": "price < 9"}
    assert "cursor" in list_errors(call(SEARCH_PATH, **other_filter)[1]), "the cursor belongs to its filter"


def test_an_empty_text_is_no_expression_but_empty_json_is_an_error(call: Any) -> None:
    body = {"product_ids": ["tea-1"]}
    assert call(RANK_PATH, body={**body, "filter": "", "boost": ""})[0] == 200
    status, response = call(RANK_PATH, body={**body, "filter": {}, "boost": []})
    assert (status, set(list_errors(response))) == (400, {"filter", "boost"})


@pytest.mark.parametrize("path", [POPULAR, SEARCH_PATH, RANK_PATH])
def test_wrong_expressions_are_named_at_once(call: Any, path: str) -> None:
    wrong = {"filter": 'brnad:"A"', "boost": "price < 1"}
    query = {"body": {"product_ids": ["tea-1"], **wrong}} if path == RANK_PATH else wrong
    status, response = call(path, **query)
    errors = list_errors(response)
    assert (status, set(errors)) == (400, {"filter", "boost"})
    assert "Did you mean brand" in errors["filter"]
    assert "Position 10" in errors["boost"]


@pytest.mark.parametrize("path", [POPULAR, SEARCH_PATH, RANK_PATH, SEARCH_PATH + "autocomplete/"])
def test_a_browser_can_use_only_public_attributes_of_the_catalog(call: Any, settings: Any, path: str) -> None:
    _key, public = make_key(kind="publishable")
    fields = {"filter": 'attributes.color = "red" and not attributes.label = "high margin"'}
    if path != SEARCH_PATH + "autocomplete/":
        fields["boost"] = 'attributes.color = "red" ^ 2, attributes.label starts_with "high" ^ 3'
    query = {"body": {"product_ids": ["tea-1"], **fields}} if path == RANK_PATH else {"q": "tea", **fields}
    if path == POPULAR:
        query.pop("q")
    status, response = call(path, caller_key=public, **query)
    assert status == 400
    errors = list_errors(response)
    assert set(errors) == set(fields)
    assert all(message.startswith("attributes.label cannot be used") for message in errors.values())
    assert call(path, **query)[0] == 200, "the shop's server may use all attributes"
    settings.PUBLIC_ATTRIBUTES = frozenset({"*"})
    assert call(path, caller_key=public, **query)[0] == 200


@pytest.mark.parametrize("path", [POPULAR, SEARCH_PATH, RANK_PATH, SEARCH_PATH + "autocomplete/"])
def test_a_browser_cannot_learn_margins_and_stock(call: Any, path: str) -> None:
    _key, public = make_key(kind="publishable")
    wrong = {"filter": "margin > 0.3 and price < 9", "boost": "stock < 5 ^ 2"}
    if path == SEARCH_PATH + "autocomplete/":
        wrong = {"q": "tea", "filter": wrong["filter"]}
    query = {"body": {"product_ids": ["tea-1"], **wrong}} if path == RANK_PATH else wrong
    status, response = call(path, caller_key=public, **query)
    errors = list_errors(response)
    assert (status, set(errors)) == (400, set(wrong) - {"q"})
    assert "margin cannot be used with a publishable key" in errors["filter"]
    if path != SEARCH_PATH + "autocomplete/":
        assert call(path, **query)[0] == 200, "the shop's server may use them"
