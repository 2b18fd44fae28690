"""Each channel against a sandbox of its provider: what is sent, and what is made of the answers."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from customers.identity.models import Consent, Customer
from recommendations.campaigns.audience import preview_audience
from recommendations.campaigns.models import Campaign
from recommendations.sending.channels import channel_tests, web_push
from recommendations.sending.channels.accounts import Account, save_account
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import ProviderChannel
from recommendations.sending.channels.webhook import sign_webhook
from recommendations.sending.models import Delivery, PushSubscription
from recommendations.sending.push_subscriptions import hash_endpoint
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from recommendations.sending.wecom import api as wecom_api
from tests.makers import NOON, make_consent, make_customer, make_segment
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db


@dataclass
class Sandbox:
    """A provider: answers with status and body, or not at all, and keeps the requests."""

    answer: Callable[[str], tuple[int, Any] | None] = lambda path: (200, {})
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    lock: Any = field(default_factory=Lock)


@pytest.fixture
def sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    provider = Sandbox()
    # the thread of the provider may be delayed
    monkeypatch.setattr(wecom_api, "TIMEOUT", DEADLINE_SECONDS)
    monkeypatch.setattr(channel_tests, "TIMEOUT_SECONDS", DEADLINE_SECONDS)
    get_options = ProviderChannel.get_process_options

    def get_patient_options(channel: ProviderChannel) -> dict[str, Any]:
        options = get_options(channel)
        return {**options, "http": {**options["http"], "timeout": DEADLINE_SECONDS}}

    monkeypatch.setattr(ProviderChannel, "get_process_options", get_patient_options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with provider.lock:
                provider.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                answered = provider.answer(self.path)
            if answered is None:
                self.close_connection = True
                return
            status, answer = answered
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    settings.DEMO, settings.WEBHOOK_PRIVATE_HOSTS = False, ["127.0.0.1"]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    server.server_close()
    thread.join()


def send(channel: str, *, now: datetime = NOON, origin_id: int = 1) -> Delivery:
    queue_audience(
        origin_kind="campaign",
        origin_id=origin_id,
        customers=Customer.objects.all(),
        template_version_id=1,
        channel=channel,
        due_at=NOON,
    )
    send_due(now=now)
    return Delivery.objects.get(origin_id=origin_id)


def make_phone_customer() -> Customer:
    customer = make_customer(phone="+8613800138000", name="Ann")
    make_consent(customer, Consent.Purpose.SMS)
    return customer


def test_webhook_is_signed_retried_with_the_same_key_and_ends_as_a_dead_letter(sandbox: Sandbox) -> None:
    customer = make_customer()
    save_account("webhook", provider="webhook", options={"url": f"{sandbox.url}/hook"}, secrets={"secret": "s"})
    sandbox.answer = lambda path: (500, {})
    delivery = send("webhook")
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    sandbox.answer = lambda path: (200, {})
    send_due(now=delivery.due_at + timedelta(seconds=1))
    delivery.refresh_from_db()
    assert delivery.status == "sent"
    (_path, first, body), (_again, second, _body) = sandbox.requests
    assert first["idempotency-key"] == second["idempotency-key"] == first["webhook-id"]
    assert first["webhook-signature"] == sign_webhook("s", first["webhook-id"], first["webhook-timestamp"], body)
    assert json.loads(body)["customer"] == {"id": customer.pk, "user_id": f"u{customer.pk}"}
    sandbox.answer = lambda path: (410, {})
    assert send("webhook", origin_id=2).status == "failed"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.0.0.1/", "https://10.0.0.1/", "ftp://shop.example/"]
)
def test_webhooks_reach_public_https_addresses_only(url: str, settings: Any) -> None:
    settings.DEMO, settings.WEBHOOK_PRIVATE_HOSTS = False, []
    make_customer()
    save_account("webhook", provider="webhook", options={"url": url}, secrets={"secret": "s"})
    assert send("webhook").status == "failed"


def test_twilio(sandbox: Sandbox) -> None:
    make_phone_customer()
    options = {"account_sid": "AC1", "from": "+15550100", "base_url": sandbox.url}
    save_account("sms", provider="twilio", options=options, secrets={"auth_token": "t"})
    sandbox.answer = lambda path: (201, {"sid": "SM1"})
    assert (send("sms").status, Delivery.objects.get().provider_id) == ("sent", "SM1")
    path, headers, body = sandbox.requests[0]
    assert path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert b64decode(headers["authorization"].removeprefix("Basic ")) == b"AC1:t"
    values = parse_qs(body.decode())
    assert (values["To"], values["From"]) == (["+8613800138000"], ["+15550100"])
    sandbox.answer = lambda path: (400, {"code": 21211, "message": "Invalid 'To' number"})
    assert send("sms", origin_id=2).error == "400 21211 Invalid 'To' number"
    sandbox.answer = lambda path: (500, {})
    assert (
        send("sms", origin_id=3).status == "uncertain"
    )  # it may have been sent, and a repetition would be a second message


def test_whatsapp_uses_the_addresses_of_whatsapp(sandbox: Sandbox) -> None:
    make_phone_customer()
    options = {"account_sid": "AC1", "from": "+15550100", "base_url": sandbox.url}
    save_account("whatsapp", provider="twilio", options=options, secrets={"auth_token": "t"})
    send("whatsapp")
    assert parse_qs(sandbox.requests[0][2].decode())["To"] == ["whatsapp:+8613800138000"]


def test_aliyun(sandbox: Sandbox) -> None:
    make_phone_customer()
    options = {"access_key_id": "k", "sign_name": "商店", "template_code": "SMS_1", "base_url": sandbox.url}
    save_account("sms", provider="aliyun", options=options, secrets={"access_key_secret": "s"})
    sandbox.answer = lambda path: (200, {"Code": "OK", "BizId": "b1"})
    assert send("sms").provider_id == "b1"
    query = parse_qs(urlsplit(sandbox.requests[0][0]).query)
    assert (query["PhoneNumbers"], query["SignName"]) == (["13800138000"], ["商店"])
    assert sandbox.requests[0][1]["authorization"].startswith(
        "ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host;x-acs-action;"
    )
    sandbox.answer = lambda path: (200, {"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "limit"})
    assert send("sms", origin_id=2).status == "pending"
    sandbox.answer = lambda path: (200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "number"})
    assert send("sms", origin_id=3).status == "failed"


def test_tencent(sandbox: Sandbox) -> None:
    make_phone_customer()
    options = {"secret_id": "i", "app_id": "14", "sign_name": "商店", "template_id": "1", "base_url": sandbox.url}
    save_account("sms", provider="tencent", options=options, secrets={"secret_key": "s"})
    sandbox.answer = lambda path: (200, {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "n1"}]}})
    assert send("sms").provider_id == "n1"
    _path, headers, body = sandbox.requests[0]
    assert json.loads(body)["PhoneNumberSet"] == ["+8613800138000"]
    assert headers["x-tc-action"] == "SendSms"
    assert "/sms/tc3_request, SignedHeaders=content-type;host;x-tc-action, Signature=" in headers["authorization"]
    sandbox.answer = lambda path: (200, {"Response": {"Error": {"Code": "MissingParameter", "Message": "no"}}})
    assert send("sms", origin_id=2).error == "200 MissingParameter no"


def make_push_customer(sandbox: Sandbox, *paths: str) -> None:
    """Create a customer whose browsers subscribed in this order, and the account of the shop."""
    customer = make_customer()
    make_consent(customer, Consent.Purpose.PUSH)
    browser = ec.generate_private_key(ec.SECP256R1())
    for path in paths:
        PushSubscription.objects.create(
            customer_id=customer.pk,
            endpoint=f"{sandbox.url}{path}",
            endpoint_hash=hash_endpoint(f"{sandbox.url}{path}"),
            public_key=web_push.encode_base64(web_push.encode_point(browser.public_key())),
            auth_secret=web_push.encode_base64(b"0" * 16),
            created_at=NOON,
        )
    key = web_push.encode_base64(b"\x01" * 32)
    save_account("push", provider="vapid", options={"subject": "mailto:a@shop.example"}, secrets={"private_key": key})


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_no_longer_subscribed_is_forgotten_and_the_next_one_gets_the_message(
    sandbox: Sandbox, status: int
) -> None:
    make_push_customer(sandbox, "/push/old", "/push/new")
    sandbox.answer = lambda path: (status if path == "/push/new" else 201, {})
    assert send("push").status == "pending"
    assert [row.endpoint for row in PushSubscription.objects.all()] == [f"{sandbox.url}/push/old"]
    send_due(now=NOON + timedelta(minutes=2))
    assert Delivery.objects.get().status == "sent"
    sandbox.answer = lambda path: (status, {})
    send("push", origin_id=2, now=NOON + timedelta(minutes=3))
    send_due(now=NOON + timedelta(minutes=9))
    last = Delivery.objects.get(origin_id=2)
    assert (last.status, last.skip_reason) == ("skipped", "not_reachable")
    campaign = Campaign(segment=make_segment("all"), channel="push", holdout_share=Decimal(0))
    assert preview_audience(campaign=campaign, as_of=NOON).reachable == 0


def test_push_is_encrypted_for_the_browser_and_signed(sandbox: Sandbox) -> None:
    make_push_customer(sandbox, "/push/1")
    sandbox.answer = lambda path: (201, {})
    assert send("push").status == "sent"
    _path, headers, body = sandbox.requests[0]
    assert (headers["content-encoding"], headers["ttl"]) == ("aes128gcm", "86400")
    assert headers["authorization"].startswith("vapid t=")
    assert b"Hello" not in body


@pytest.mark.parametrize("text", ["茶" * 2000, "😀" * 2000, '"\\n' * 2000, "a" + "\x1f" * 998 + "a", "short"])
def test_a_long_push_message_is_shortened_to_complete_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    payloads: list[bytes] = []
    monkeypatch.setattr(web_push, "encrypt_push", lambda payload, **_keys: payloads.append(payload) or b"")
    message = OutgoingMessage(
        delivery_id=1,
        attempt=1,
        customer_id=1,
        origin_kind="campaign",
        origin_id=1,
        channel="push",
        recipient=json.dumps(["https://push.example/1", "", ""]),
        language="zh-hans",
        subject="新" * 300,
        html="",
        text=text,
        is_transactional=False,
        links={"open": f"https://shop.example/m/v/{'x' * 150}"},
    )
    account = Account("push", "vapid", secrets={"private_key": web_push.encode_base64(b"\x01" * 32)})
    web_push.WebPushProvider().build_request(message, account)
    content = json.loads(payloads[0])
    assert len(payloads[0]) <= web_push.MAX_PAYLOAD
    assert content["url"] == message.links["open"]
    assert text.strip().startswith(content["body"])
    assert len(content["body"]) >= min(len(text), 400)


def test_push_encryption_matches_the_example_of_rfc_8291() -> None:
    decode = web_push.decode_base64
    encrypted = web_push.encrypt_push(
        b"When I grow up, I want to be a watermelon",
        public_key=decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        auth_secret=decode("BTBZMqHH6r4Tts7J_aSIgg"),
        private_key=web_push.load_private_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert web_push.encode_base64(encrypted) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_without_an_account_messages_go_to_the_outbox(settings: Any) -> None:
    from recommendations.sending.models import OutboxMessage

    make_phone_customer()
    assert send("sms").status == "sent"
    assert OutboxMessage.objects.get().channel == "sms"
