"""REST: requests, receipts, files and links for logged-in customers."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from customers.identity.models import Customer, ProcessingRestriction
from customers.privacy.models import PrivacyRequest
from tests.config.access.callers import make_client
from tests.customers.privacy.makers import EMAIL, read_links

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eager_tasks", "export_folder")]
URL = "/api/v1/privacy/requests/"


@pytest.fixture
def client() -> Client:
    return make_client("privacy:read", "privacy:write", "customers:personal")


def post(client: Client, body: dict[str, Any], **headers: str) -> Any:
    return client.post(URL, body, content_type="application/json", headers=headers)


def test_a_request_is_opened_once_followed_and_closed_with_a_receipt(client: Client, mei: Customer) -> None:
    body = {"kind": "object_profiling", "user_id": "mei"}
    responses = [post(client, body, **{"Idempotency-Key": "one"}) for _attempt in range(2)]
    assert [response.status_code for response in responses] == [201, 201]
    opened = responses[0].json()
    assert responses[1].json() == opened
    assert (opened["state"], opened["proof"], opened["customer_id"]) == ("done", "shop_account", mei.pk)
    assert ProcessingRestriction.objects.active().get().customer == mei
    assert client.get(f"{URL}{opened['reference']}/").json() == opened
    receipt = client.get(f"{URL}{opened['reference']}/receipt/").json()
    assert [step["step"] for step in receipt["steps"]] == ["received", "applied", "done", "notified"]
    assert "mei" not in str(receipt)
    assert client.get(URL, {"kind": "erasure"}).json()["results"] == []


def test_the_file_of_an_access_request_needs_the_scope_of_personal_data(client: Client, mei: Customer) -> None:
    opened = post(client, {"kind": "access", "user_id": "mei"}).json()
    path = f"{URL}{opened['reference']}/file/"
    assert make_client("privacy:write").get(path).status_code == 403
    response = client.get(path)
    assert b"".join(response)[:2] == b"PK"  # type: ignore[arg-type]
    without_file = post(client, {"kind": "restriction", "user_id": "mei"}).json()
    missing = client.get(f"{URL}{without_file['reference']}/file/")
    assert (missing.status_code, missing.json()["detail"]) == (404, "This request has no file, or it has expired.")


def test_an_address_is_verified_by_a_link_before_anything_happens(client: Client, mei: Customer) -> None:
    opened = post(client, {"kind": "object_marketing", "email": EMAIL, "verify_email": True}).json()
    assert (opened["state"], opened["is_paused"]) == ("waiting", True)
    [link] = read_links("confirm")
    assert Client().get(link).status_code == 200
    assert not ProcessingRestriction.objects.exists()
    Client().post(link)
    assert ProcessingRestriction.objects.active().get().scope == "marketing"
    assert client.get(f"{URL}{opened['reference']}/").json()["state"] == "done"


def test_wrong_bodies_name_the_field(client: Client, mei: Customer) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kind": "erasure"}, "user_id"),
        ({"kind": "erasure", "user_id": "unknown"}, "user_id"),
        ({"kind": "erase", "user_id": "mei"}, "kind"),
        ({"kind": "erasure", "user_id": "mei", "verify_email": True}, "email"),
        ({"kind": "rectification", "user_id": "mei"}, "changes"),
        ({"kind": "rectification", "user_id": "mei", "changes": {"shoe": "42"}}, "changes"),
        ({"kind": "erasure", "user_id": "mei", "extra": 1}, "extra"),
    ]
    for body, name in wrong:
        response = post(client, body)
        assert response.status_code == 400, body
        assert response.json()["errors"][0]["field"].split(".")[0] == name
    assert not PrivacyRequest.objects.exists()


def test_the_shop_makes_a_link_for_its_customer_and_withdraws_a_request(client: Client, mei: Customer) -> None:
    made = client.post("/api/v1/privacy/links/", {"user_id": "mei"}, content_type="application/json")
    assert made.status_code == 201
    path = made.json()["url"].partition("/privacy/")[2]
    assert Client().get(f"/privacy/{path}").status_code == 200
    opened = post(client, {"kind": "erasure", "user_id": "mei"}).json()
    assert opened["runs_at"]
    assert (
        client.post(f"{URL}{opened['reference']}/cancel/", content_type="application/json").json()["state"]
        == "canceled"
    )
    assert client.post(f"{URL}{opened['reference']}/cancel/", content_type="application/json").status_code == 409
    assert [message.to for message in mail.outbox] == [[EMAIL]]
