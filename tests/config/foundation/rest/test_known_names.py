"""Unknown parameters and fields are rejected by name, everywhere."""

from typing import Any

import pytest

from customers.identity.models import Consent
from recommendations.merchandising.choices import RuleAction
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


@pytest.mark.parametrize(
    ("path", "scope", "message"),
    [
        (
            "products/?availability=foo",
            "catalog:read",
            "Unknown value; valid: in_stock, out_of_stock, preorder, backorder.",
        ),
        ("products/?is_active=foo", "catalog:read", "Unknown value; valid: true, false."),
        ("orders/?kind=foo", "orders:read", "Unknown value; valid: sale, return."),
        ("demand/restock/?state=foo", "demand:read", "Unknown value; valid: now, soon."),
        ("suppressions/?kind=foo", "messages:read", "Unknown value; valid: email, phone."),
        ("products/?updated_after=x", "catalog:read", "Not a valid time; use ISO 8601, such as 2026-05-17T09:30:00Z."),
    ],
)
def test_a_filter_with_an_unknown_value_names_the_valid_ones(path: str, scope: str, message: str) -> None:
    [found] = get_problems(make_client(scope).get(f"/api/v1/{path}")).values()
    assert found == message


def test_a_field_with_an_unknown_value_names_the_valid_ones() -> None:
    make_customer("ada")
    client = make_client("customers:write", "recommendations:write")
    consent, rule = {"purpose": "foo", "status": "granted"}, {"name": "x", "action": "foo", "scenarios": ["bar"]}
    problems = get_problems(client.post("/api/v1/customers/ada/consents/", consent, content_type="application/json"))
    assert problems["purpose"] == f"Unknown value; valid: {', '.join(Consent.Purpose.values)}."
    problems = get_problems(client.post("/api/v1/rules/", rule, content_type="application/json"))
    assert problems["action"] == f"Unknown value; valid: {', '.join(RuleAction.values)}."
    assert problems["scenarios[0]"].startswith("Unknown value; valid: for-you, ")
