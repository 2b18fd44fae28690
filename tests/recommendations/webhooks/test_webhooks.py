"""Notifications: created once, signed, repeated, given up, and never sent to private addresses."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.foundation.circuit_breakers import breaker
from config.foundation.circuit_breakers.breaker import CircuitBreaker
from customers.identity.models import Identifier
from recommendations.campaigns.launch.transitions import launch, pause
from recommendations.sending.channels.webhook import sign_webhook
from recommendations.sending.models import Delivery, DeliveryEvent
from recommendations.sending.queue import cancel
from recommendations.sending.recording import write_results, write_rows
from recommendations.sending.transport.journal import SendResult
from recommendations.webhooks import delivering
from recommendations.webhooks.delivering import PAUSES, deliver_due, name_endpoint, retry_dead
from recommendations.webhooks.message_changes import forget_subscriptions
from recommendations.webhooks.models import WebhookEndpoint, WebhookNotification
from recommendations.webhooks.publishing import collect_message_events, publish
from tests.makers import NOON
from tests.recommendations.campaigns.makers import make_campaign, make_reachable
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db


class Receiver(BaseHTTPRequestHandler):
    """Stores requests, and answers with the status of its server."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for limit in ("TIMEOUT_SECONDS", "TOTAL_SECONDS"):
        monkeypatch.setattr(delivering, limit, DEADLINE_SECONDS)  # the thread of the server may be delayed
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.requests, server.status = [], 204  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def own_subscriptions() -> Iterator[None]:
    """Read anew in each test who wants to know of messages."""
    forget_subscriptions()
    yield
    forget_subscriptions()


def make_endpoint(
    server: Any = None, *, types: tuple[str, ...] = ("campaign.launched",), **fields: Any
) -> WebhookEndpoint:
    url = f"http://127.0.0.1:{server.server_port}/hook?a=1" if server else "http://127.0.0.1:9/hook"
    return WebhookEndpoint.objects.create(**{"name": "shop", "url": url, "event_types": list(types), **fields})


def sign(key: bytes, content: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()}"


def test_a_launch_is_signed_and_delivered_once(receiver: Any) -> None:
    make_reachable(2)
    endpoint = make_endpoint(receiver, types=("campaign.launched", "campaign.run_started"))
    make_endpoint(receiver, name="other", types=("campaign.canceled",))
    campaign = make_campaign(key="spring")
    launch(campaign, by=None, now=NOON)
    pause(campaign)
    now = timezone.now()
    assert (deliver_due(now=now), deliver_due(now=now)) == (2, 0)
    bodies = [json.loads(body) for _headers, body in receiver.requests]
    assert [body["type"] for body in bodies] == ["campaign.launched", "campaign.run_started"]
    assert bodies[1]["data"]["campaign"] == "spring"
    headers, body = receiver.requests[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    # as libraries of Standard Webhooks do
    key = base64.b64decode(endpoint.secret.removeprefix("whsec_"), validate=True)
    assert sign(key, signed) in headers["webhook-signature"].split(" ")
    assert sign(endpoint.secret.encode(), signed) in headers["webhook-signature"].split(" ")  # for older receivers


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("whsec_-fKQ9r8GKYqrTwjUPD8ILPZIo2La_aSw", "+fKQ9r8GKYqrTwjUPD8ILPZIo2La/aSw"),
        ("any text", None),
    ],
)
def test_the_text_of_a_secret_and_its_bytes_sign(secret: str, key: str | None) -> None:
    signed = b"evt_1.1700000000.{}"
    expected = [sign(secret.encode(), signed)]
    if key is not None:
        expected.append(sign(base64.b64decode(key, validate=True), signed))
    assert sign_webhook(secret, "evt_1", "1700000000", b"{}").split(" ") == expected


def test_a_failing_endpoint_is_repeated_with_pauses_and_then_given_up(receiver: Any) -> None:
    receiver.status = 500
    endpoint = make_endpoint(receiver)
    publish("campaign.launched", key="a", data={}, at=NOON)
    publish("campaign.launched", key="a", data={}, at=NOON)
    now = NOON
    assert deliver_due(now=now) == deliver_due(now=now) == 0
    assert len(receiver.requests) == 1
    for seconds in PAUSES:
        now += timedelta(seconds=seconds)
        CircuitBreaker(name_endpoint(endpoint.url)).reset()  # its pause is over, too
        deliver_due(now=now)
    notification = WebhookNotification.objects.get()
    assert (notification.status, notification.attempts, notification.error) == ("dead", len(PAUSES) + 1, "HTTP 500")
    receiver.status = 200
    assert (retry_dead(endpoint_id=endpoint.pk, now=now), deliver_due(now=now)) == (1, 1)


def test_private_addresses_are_never_reached(receiver: Any, settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = []
    make_endpoint(receiver)
    publish("campaign.launched", key="a", data={}, at=NOON)
    assert deliver_due(now=NOON) == 0
    assert not receiver.requests
    assert WebhookNotification.objects.get().error


def test_what_happens_to_messages_is_collected_once_without_machine_opens() -> None:
    make_endpoint(types=("message.opened", "message.clicked"))
    now = timezone.now() + timedelta(minutes=1)
    make_reachable(1)
    delivery = Delivery.objects.create(
        origin_kind="campaign", origin_id=1, customer_id=10**12, template_version_id=1, channel="email", due_at=now
    )
    for number, (kind, is_machine) in enumerate(
        (("open", True), ("open", False), ("click", False), ("complaint", False))
    ):
        DeliveryEvent.objects.create(key=str(number), delivery_id=delivery.pk, kind=kind, at=now, is_machine=is_machine)
    assert (collect_message_events(now=now), collect_message_events(now=now)) == (2, 0)
    payloads = {row.type: row.payload for row in WebhookNotification.objects.all()}
    assert set(payloads) == {"message.opened", "message.clicked"}
    assert payloads["message.clicked"]["user_id"] == "u0"
    WebhookEndpoint.objects.update(created_at=NOON)
    DeliveryEvent.objects.update(at=now - timedelta(hours=2))
    WebhookNotification.objects.all().delete()  # as the retention does
    assert collect_message_events(now=now) == 0, "they were collected, although their notifications are deleted"
    WebhookEndpoint.objects.update(is_active=False)
    DeliveryEvent.objects.create(key="4", delivery_id=delivery.pk, kind="click", at=now - timedelta(hours=2))
    assert collect_message_events(now=now) == 0
    WebhookEndpoint.objects.update(is_active=True)
    assert collect_message_events(now=now) == 0, "it happened while the endpoint was disabled"


def test_messages_that_are_sent_skipped_or_canceled_are_notified_in_batches() -> None:
    make_endpoint(types=("message.sent", "message.skipped", "message.canceled"))
    make_endpoint(name="other", types=("message.opened",))
    forget_subscriptions()
    make_reachable(3)
    customers = Identifier.objects.order_by("value").values_list("customer_id", flat=True)
    values = {"origin_kind": "campaign", "origin_id": 1, "template_version_id": 1, "channel": "email", "due_at": NOON}
    sent, skipped, failed, waiting = [
        Delivery.objects.create(customer_id=customer_id, status=status, attempts=1, **values)
        for customer_id, status in zip([*customers, 5], ["sending"] * 3 + ["pending"], strict=True)
    ]
    write_results([SendResult(sent.pk, 1, "sent"), SendResult(failed.pk, 1, "temporary")], now=NOON)
    write_rows([(skipped.pk, 1, "skipped", "no_consent", "", "", None, 0)], now=NOON)
    write_results([SendResult(sent.pk, 1, "sent")], now=NOON)  # recorded before, so nothing changes
    cancel("campaign", 1)
    payloads = {row.type: row.payload["messages"] for row in WebhookNotification.objects.all()}
    assert {kind: [message["delivery_id"] for message in messages] for kind, messages in payloads.items()} == {
        "message.sent": [sent.pk],
        "message.skipped": [skipped.pk],
        "message.canceled": sorted([failed.pk, waiting.pk]),
    }
    [message] = payloads["message.skipped"]
    assert (message["reason"], message["user_id"], message["origin"]) == (
        "no_consent",
        "u1",
        {"kind": "campaign", "id": 1},
    )
    assert WebhookNotification.objects.count() == 3


def test_an_endpoint_is_added_with_a_secret_that_is_shown_once() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"), backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("webhooks:endpoints")
    assert "No endpoints yet" in client.get(url).content.decode()
    insecure = client.post(url, {"name": "shop", "url": "http://shop.example/hook", "event_types": ["campaign.ended"]})
    assert "https://" in insecure.content.decode()
    form = {"name": "shop", "url": "https://shop.example/hook", "event_types": ["campaign.ended"]}
    added = client.post(url, form, follow=True).content.decode()
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret in added
    assert endpoint.secret not in client.get(url).content.decode()
    client.post(reverse("webhooks:change", args=[endpoint.pk, "switch"]))
    endpoint.refresh_from_db()
    assert not endpoint.is_active


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8999/hook",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://localhost/hook",
    ],
)
def test_an_endpoint_with_a_private_address_is_refused_at_once(url: str, settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["192.168.1.20"]
    client = Client()
    client.force_login(User.objects.create_superuser("root"), backend="django.contrib.auth.backends.ModelBackend")
    form = {"name": "shop", "event_types": ["campaign.ended"]}
    page = client.post(reverse("webhooks:endpoints"), {**form, "url": url}).content.decode()
    assert "has a private address" in page
    assert not WebhookEndpoint.objects.exists()
    client.post(reverse("webhooks:endpoints"), {**form, "url": "https://192.168.1.20/hook"})
    assert WebhookEndpoint.objects.get().url == "https://192.168.1.20/hook"


def test_an_endpoint_that_fails_again_and_again_is_left_alone_for_a_while(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        breaker, "OPEN_SECONDS", breaker.MAX_OPEN_SECONDS
    )  # the machine may be busy for longer than the usual pause
    receiver.status = 503
    endpoint = make_endpoint(receiver)
    for number in range(8):
        publish("campaign.launched", key=f"k{number}", data={}, at=NOON)
        deliver_due(now=NOON)  # each run tries the endpoint with its next notification
    assert len(receiver.requests) == 5
    receiver.status = 204
    CircuitBreaker(name_endpoint(endpoint.url)).reset()
    assert deliver_due(now=NOON + timedelta(minutes=1)) == 8
    assert WebhookNotification.objects.filter(attempts__gt=2).count() == 0


def test_many_notifications_of_a_failing_endpoint_do_not_keep_the_others_waiting(receiver: Any) -> None:
    make_endpoint(name="removed")  # nothing listens there
    for number in range(4):
        publish("campaign.launched", key=f"k{number}", data={}, at=NOON)
    make_endpoint(receiver, types=("campaign.paused",))
    for number in range(2):
        publish("campaign.paused", key=f"p{number}", data={}, at=NOON + timedelta(seconds=1))
    assert deliver_due(now=NOON + timedelta(minutes=1), limit=3) == 2
    assert {json.loads(body)["type"] for _headers, body in receiver.requests} == {"campaign.paused"}
    assert WebhookNotification.objects.filter(endpoint__name="removed", attempts__gt=0).count() == 1
