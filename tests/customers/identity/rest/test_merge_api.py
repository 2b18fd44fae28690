"""Merging and consents over REST."""

from typing import Any

import pytest
from django.test import Client

from customers.identity.merging.merge import merge_customers
from customers.identity.models import ConsentDenial, Customer, IdentityMerge
from customers.identity.personal_data.hashing import hash_email
from tests.customers.identity.rest.test_api import make_api_client
from tests.makers import NOON, make_customer, make_identifier, make_order

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/customers/merge/"


@pytest.fixture
def pair() -> tuple[Customer, Customer]:
    anna, bo = make_customer("u1", country="DE"), make_customer("u2", language="de", traits={"seats": 2})
    make_identifier(bo, hash_email("bo@shop.org"), kind="email_hash")
    make_order(bo)
    return anna, bo


def post(body: Any, *scopes: str) -> Any:
    client: Client = make_api_client(*(scopes or ("customers:write",)))
    return client.post(ADDRESS, body, "application/json")


def test_dry_run_returns_the_moves_and_changes_nothing(pair: tuple[Customer, Customer]) -> None:
    anna, bo = pair
    response = post({"keep": {"user_id": "u1"}, "merge": {"email": "Bo@shop.org"}, "dry_run": True})
    assert response.status_code == 200, response.content
    assert response.json() == {
        "dry_run": True,
        "merge_id": None,
        "kept": anna.pk,
        "merged": bo.pk,
        "moved": {"identity.identifier": 2, "orders.order": 1},
        "filled": ["language", "traits.seats"],
    }
    assert (Customer.objects.count(), IdentityMerge.objects.count()) == (2, 0)


def test_merge_matches_the_dry_run_and_records_the_api_key(pair: tuple[Customer, Customer]) -> None:
    preview = post({"keep": {"id": pair[0].pk}, "merge": {"user_id": "u2"}, "dry_run": True}).json()
    result = post({"keep": {"id": pair[0].pk}, "merge": {"user_id": "u2"}}).json()
    assert result == preview | {"dry_run": False, "merge_id": result["merge_id"]}
    merge = IdentityMerge.objects.get(pk=result["merge_id"])
    assert (merge.cause, Customer.objects.count()) == ("REST: program", 1)
    profile = make_api_client("customers:read").get("/api/v1/customers/u2/").json()
    assert (profile["id"], profile["country"], profile["language"]) == (pair[0].pk, "DE", "de")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "keep", "required"),
        ({"keep": {}, "merge": {"user_id": "u2"}}, "keep", "invalid"),
        ({"keep": {"user_id": "u1", "id": 1}, "merge": {"user_id": "u2"}}, "keep", "invalid"),
        ({"keep": {"user_id": "u1"}, "merge": {"user_id": "nobody"}}, "merge.user_id", "not_found"),
        ({"keep": {"user_id": "u1"}, "merge": {"user_id": "u1"}}, "merge", "same_customer"),
        ({"keep": {"user_id": "gone"}, "merge": {"user_id": "u2"}}, "keep", "erased"),
        ({"keep": {"user_id": "u\0"}, "merge": {"user_id": "u2"}}, "keep.user_id", "null_characters_not_allowed"),
        ({"keep": {"id": 2**70}, "merge": {"user_id": "u2"}}, "keep.id", "max_value"),
        ([], None, "invalid"),
    ],
)
def test_invalid_merge_names_the_field(pair: tuple[Customer, Customer], body: Any, field: str, code: str) -> None:
    make_customer("gone", erased_at=NOON)
    response = post(body)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json"), response.content
    error = response.json()["errors"][0]
    assert (error["field"], error["code"]) == (field, code)
    assert not IdentityMerge.objects.exists()


def test_merge_requires_the_scope(pair: tuple[Customer, Customer]) -> None:
    assert post({"keep": {"user_id": "u1"}, "merge": {"user_id": "u2"}}, "customers:read").status_code == 403
    assert Client().post(ADDRESS, {}, "application/json").status_code == 401


def test_consent_denials_follow_consents_and_merges_over_rest(pair: tuple[Customer, Customer]) -> None:
    client = make_api_client("customers:write")
    entry = {"purpose": "analytics", "status": "withdrawn"}
    assert client.post("/api/v1/customers/u2/consents/", entry, "application/json").status_code == 201
    merge_customers(pairs=[(pair[0].pk, pair[1].pk)], at=NOON, causes=["x"])
    assert set(ConsentDenial.objects.values_list("value", flat=True)) == {"u1", "u2"}
    entry["status"] = "granted"
    assert client.post("/api/v1/customers/u1/consents/", entry, "application/json").status_code == 201
    assert not ConsentDenial.objects.filter(purpose="analytics").exists()
