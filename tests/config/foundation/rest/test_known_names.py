"""Unknown parameters and fields are rejected by name, everywhere."""

from typing import Any

import pytest

from tests.config.access.callers import make_client
from tests.makers import make_customer

pytestmark = pytest.mark.django_db
LISTS = {
    "customers/": "customers:read",
    "products/": "catalog:read",
    "orders/": "orders:read",
    "events/": "events:read",
    "reviews/": "feedback:read",
    "segments/": "segments:read",
}


def get_problems(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["field"]: error["message"] for error in response.json()["errors"]}


@pytest.mark.parametrize(("path", "scope"), LISTS.items())
def test_a_filter_that_does_not_exist_returns_no_rows_but_an_error(path: str, scope: str) -> None:
    client = make_client(scope)
    problems = get_problems(client.get(f"/api/v1/{path}?userid=u1&limit=1"))
    assert list(problems) == ["userid"]
    assert "limit" in problems["userid"]


def test_a_customer_is_never_found_by_a_filter_that_does_not_exist() -> None:
    make_customer()
    assert "user_id" in get_problems(make_client("customers:read").get("/api/v1/customers/?user_id=another"))


def test_serving_names_unknown_parameters() -> None:
    client = make_client("recommendations:read")
    assert list(get_problems(client.get("/api/v1/recommendations/popular/?number=3&n=2"))) == ["number"]
    assert list(get_problems(client.get("/api/v1/search/?q=tea&price_max=9&prize_min=1"))) == ["prize_min"]


def test_a_name_that_cannot_be_encoded_is_an_error_like_any_other() -> None:
    client = make_client("recommendations:read")
    body = b'{"product_ids": ["p1"], "\\ud800": 1}'
    assert list(get_problems(client.post("/api/v1/rank/", body, content_type="application/json"))) == ["\\ud800"]


def test_a_body_with_an_unknown_or_read_only_field_changes_nothing() -> None:
    client = make_client("segments:read", "segments:write")
    segment = {"key": "all", "name": "All", "kind": "dynamic", "condition": {"all": []}}
    problems = get_problems(
        client.post("/api/v1/segments/", {**segment, "titel": "x"}, content_type="application/json")
    )
    assert list(problems) == ["titel"]
    assert client.post("/api/v1/segments/", segment, content_type="application/json").status_code == 201
    problems = get_problems(client.patch("/api/v1/segments/all/", {"size": 3}, content_type="application/json"))
    assert list(problems) == ["size"]
