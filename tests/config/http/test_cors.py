"""Pages of a publishable key's own origins may read its responses, in front of Django and in the views."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from config.access.grants import clear_key_cache
from config.access.models import ApiKey
from config.api_clients.document import build_document
from config.fast_path import add_fast_path
from config.foundation.rest.origins import clean_origins
from recommendations.serving.rest.api import RecommendationsView
from recommendations.serving.rest.fast_path import Environ, Permit
from tests.config.access.callers import make_key

pytestmark = pytest.mark.django_db

PATH = "/api/v1/recommendations/popular/"
SHOP, OTHER_SHOP, EVIL = "https://shop.example", "https://other.example", "https://evil.example"
NAME = "Access-Control-Allow-Origin"


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    clear_key_cache()
    yield
    clear_key_cache()


def make_page_key(*origins: str, **fields: Any) -> str:
    return make_key(kind="publishable", allowed_origins=list(origins), **fields)[1]


def ask_first(origin: str, path: str = PATH) -> Any:
    headers = {
        "origin": origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }
    return Client().options(path, headers=headers)


def get(key: str, origin: str) -> Any:
    return Client().get(PATH, headers={"authorization": f"Bearer {key}", "origin": origin})


def test_a_preflight_request_passes_for_the_origins_of_all_keys() -> None:
    make_page_key(SHOP)
    make_page_key(OTHER_SHOP)
    make_page_key("https://closed.example", enabled=False)
    assert [ask_first(origin).get(NAME) for origin in (SHOP, OTHER_SHOP, EVIL, "null", "https://closed.example")] == [
        SHOP,
        OTHER_SHOP,
        None,
        None,
        None,
    ]
    assert "authorization" in ask_first(SHOP)["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in ask_first(SHOP)


def test_a_page_on_another_host_can_set_up_browser_push() -> None:
    key = make_page_key(SHOP)
    for path in ("", "public-key/", "remove/"):
        assert ask_first(SHOP, f"/api/v1/push-subscriptions/{path}")[NAME] == SHOP
    headers = {"authorization": f"Bearer {key}", "origin": SHOP}
    assert Client().get("/api/v1/push-subscriptions/public-key/", headers=headers)[NAME] == SHOP


def test_a_page_can_ask_for_the_offers_of_ids_with_slashes() -> None:
    make_page_key(SHOP)
    for path in ("customers/a%2Fb/offers/", "customers/a/offers/", "visitors/a%2Fb/offers/"):
        assert ask_first(SHOP, f"/api/v1/{path}")[NAME] == SHOP
    assert ask_first(SHOP, "/api/v1/customers/a%2Fb/").get(NAME) is None


def test_a_page_can_read_when_to_try_again() -> None:
    response = get(make_page_key(SHOP), SHOP)
    exposed = {name.strip() for name in response["Access-Control-Expose-Headers"].split(",")}
    assert exposed == {"Retry-After", "X-Request-ID", "Perennial-Test-Mode"}


def test_a_response_is_readable_only_for_the_origins_of_its_own_key() -> None:
    key = make_page_key(SHOP)
    make_page_key(OTHER_SHOP)
    assert [get(key, origin).get(NAME) for origin in (SHOP, OTHER_SHOP, EVIL)] == [SHOP, None, None]
    assert "origin" in get(key, EVIL)["Vary"].lower()
    assert "Access-Control-Allow-Credentials" not in get(key, SHOP)


def test_an_error_for_an_unknown_key_is_readable_for_the_shop() -> None:
    make_page_key(SHOP)
    response = get("pk_live_unknown", SHOP)
    assert (response.status_code, response.get(NAME)) == (401, SHOP)
    assert get("pk_live_unknown", EVIL).get(NAME) is None


def test_the_origins_of_the_environment_apply_to_all_keys(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [OTHER_SHOP]
    key = make_page_key(SHOP)
    assert [get(key, origin).get(NAME) for origin in (SHOP, OTHER_SHOP, EVIL)] == [SHOP, OTHER_SHOP, None]
    assert ask_first(OTHER_SHOP)[NAME] == OTHER_SHOP


def test_pages_may_call_all_operations_of_publishable_keys() -> None:
    make_page_key(SHOP)
    paths = [
        path
        for path, methods in build_document()["paths"].items()
        if any(operation.get("x-publishable") for operation in methods.values())
    ]
    assert "/api/v1/privacy/policy/" in paths
    assert [path for path in paths if ask_first(SHOP, re.sub(r"{\w+}", "x", path)).get(NAME) != SHOP] == []


@pytest.mark.parametrize("path", ["/api/v1/customers/", "/admin/", "/api/v1/schema/"])
def test_other_urls_are_closed_to_other_origins(path: str) -> None:
    make_page_key(SHOP)
    assert ask_first(SHOP, path).get(NAME) is None


def test_the_fast_path_allows_the_same_origins(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    permits: list[Permit | None] = []

    def remember(application: Any, *, authorize: Any) -> Any:
        return lambda environ: permits.append(authorize(environ, RecommendationsView))

    monkeypatch.setattr("config.fast_path.serve_recommendations_first", remember)
    authorize: Any = add_fast_path(lambda environ, start_response: [])
    settings.CORS_ALLOWED_ORIGINS = [OTHER_SHOP]
    key = make_page_key(SHOP)
    for origin in (SHOP, OTHER_SHOP, EVIL, "null", ""):
        environ: Environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": f"Bearer {key}", "HTTP_ORIGIN": origin}
        authorize(environ)
    assert [permit.readable_by for permit in permits if permit is not None] == [SHOP, OTHER_SHOP, "", "", ""]


def test_origins_are_edited_on_the_page_of_the_key(admin_client: Client) -> None:
    api_key, plain = make_key(kind="publishable")
    assert get(plain, SHOP).get(NAME) is None
    address = f"/admin/access/apikey/{api_key.pk}/change/"
    fields = {"name": "page", "enabled": "on", "allowed_origins": "https://Shop.example/, http://localhost:3000"}
    assert admin_client.post(address, fields).status_code == 302
    api_key.refresh_from_db()
    assert api_key.allowed_origins == [SHOP, "http://localhost:3000"]
    assert get(plain, SHOP)[NAME] == SHOP


@pytest.mark.parametrize(
    ("kind", "origins", "message"),
    [
        ("publishable", "shop.example", "“shop.example” is not a valid origin"),
        ("publishable", "https://shop.example/path", "is not a valid origin"),
        ("secret", "https://shop.example", "A secret key cannot have allowed origins"),
    ],
)
def test_invalid_origins_are_refused_by_name(admin_client: Client, kind: str, origins: str, message: str) -> None:
    page = admin_client.post(
        "/admin/access/apikey/add/", {"name": "page", "kind": kind, "enabled": "on", "allowed_origins": origins}
    )
    assert message in re.sub(r"&#x27;|&quot;", "'", page.content.decode())
    assert not ApiKey.objects.exists()


def test_origins_become_what_browsers_send() -> None:
    texts = ["HTTPS://Shop.Example:443/", "http://shop.example:80", "https://shop.example", "https://商店.example:8443"]
    assert clean_origins(texts) == [
        "https://shop.example",
        "http://shop.example",
        "https://xn--czrs0t.example:8443",
    ]
    assert clean_origins(["http://[::1]:3000"]) == ["http://[::1]:3000"]


@pytest.mark.parametrize(
    "text",
    ["", "*", "null", "https://", "https://*.example", "https://a.example?x", "https://a.example#x", "ftp://a.example",
     "https://user@a.example", "https://a.example:port", "https://a.example:99999", "javascript:alert(1)", "https://[::1"],
)  # fmt: skip
def test_other_texts_are_no_origins(text: str) -> None:
    with pytest.raises(ValidationError):
        clean_origins([text])
