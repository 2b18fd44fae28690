"""No shared cache may store a personal response, and unchanged ones are answered with 304."""

from typing import Any

import pytest
from django.test import Client

from config.http.compression import MIN_BYTES
from customers.events.sources.write_keys import clear_source_cache
from tests.config.access.callers import make_bearer_client, make_key
from tests.customers.events.client import build_basic_auth, make_keyed_source
from tests.makers import make_customer, make_product

pytestmark = pytest.mark.django_db

PERSONAL = [
    "/admin/",
    "/admin/login/",
    "/admin/access/apikey/",
    "/api/v1/customers/",
    "/api/v1/customers/1/",
    "/api/v1/orders/",
    "/api/v1/events/",
    "/api/v1/recommendations/for-you/?user_id=u1",
    "/api/v1/recommendations/popular/",
    "/api/v1/recommendations/nowhere/",
    "/api/v1/unknown/",
    "/nowhere/",
    "/shop/",
    "/health/ready",
    "/",
]


def read_vary(response: Any) -> set[str]:
    return {name.strip().lower() for name in response["Vary"].split(",")}


@pytest.mark.parametrize("path", PERSONAL)
def test_no_shared_cache_stores_a_response(admin_client: Client, path: str) -> None:
    make_customer("u1")
    response = admin_client.get(path)
    directives = {directive.strip() for directive in response["Cache-Control"].split(",")}
    assert directives & {"private", "no-store"}
    assert directives & {"no-store", "no-cache"}
    assert "public" not in directives
    if path.startswith("/api/"):
        assert {"authorization", "cookie"} <= read_vary(response)
    assert "ETag" not in response


def test_an_unchanged_product_is_answered_with_304() -> None:
    product = make_product("tea", title="Tea " * 30)
    client = make_bearer_client(make_key("catalog:read")[1])
    response = client.get("/api/v1/products/tea/")
    assert response["Cache-Control"] == "private, no-cache"
    assert {"authorization", "accept-language"} <= read_vary(response)
    tagged = {"if-none-match": response["ETag"]}
    again = client.get("/api/v1/products/tea/", headers=tagged)
    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Cache-Control"]) == (response["ETag"], "private, no-cache")
    product.title = "Green tea"
    product.save()
    assert client.get("/api/v1/products/tea/", headers=tagged).status_code == 200
    assert Client().get("/api/v1/products/tea/", headers=tagged).status_code == 401  # a tag is no key


def test_the_unchanged_schema_is_answered_with_304(admin_client: Client) -> None:
    response = admin_client.get("/api/v1/schema/", headers={"accept-encoding": "gzip"})
    assert (response["Cache-Control"], response["Content-Encoding"]) == ("private, no-cache", "gzip")
    headers = {"if-none-match": response["ETag"], "accept-encoding": "gzip"}
    assert admin_client.get("/api/v1/schema/", headers=headers).status_code == 304


def test_browsers_keep_the_settings_of_a_source_and_ask_for_changes() -> None:
    clear_source_cache()
    _source, key = make_keyed_source()
    headers = {"origin": "https://shop.example"}
    response = Client().get(f"/v1/projects/{key}/settings", headers=headers)
    assert response["Cache-Control"] == "private, max-age=300"
    assert {"origin", "authorization", "x-write-key"} <= read_vary(response)
    again = Client().get(f"/v1/projects/{key}/settings", headers={**headers, "if-none-match": response["ETag"]})
    assert (again.status_code, again["Access-Control-Allow-Origin"]) == (304, "https://shop.example")
    other = Client().get("/sourceConfig/", headers={**build_basic_auth(key), "if-none-match": response["ETag"]})
    assert other.status_code == 200
    clear_source_cache()


def test_long_responses_are_compressed(admin_client: Client) -> None:
    page = admin_client.get("/admin/", headers={"accept-encoding": "gzip, br"})
    assert page["Content-Encoding"] == "gzip"
    assert "accept-encoding" in read_vary(page)
    assert len(page.content) * 3 < len(admin_client.get("/admin/").content)
    lengths = {len(admin_client.get("/admin/", headers={"accept-encoding": "gzip"}).content) for _time in range(5)}
    assert len(lengths) > 1  # random padding hides the length


def test_short_responses_are_not_compressed() -> None:
    response = Client().get("/health/live", headers={"accept-encoding": "gzip"})
    assert len(response.content) < MIN_BYTES
    assert "Content-Encoding" not in response
