"""The calls of docs/sending.md work, and REST shows and changes what the pages do."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from config.access.grants import Grant
from customers.events.sources.user_tokens import create_user_token, rotate_token_key
from customers.identity.models import Identifier
from recommendations.sending.channels import web_push
from recommendations.sending.channels.accounts import save_account
from recommendations.sending.models import Delivery, DeliveryEvent, PushSubscription, Suppression
from tests.makers import NOON, make_customer, make_source
from tests.query_plans import analyze, count_read_rows
from tests.recommendations.campaigns.rest.test_documented_calls import list_calls, run_call

pytestmark = pytest.mark.django_db
EMAIL = "ann@shop.example"


def make_client(*scopes: str, **options: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="shop key", scopes=frozenset(scopes), **options))  # type: ignore[arg-type]
    return client


def make_delivery(user_id: str = "42", **fields: object) -> Delivery:
    customer = Identifier.objects.filter(kind="user_id", value=user_id).first()
    values = {"origin_kind": "campaign", "origin_id": Delivery.objects.count() + 1, "channel": "email", "due_at": NOON}
    customer_id = customer.customer_id if customer else make_customer(user_id).pk
    return Delivery.objects.create(customer_id=customer_id, template_version_id=1, **{**values, **fields})  # type: ignore[misc]


def make_browser() -> dict[str, object]:
    """Return a subscription as a browser makes it."""
    point = web_push.encode_point(ec.generate_private_key(ec.SECP256R1()).public_key())
    keys = {"p256dh": web_push.encode_base64(point), "auth": web_push.encode_base64(b"0" * 16)}
    return {"endpoint": "https://push.example/send/abc", "expirationTime": None, "keys": keys}


def test_every_documented_call_works() -> None:
    make_delivery(status="sent")
    calls = list_calls("docs/sending.md")
    answers = [run_call(make_client("messages:read", "messages:write"), call).json() for call in calls]
    deliveries, added, listed, removed = answers
    assert [row["user_id"] for row in deliveries["results"]] == ["42"]
    assert (added["changed"], added["rejected"], removed["changed"]) == (2, 0, 1)
    assert {row["reason"] for row in listed["results"]} == {"import"}
    assert calls == list_calls("docs/sending.zh-hans.md")


def test_deliveries_are_filtered_and_show_what_happened() -> None:
    sent = make_delivery(status="sent", error="550 ann@shop.example is full")
    make_delivery(status="skipped", skip_reason="no_consent")
    make_delivery("43", status="sent")
    DeliveryEvent.objects.create(key="1", delivery_id=sent.pk, kind="open", at=NOON)
    client = make_client("messages:read")
    filters = {"user_id": "42", "status": "sent", "queued_since": "2020-01-01T00:00:00Z"}
    [row] = client.get("/api/v1/deliveries/", filters).json()["results"]
    assert (row["id"], row["error"]) == (sent.pk, "550 ••• is full")
    assert [event["kind"] for event in client.get(f"/api/v1/deliveries/{sent.pk}/").json()["events"]] == ["open"]
    assert client.get("/api/v1/deliveries/", {"status": "late"}).status_code == 400
    assert client.get("/api/v1/deliveries/", {"origin_id": "x"}).status_code == 400
    assert client.get("/api/v1/deliveries/999999/").status_code == 404
    assert make_client("campaigns:read").get("/api/v1/deliveries/").status_code == 403


@pytest.mark.parametrize(
    "filters",
    [
        {"skip_reason": "merged"},
        {"channel": "sms"},
        {"status": "bounced"},
        {"status": "canceled"},
        {"status": "delivered"},
    ],
)
def test_a_filter_with_few_results_does_not_read_all_deliveries(filters: dict[str, str]) -> None:
    rare = make_delivery(**{"status": "skipped" if "skip_reason" in filters else "sent", **filters})
    Delivery.objects.bulk_create(
        Delivery(
            origin_kind="campaign",
            origin_id=9,
            customer_id=number,
            template_version_id=1,
            channel="email",
            due_at=NOON,
            status="sent",
        )
        for number in range(5000)
    )
    analyze("sending_delivery")
    client = make_client("messages:read")
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/api/v1/deliveries/", filters).json()
    assert [row["id"] for row in answer["results"]] == [rare.pk]
    assert count_read_rows(queries, "sending_delivery") < 100


def test_suppressions_are_added_once_and_removed_without_being_shown() -> None:
    client = make_client("messages:read", "messages:write")
    body = {"addresses": [EMAIL, "ANN@shop.example ", "+49 170 5550987", "nobody"]}
    added = client.post("/api/v1/suppressions/", body, format="json").json()
    assert [result["status"] for result in added["results"]] == ["added", "unchanged", "added", "rejected"]
    assert [len(result["errors"]) for result in added["results"]] == [0, 0, 0, 1]
    [error] = added["results"][3]["errors"]
    assert (error["field"], error["code"]) == ("addresses[3]", "invalid")
    assert error["message"].startswith("Not an email address, a phone number of 6 to 15 digits")
    assert "nobody" not in error["message"]
    assert set(Suppression.objects.values_list("source", "reason")) == {("shop key", "manual")}
    listed = client.get("/api/v1/suppressions/", {"kind": "email"})
    assert EMAIL not in listed.content.decode()
    assert [row["hash"] for row in listed.json()["results"]] == ["•••"]
    removed = client.post("/api/v1/suppressions/remove/", {"addresses": [EMAIL, "x@shop.example"]}, format="json")
    assert [result["status"] for result in removed.json()["results"]] == ["removed", "unchanged"]
    assert list(Suppression.objects.values_list("kind", flat=True)) == ["phone"]
    assert client.post("/api/v1/suppressions/", {"addresses": []}, format="json").status_code == 400
    assert make_client("messages:read").post("/api/v1/suppressions/", body, format="json").status_code == 403


def test_a_browser_subscribes_with_the_token_of_its_customer_only() -> None:
    token = create_user_token(key=rotate_token_key(source_id=make_source().pk), user_id="42", now=timezone.now())
    browser = make_client(publishable=True, requires_user_token=True)
    body = {"user_id": "42", **make_browser()}
    assert browser.post("/api/v1/push-subscriptions/", body, format="json").status_code == 403
    for _time in range(2):
        response = browser.post("/api/v1/push-subscriptions/", body, format="json", HTTP_X_USER_TOKEN=token)
        assert response.status_code == 204, response.content
    stored = PushSubscription.objects.get()
    assert Identifier.objects.get(value="42").customer_id == stored.customer_id
    endpoint = {"endpoint": body["endpoint"]}
    assert browser.post("/api/v1/push-subscriptions/remove/", endpoint, format="json").status_code == 204
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "http://push.example/1"}, "endpoint"),
        ({"keys": {"p256dh": "AAAA", "auth": web_push.encode_base64(b"0" * 16)}}, "keys.p256dh"),
        ({"keys": {**make_browser()["keys"], "auth": "!"}}, "keys.auth"),  # type: ignore[dict-item]
        ({"user_id": ""}, "user_id"),
    ],
)
def test_a_subscription_that_no_browser_made_is_rejected_by_field(change: dict[str, object], field: str) -> None:
    body = {"user_id": "42", **make_browser(), **change}
    response = make_client("customers:write").post("/api/v1/push-subscriptions/", body, format="json")
    assert response.status_code == 400
    assert [error["field"] for error in json.loads(response.content)["errors"]] == [field]


def test_browsers_get_the_public_key_of_the_account_and_a_customer_keeps_ten_browsers() -> None:
    client = make_client("customers:write", "messages:read")
    assert client.get("/api/v1/push-subscriptions/public-key/").json() == {"public_key": None}
    key = web_push.encode_base64(b"\x01" * 32)
    save_account("push", provider="vapid", options={"subject": "mailto:a@shop.example"}, secrets={"private_key": key})
    assert len(client.get("/api/v1/push-subscriptions/public-key/").json()["public_key"]) == 87
    for number in range(12):
        body = {"user_id": "42", **make_browser(), "endpoint": f"https://push.example/{number}"}
        assert client.post("/api/v1/push-subscriptions/", body, format="json").status_code == 204
    assert {row.endpoint[-2:] for row in PushSubscription.objects.all()} == {
        f"/{n}" if n < 10 else str(n) for n in range(2, 12)
    }
