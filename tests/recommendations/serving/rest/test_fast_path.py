"""The fast path in front of Django gives the same responses as the REST view, which handles everything unusual."""

import json
from collections.abc import Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import msgspec
import pytest
import redis
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import DjangoAssertNumQueries

from config import fast_path
from config.access.grants import clear_key_cache
from config.access.keys import create_api_key
from config.access.models import ApiKey
from config.access.throttling import KeyRateThrottle
from config.fast_path import add_fast_path
from config.foundation import rate_limiter
from config.foundation.rate_limiter import RateLimiter
from customers.events.models import Source
from customers.events.sources.user_tokens import clear_token_key_cache, create_user_token, read_token_key
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.rank import RankRequest
from recommendations.serving.rest.fast_path import (
    AUTOCOMPLETE_PATH,
    RANK_PATH,
    RECOMMENDATIONS_PATH,
    SEARCH_PATH,
    _parse_query,
)
from recommendations.serving.rest.request import NotPlainError, RankBody, RankRequestSerializer, parse_plain_body
from recommendations.serving.rest.search.autocomplete import serve_autocomplete
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.search.searcher import Searcher
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader, loader
from tests.customers.events.client import make_keyed_source
from tests.makers import NOON

CHANGING_FIELDS = ("recommendation_id", "took_ms", "next_cursor")


@pytest.fixture
def key(trained: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the key of the shop's server, while this process serves the trained model."""
    settings.RECOMMEND_DEADLINE_MS = 600_000.0
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", 3600.0)
    now = timezone.now()  # the same for the fast path and the view: scores change by the second
    monkeypatch.setattr(timezone, "now", lambda: now)
    fresh = StateLoader()
    loader.state = None
    loader.damaged_at = fresh.damaged_at
    loader.get_state(now=NOON)
    clear_key_cache()
    yield create_api_key(name="shop", kind=ApiKey.Kind.SECRET, scopes=["recommendations:read"], now=NOON)[1]
    loader.state = None
    clear_key_cache()


class Caller:
    """Calls the WSGI application as Granian does, and counts the requests that reached Django."""

    def __init__(self) -> None:
        self.django = WSGIHandler()
        self.reached = 0
        self.application = add_fast_path(self.pass_on)

    def pass_on(self, environ: Any, start_response: Any) -> Any:
        self.reached += 1
        with patch.object(connections["default"], "close_if_unusable_or_obsolete"):
            return self.django(environ, start_response)

    def __call__(
        self, path: str, query: str = "", *, key: str = "", method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/json" if body else "",
            **({"HTTP_AUTHORIZATION": f"Bearer {key}"} if key else {}),
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }
        response: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
            response.update(status=int(status.split()[0]), headers=dict(headers))

        content = b"".join(self.application(environ, start_response))
        return response["status"], response["headers"], json.loads(content)


def normalize(response: dict[str, Any]) -> dict[str, Any]:
    """Return the response without changing fields and with rounded scores."""
    scored = {
        name: [entry | {"score": round(entry["score"], 3)} for entry in response[name]]
        for name in ("items", "categories")
        if name in response
    }
    return {name: value for name, value in response.items() if name not in CHANGING_FIELDS} | scored


@pytest.mark.parametrize("scenario", sorted(PLACEMENTS))
def test_the_fast_path_returns_the_response_of_the_view(key: str, client: Any, scenario: str) -> None:
    query = "user_id=user-0&product_ids=tea-1,tea-2&n=4&category=Drinks&price_min=1.00&diversity=0.2&explain=true"
    call = Caller()
    for language in ("en", "zh-CN,zh;q=0.9"):
        status, headers, fast = call(RECOMMENDATIONS_PATH + scenario + "/", query, key=key, accept_language=language)
        view = client.get(
            f"{RECOMMENDATIONS_PATH}{scenario}/?{query}",
            headers={"authorization": f"Bearer {key}", "accept-language": language},
        )
        assert (status, call.reached) == (200, 0)
        assert headers["Content-Type"] == view["Content-Type"] == "application/json"
        assert normalize(fast) == normalize(view.json())


@given(st.text("ab=&%+é2 ;", max_size=20))
def test_a_query_is_decoded_as_the_standard_library_decodes_it(query: str) -> None:
    try:
        expected = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        with pytest.raises(NotPlainError):
            _parse_query(query)
    else:
        assert _parse_query(query) == expected


def test_the_fast_path_returns_the_ranking_of_the_view(key: str, client: Any) -> None:
    call = Caller()
    body = json.dumps({"user_id": "user-0", "product_ids": ["coffee-1", "tea-1", "nothing"]}).encode()
    status, _headers, fast = call(RANK_PATH, key=key, method="POST", body=body)
    view = client.post(RANK_PATH, body, content_type="application/json", headers={"authorization": f"Bearer {key}"})
    assert (status, call.reached) == (200, 0)
    assert normalize(fast) == normalize(view.json())
    assert [item["product_id"] for item in fast["items"]] == ["tea-1", "coffee-1", "nothing"]


def test_the_fast_path_reads_every_field_of_a_ranking(key: str, client: Any) -> None:
    content = {
        "product_ids": ["coffee-1", "tea-1"], "user_id": "user-0", "anonymous_id": "a-1", "in_stock": False, "personalised": False,
        "explain": False, "filter": "price < 90", "boost": 'brand:"A" ^ 1.5',
    }  # fmt: skip
    assert content.keys() == {field.name for field in msgspec.structs.fields(RankBody)}
    serializer = RankRequestSerializer(data=content)
    assert serializer.is_valid()
    assert parse_plain_body(json.dumps(content).encode()) == RankRequest(**serializer.validated_data)
    body = {"user_id": "user-0", "product_ids": ["coffee-1", "tea-1"], "personalised": False}
    answers = [
        Caller()(RANK_PATH, key=key, method="POST", body=json.dumps(body | other).encode())[2]
        for other in ({}, {"user_id": "x"})
    ]
    assert normalize(answers[0]) == normalize(answers[1]), "the order is the same for everyone"


def test_the_fast_path_returns_the_search_of_the_view(key: str, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Searcher(source=loader, background=False)
    monkeypatch.setattr(serve_search, "__kwdefaults__", {**(serve_search.__kwdefaults__ or {}), "source": source})
    query = "q=tea&user_id=user-0&n=3&price_min=1&sort=relevance&strict=no&attributes.color=&in_stock=yes"
    call = Caller()
    status, _headers, fast = call(SEARCH_PATH, query, key=key)
    view = client.get(f"{SEARCH_PATH}?{query}", headers={"authorization": f"Bearer {key}"})
    assert (status, call.reached) == (200, 0)
    assert normalize(fast) == normalize(view.json())
    assert len(fast["items"]) == 3


@pytest.mark.parametrize(
    "query", ["q=te", "q=house+te&n=2", "q=", "q=tea&filter=price+%3C+100&n=20", "q=%20t", "q=zz", "q=TEA&filter="]
)
def test_the_fast_path_returns_the_autocompletion_of_the_view(
    key: str, client: Any, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    source = Searcher(source=loader, background=False)
    monkeypatch.setattr(serve_autocomplete, "__kwdefaults__", {"source": source})
    call = Caller()
    for language in ("en", "zh-hans"):
        status, headers, fast = call(AUTOCOMPLETE_PATH, query, key=key, accept_language=language)
        view = client.get(
            f"{AUTOCOMPLETE_PATH}?{query}", headers={"authorization": f"Bearer {key}", "accept-language": language}
        )
        assert (status, call.reached) == (200, 0)
        assert headers["Content-Type"] == view["Content-Type"] == "application/json"
        assert fast == view.json()
        assert bool(fast["products"]) == (query not in ("q=", "q=zz"))


@pytest.mark.parametrize("query", ["", "n=5", "q=a&n=0", "q=a&n=21", "q=a&n=x", "q=a&q=b", "q=a&colour=red", "q=a%00"])
def test_an_invalid_autocompletion_gives_the_problem_of_the_view(key: str, client: Any, query: str) -> None:
    call = Caller()
    status, _headers, problem = call(AUTOCOMPLETE_PATH, query, key=key)
    view = client.get(f"{AUTOCOMPLETE_PATH}?{query}", headers={"authorization": f"Bearer {key}"})
    assert (status, call.reached) == (400, 1)
    assert problem == view.json()


def test_the_rate_limit_of_a_key_applies_to_autocomplete(
    key: str, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_autocomplete, "__kwdefaults__", {"source": Searcher(source=loader, background=False)})
    ApiKey.objects.update(requests_per_minute=3)
    clear_key_cache()
    call = Caller()
    statuses = [call(AUTOCOMPLETE_PATH, "q=te", key=key)[0] for _time in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (RECOMMENDATIONS_PATH + "popular/", "category=Drinks+%3E+wine&brand=tea+house"),
        (RECOMMENDATIONS_PATH + "for-you/", "price_min=900&strict=false"),
        (RECOMMENDATIONS_PATH + "popular/", "exclude=tea-1&exclude=tea-2,coffee-1&n=50"),
        (SEARCH_PATH, "q=tea&category=Nowhere"),
        (SEARCH_PATH, "product_ids=tea-1&product_ids=tea-2"),
    ],
)
def test_filters_and_repeated_lists_have_the_same_effect_as_in_the_view(
    key: str, client: Any, monkeypatch: pytest.MonkeyPatch, path: str, query: str
) -> None:
    source = Searcher(source=loader, background=False)
    monkeypatch.setattr(serve_search, "__kwdefaults__", {**(serve_search.__kwdefaults__ or {}), "source": source})
    call = Caller()
    for language in ("en", "zh-hans"):
        status, _headers, fast = call(path, query, key=key, accept_language=language)
        headers = {"authorization": f"Bearer {key}", "accept-language": language}
        view = client.get(f"{path}?{query}", headers=headers).json()
        assert (status, call.reached) == (200, 0)
        assert normalize(fast) == normalize(view)
        joined = query.replace("&exclude=", ",").replace("&product_ids=", ",")
        assert normalize(fast) == normalize(client.get(f"{path}?{joined}", headers=headers).json())
    found = {item["product_id"] for item in fast["items"]}
    assert not found & {"tea-1", "tea-2", "coffee-1"} if "exclude" in query else True
    assert (fast["empty_reason"] is None) == bool(found)


def test_all_wrong_parameters_are_named_at_once(key: str) -> None:
    call = Caller()
    query = "n=0&price_min=9&price_max=1&colour=red&in_stock=perhaps&brand=a&brand=b"
    status, _headers, problem = call(RECOMMENDATIONS_PATH + "similar/", query, key=key)
    assert status == 400
    assert {error["field"] for error in problem["errors"]} == {
        *("n", "price_min", "colour", "in_stock", "product_id", "brand")
    }


def test_a_loaded_state_answers_without_database_queries(
    key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    call = Caller()
    call(RECOMMENDATIONS_PATH + "for-you/", "user_id=user-0", key=key)
    with django_assert_num_queries(0):
        for scenario in PLACEMENTS:
            status, _headers, body = call(
                RECOMMENDATIONS_PATH + scenario + "/", "user_id=user-0&product_id=tea-1", key=key
            )
            assert status == 200
            assert body["items"] or body["categories"]
        call(RANK_PATH, key=key, method="POST", body=b'{"product_ids": ["tea-1"], "user_id": "user-0"}')
    assert call.reached == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("n=0", "n"),
        ("n=1000000000", "n"),
        ("n=ten", "n"),
        ("price_min=9&price_max=1", "price_min"),
        ("price_min=-1", "price_min"),
        ("cursor=%F0%9F%90%88", "cursor"),
        ("user_id=" + "x" * 300, "user_id"),
        ("user_id=a%00b", "user_id"),
        ("diversity=7", "diversity"),
        ("in_stock=perhaps", "in_stock"),
        ("landing_category=%27%3B+DROP+TABLE+x%3B--", "landing_category"),
    ],
)
def test_an_invalid_parameter_gives_the_same_problem_as_in_the_view(
    key: str, client: Any, query: str, field: str
) -> None:
    call = Caller()
    status, headers, problem = call(RECOMMENDATIONS_PATH + "popular/", query, key=key)
    view = client.get(f"{RECOMMENDATIONS_PATH}popular/?{query}", headers={"authorization": f"Bearer {key}"})
    assert problem == view.json()
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert call.reached == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "product_ids"),
        (b'{"product_ids": []}', "product_ids"),
        (b'{"product_ids": "tea-1"}', "product_ids"),
        (json.dumps({"product_ids": ["x"] * 1001}).encode(), "product_ids"),
        (b'{"product_ids": ["a"], "in_stock": "perhaps"}', "in_stock"),
    ],
)
def test_an_invalid_ranking_body_names_the_field(key: str, body: bytes, field: str) -> None:
    status, _headers, problem = Caller()(RANK_PATH, key=key, method="POST", body=body)
    assert status == 400
    assert {error["field"].partition("[")[0] for error in problem["errors"]} == {field}


def test_the_view_rejects_missing_and_invalid_keys_and_methods(key: str) -> None:
    call = Caller()
    assert call(RECOMMENDATIONS_PATH + "popular/")[0] == 401
    assert call(RECOMMENDATIONS_PATH + "popular/", key="pk_live_wrong")[0] == 401
    assert call(RECOMMENDATIONS_PATH + "popular/", key=key, method="POST", body=b"{}")[0] == 405
    assert call(RANK_PATH, key=key)[0] == 405
    _secret, plain = create_api_key(name="server", kind=ApiKey.Kind.SECRET, scopes=["orders:read"], now=NOON)
    assert call(RECOMMENDATIONS_PATH + "popular/", key=plain)[0] == 403
    assert call(RECOMMENDATIONS_PATH + "psychic/", key=key)[0] == 400


def test_the_rate_limit_of_a_key_applies_on_the_fast_path(key: str, valkey: redis.Redis) -> None:
    ApiKey.objects.update(requests_per_minute=3)
    clear_key_cache()
    call = Caller()
    responses = [call(RECOMMENDATIONS_PATH + "popular/", "user_id=user-0", key=key) for _time in range(5)]
    assert [status for status, _headers, _body in responses[:3]] == [200, 200, 200]
    assert responses[4][0] == 429
    assert int(responses[4][1]["Retry-After"]) >= 1


def test_only_allowed_origins_get_a_cors_header(key: str, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    call = Caller()
    ours = call(RECOMMENDATIONS_PATH + "popular/", key=key, origin="https://shop.example")[1]
    other = call(RECOMMENDATIONS_PATH + "popular/", key=key, origin="https://evil.example")[1]
    assert ours["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Origin" not in other


def test_the_language_cookie_takes_precedence_over_the_browser(key: str) -> None:
    call = Caller()
    request = (RECOMMENDATIONS_PATH + "popular/", "n=1")
    switched = call(*request, key=key, accept_language="en", cookie="django_language=zh-hans")[2]
    browser = call(*request, key=key, accept_language="fr, zh-Hans;q=0.8, en;q=0.5")[2]
    neither = call(*request, key=key, accept_language="fr")[2]
    assert switched["items"][0]["reason"]["text"] == browser["items"][0]["reason"]["text"] == "当前热门"
    assert neither["items"][0]["reason"]["text"] == "Popular right now"


def test_without_valkey_responses_come_from_the_model_alone(key: str, settings: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    call = Caller()
    status, _headers, body = call(RECOMMENDATIONS_PATH + "for-you/", "user_id=user-0", key=key)
    assert (status, body["fallback"]) == (200, None)
    assert call(RECOMMENDATIONS_PATH + "for-you/", "anonymous_id=guest", key=key)[2]["fallback"] == "popular"


def test_without_valkey_the_process_counts_the_requests(
    key: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VALKEY_URL, settings.API_REQUESTS_PER_MINUTE = "redis://127.0.0.1:1/0", 2
    now = 1_800_000_015.5
    monkeypatch.setattr(rate_limiter, "_local_limiter", RateLimiter(clock=lambda: now))
    monkeypatch.setattr(KeyRateThrottle, "get_now", staticmethod(lambda: now))
    monkeypatch.setattr(fast_path, "time", SimpleNamespace(time=lambda: now))
    call = Caller()
    answers = [call(RECOMMENDATIONS_PATH + "for-you/", "user_id=user-0", key=key) for _time in range(3)]
    assert [status for status, _headers, _body in answers] == [200, 200, 429]
    assert (answers[2][1]["Retry-After"], call.reached) == ("45", 1)


@pytest.fixture
def browser_key(key: str) -> str:
    return create_api_key(name="browser", kind=ApiKey.Kind.PUBLISHABLE, now=NOON)[1]


def get_view(client: Any, query: str, key: str, **headers: str) -> dict[str, Any]:
    response = client.get(
        f"{RECOMMENDATIONS_PATH}for-you/?{query}", headers={"authorization": f"Bearer {key}", **headers}
    )
    assert response.status_code == 200, response.content
    return normalize(response.json())


def test_a_browser_reads_nothing_of_a_customer_without_a_user_token(key: str, browser_key: str, client: Any) -> None:
    call = Caller()
    stranger = normalize(call(RECOMMENDATIONS_PATH + "for-you/", "n=4", key=browser_key)[2])
    customer = normalize(call(RECOMMENDATIONS_PATH + "for-you/", "n=4&user_id=user-0", key=key)[2])
    assert customer["items"] != stranger["items"]
    query = "n=4&user_id=user-0"
    for headers in ({}, {"x_user_token": "1.2"}, {"x_user_token": make_user_token("user-1")}):
        _status, _headers, fast = call(RECOMMENDATIONS_PATH + "for-you/", query, key=browser_key, **headers)
        assert normalize(fast) == {**stranger, "identity": "unverified"}
        slow = get_view(client, query, browser_key, **{name.replace("_", "-"): text for name, text in headers.items()})
        assert slow == {**stranger, "identity": "unverified"}
    assert call.reached == 0


def test_a_user_token_proves_the_customer(key: str, browser_key: str, client: Any) -> None:
    call = Caller()
    query = "n=4&user_id=user-0"
    customer = normalize(call(RECOMMENDATIONS_PATH + "for-you/", query, key=key)[2])
    token = make_user_token("user-0")
    verified = normalize(call(RECOMMENDATIONS_PATH + "for-you/", query, key=browser_key, x_user_token=token)[2])
    assert [item["product_id"] for item in verified["items"]] == [item["product_id"] for item in customer["items"]]
    assert "identity" not in verified
    assert get_view(client, query, browser_key, **{"x-user-token": token}) == verified


def test_ranking_and_search_need_the_token_too(key: str, browser_key: str) -> None:
    call = Caller()
    body = json.dumps({"user_id": "user-0", "product_ids": ["coffee-1", "tea-1"]}).encode()
    _status, _headers, ranking = call(RANK_PATH, key=browser_key, method="POST", body=body)
    assert (ranking["identity"], ranking["items"][0]["product_id"]) == ("unverified", "coffee-1")
    token = make_user_token("user-0")
    _status, _headers, ranking = call(RANK_PATH, key=browser_key, method="POST", body=body, x_user_token=token)
    assert ranking["items"][0]["product_id"] == "tea-1"
    assert "identity" not in ranking


def test_a_browser_reads_no_number_of_purchases(key: str, browser_key: str) -> None:
    call = Caller()
    reasons: dict[str, set[str]] = {}
    for name, headers in ((key, {}), (browser_key, {"x_user_token": make_user_token("user-0")})):
        _status, _headers, page = call(RECOMMENDATIONS_PATH + "for-you/", "n=20&user_id=user-0", key=name, **headers)
        reasons[name] = {item["reason"]["text"] for item in page["items"]}
    assert not any(letter.isdigit() for text in reasons[browser_key] for letter in text if "times" in text)


def test_an_old_key_without_the_switch_answers_for_any_customer(key: str, browser_key: str) -> None:
    ApiKey.objects.filter(name="browser").update(requires_user_token=False)
    clear_key_cache()
    call = Caller()
    query = "n=4&user_id=user-0"
    customer = normalize(call(RECOMMENDATIONS_PATH + "for-you/", query, key=key)[2])
    page = normalize(call(RECOMMENDATIONS_PATH + "for-you/", query, key=browser_key)[2])
    assert [item["product_id"] for item in page["items"]] == [item["product_id"] for item in customer["items"]]


def make_user_token(user_id: str) -> str:
    source, _key = make_keyed_source(f"web-{user_id}", kind=Source.Kind.BROWSER)
    clear_token_key_cache()
    token_key = read_token_key(source.sealed_token_key)
    return create_user_token(key=token_key, user_id=user_id, now=timezone.now())
