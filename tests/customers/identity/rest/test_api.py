"""Customers and consents over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client

from config.access.keys import create_api_key
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db


def make_api_client(*scopes: str) -> Client:
    _key, plain = create_api_key(name="program", kind="secret", scopes=scopes, now=NOON)
    return Client(headers={"Authorization": f"Bearer {plain}"})


def upsert(*customers: Any) -> dict[str, Any]:
    response = make_api_client("customers:write").put(
        "/api/v1/customers/", {"customers": list(customers)}, "application/json"
    )
    assert response.status_code == 200, response.content
    return response.json()


ANNA = {
    "user_id": "u1",
    "name": "Anna 王",
    "email": "Anna@Example.org",
    "phone": "+49 170 1234567",
    "birthday": "1990-05-17",
    "language": "de",
    "country": "DE",
    "traits": {"plan": "gold", "tags": ["a", 1]},
}


def test_customer_is_created_then_unchanged_then_updated() -> None:
    statuses = [upsert(item)["results"][0]["status"] for item in (ANNA, ANNA, {**ANNA, "country": "AT"})]
    assert statuses == ["created", "unchanged", "updated"]
    customer = Customer.objects.get()
    assert (customer.name, customer.email, customer.birthday, customer.country) == (
        "Anna 王",
        "Anna@Example.org",
        "1990-05-17",
        "AT",
    )


def test_personal_fields_are_encrypted_in_the_database() -> None:
    upsert(ANNA)
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_customer::text FROM identity_customer")
        stored = cursor.fetchone()[0]
    assert not any(text in stored for text in ("Anna", "xample.org", "1234567", "1990"))


def test_an_id_that_the_api_could_not_address_is_rejected() -> None:
    reserved = (
        "merge",
        "a/consents",
        "a/consents/effective",
        "a/segments/vip",
        "a/profile",
        "a/loyalty/reservations/1/confirm",
    )
    response = upsert(*({"user_id": user_id} for user_id in reserved), {"user_id": "merger"})
    assert [[error["field"] for error in item["errors"]] for item in response["results"][:-1]] == [["user_id"]] * 6
    assert list(Identifier.objects.values_list("value", flat=True)) == ["merger"]


@pytest.mark.parametrize("user_id", ["a/b", "a/b/c", "https://shop.example/customers/7", "profile/7", "a/", "/a"])
def test_a_customer_whose_id_has_slashes_can_be_read(user_id: str) -> None:
    upsert({"user_id": user_id})
    client = make_api_client("customers:read", "customers:write", "loyalty:read", "campaigns:read", "segments:read")
    url = f"/api/v1/customers/{quote(user_id, safe='')}/"
    assert client.get(url).json()["user_id"] == user_id
    entry = {"purpose": "email", "status": "withdrawn", "source": "checkout"}
    assert client.post(f"{url}consents/", entry, "application/json").status_code == 201
    assert [consent["status"] for consent in client.get(f"{url}consents/").json()] == ["withdrawn"]
    paths = ("consents/effective/", "segments/", "stages/", "loyalty/", "loyalty/statement/", "offers/?placement=top")
    assert [client.get(f"{url}{path}").status_code for path in paths] == [200] * 6


def test_an_unknown_url_of_a_customer_is_not_found_with_any_method() -> None:
    upsert(ANNA)
    client = make_api_client("customers:read", "customers:write")
    assert [
        getattr(client, method)("/api/v1/customers/u1/nothing/").status_code
        for method in ("get", "post", "put", "delete")
    ] == [404] * 4
    assert [getattr(client, method)("/api/v1/customers/u1/").status_code for method in ("get", "post")] == [200, 405]


def test_omitted_field_stays_null_clears_and_traits_are_merged() -> None:
    upsert(ANNA)
    upsert({"user_id": "u1", "phone": None, "traits": {"plan": None, "size": 3}})
    customer = Customer.objects.get()
    assert (customer.name, customer.phone, customer.traits) == ("Anna 王", "", {"tags": ["a", 1], "size": 3})
    assert set(customer.identifiers.values_list("kind", flat=True)) == {"user_id", "email_hash"}


def test_customer_is_found_by_the_changed_email_only() -> None:
    upsert(ANNA)
    upsert({"user_id": "u1", "email": "new@example.org"})
    hashes = set(Identifier.objects.filter(kind="email_hash").values_list("value", flat=True))
    assert hashes == {hash_email("new@example.org")}


def test_an_address_that_identifies_someone_else_stays_with_them() -> None:
    upsert({"user_id": "u2", "email": "shared@example.org"})
    make_customer("u1", email="shared@example.org")
    upsert({"user_id": "u1", "email": "new@example.org"})
    owners = dict(Identifier.objects.values_list("value", "customer_id"))
    assert owners[hash_email("shared@example.org")] == owners["u2"]
    assert owners[hash_email("new@example.org")] == owners["u1"]


@pytest.mark.parametrize("user_id", ["guest", "NULL", "0", "anonymous", "00000000-0000-0000-0000-000000000000"])
def test_a_placeholder_is_no_customer(user_id: str) -> None:
    response = upsert({"user_id": user_id, "email": "ada@shop.example"}, {"user_id": "u1"})
    assert [error["field"] for error in response["results"][0]["errors"]] == ["user_id"]
    assert "own ID" in response["results"][0]["errors"][0]["message"]
    assert list(Identifier.objects.values_list("value", flat=True)) == ["u1"]


def test_invalid_items_are_named_and_valid_ones_are_written() -> None:
    response = upsert(
        {"user_id": "u1"},
        {"name": "nobody"},
        {"user_id": "u3", "email": "no address", "birthday": "2050-01-01"},
        {"user_id": "u4", "traits": {"deep": {"er": 1}}},
        {"user_id": "u5", "traits": ["x"]},
        7,
        {"user_id": "u\0"},
        {"user_id": "u1"},
        {"user_id": "u8", "phone": "12"},
        {"user_id": "u9", "traits": {"big": 10**30}},
        {"user_id": "u10", "emial": "a@shop.example"},
    )
    assert (response["created"], response["rejected"]) == (1, 10)
    invalid_fields = [[error["field"] for error in result["errors"]] for result in response["results"]]
    assert invalid_fields == [
        [],
        ["user_id"],
        ["email", "birthday"],
        ["traits.deep"],
        ["traits"],
        [""],
        ["user_id"],
        ["user_id"],
        ["phone"],
        ["traits.big"],
        ["emial"],
    ]
    assert [result["index"] for result in response["results"]] == list(range(11))
    assert Customer.objects.count() == 1


def test_email_of_another_customer_is_rejected_and_merges_no_customers() -> None:
    upsert(ANNA)
    response = upsert(
        {"user_id": "u2", "email": "anna@example.org"},
        {"user_id": "u3", "email": "b@x.org"},
        {"user_id": "u4", "email": "B@x.org"},
    )
    assert [result["status"] for result in response["results"]] == ["rejected", "created", "rejected"]
    assert response["results"][0]["errors"][0]["code"] == "taken"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"customers": 3}', b'{"customers": {}}', b'{"customers": [' + b"1," * 1000 + b"1]}"]
)
def test_invalid_body_returns_a_problem_document(body: bytes) -> None:
    response = make_api_client("customers:write").put("/api/v1/customers/", body, "application/json")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_thousand_customers_are_written_with_few_queries(django_assert_max_num_queries: Any) -> None:
    items = [{"user_id": f"u{number}", "email": f"e{number}@x.org"} for number in range(1000)]
    client = make_api_client("customers:write")
    with django_assert_max_num_queries(25):
        response = client.put("/api/v1/customers/", {"customers": items}, "application/json")
    assert response.json()["created"] == 1000


def test_personal_fields_require_their_scope() -> None:
    upsert(ANNA)
    plain = make_api_client("customers:read").get("/api/v1/customers/u1/").json()
    assert plain["user_id"] == "u1"
    assert not {"name", "email", "phone", "birthday"} & plain.keys()
    personal = make_api_client("customers:read", "customers:personal").get("/api/v1/customers/u1/").json()
    assert (personal["name"], personal["birthday"]) == ("Anna 王", "1990-05-17")
    assert plain["identifiers"] == [{"kind": "user_id", "value": "u1"}]


def test_customers_are_found_by_email_and_listed_in_order(django_assert_num_queries: Any) -> None:
    upsert(ANNA, {"user_id": "u2"}, {"user_id": "u3"})
    client = make_api_client("customers:read")
    client.get("/api/v1/customers/")
    with django_assert_num_queries(2):
        results = client.get("/api/v1/customers/").json()["results"]
    assert [customer["user_id"] for customer in results] == ["u1", "u2", "u3"]
    assert [
        match["user_id"] for match in client.get("/api/v1/customers/", {"email": "ANNA@example.org"}).json()["results"]
    ] == ["u1"]


@pytest.mark.parametrize(
    "path", ["/api/v1/customers/nobody/", "/api/v1/customers/a%00b/", "/api/v1/customers/nobody/consents/"]
)
def test_unknown_customer_returns_404(path: str) -> None:
    response = make_api_client("customers:read").get(path)
    assert (response.status_code, response.json()["type"]) == (404, "urn:perennial:problem:not-found")
    assert response.json()["detail"] == "No customer has this user ID."


def test_latest_entry_of_the_consent_ledger_applies() -> None:
    make_customer("u1")
    client = make_api_client("customers:read", "customers:write")
    for status, at in (("granted", "2026-01-01T00:00:00Z"), ("withdrawn", "2026-02-01T00:00:00Z")):
        entry = {"purpose": "email", "status": status, "recorded_at": at, "source": "checkout"}
        assert client.post("/api/v1/customers/u1/consents/", entry, "application/json").status_code == 201
    latest = client.get("/api/v1/customers/u1/consents/").json()
    assert [(entry["purpose"], entry["status"]) for entry in latest] == [("email", "withdrawn")]
    assert Consent.objects.count() == 2


def test_a_grant_with_a_fast_clock_does_not_outlast_the_withdrawal_after_it() -> None:
    make_customer("u1")
    client = make_api_client("customers:read", "customers:write")
    for entry in (
        {"status": "granted", "recorded_at": datetime.now(UTC) + timedelta(minutes=4)},
        {"status": "withdrawn"},
    ):
        answer = client.post("/api/v1/customers/u1/consents/", {"purpose": "email", **entry}, "application/json")
        assert answer.status_code == 201
    assert [entry["status"] for entry in client.get("/api/v1/customers/u1/consents/").json()] == ["withdrawn"]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"purpose": "spam", "status": "granted"}, "purpose"),
        ({"purpose": "email", "status": "maybe"}, "status"),
        ({"purpose": "email", "status": "granted", "recorded_at": "2050-01-01T00:00:00Z"}, "recorded_at"),
        ({"purpose": "email"}, "status"),
    ],
)
def test_invalid_consent_is_rejected(entry: dict[str, str], field: str) -> None:
    make_customer("u1")
    response = make_api_client("customers:write").post("/api/v1/customers/u1/consents/", entry, "application/json")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Consent.objects.exists()


def test_personal_traits_require_the_scope_too() -> None:
    make_customer("u1", traits={"plan": "gold", "partner_name": "Bo", "motto": "bo@shop.org"})
    plain = make_api_client("customers:read").get("/api/v1/customers/u1/").json()
    assert plain["traits"] == {"plan": "gold"}
    personal = make_api_client("customers:read", "customers:personal").get("/api/v1/customers/u1/").json()
    assert set(personal["traits"]) == {"plan", "partner_name", "motto"}
