"""Delivery reports and replies that Tencent Cloud and Aliyun push, the hours of marketing, and the parts of an SMS."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse

from customers.identity.models import Consent, Customer
from customers.identity.personal_data.hashing import hash_phone
from recommendations.campaigns.sms_estimate import SmsEstimate
from recommendations.sending.channels.accounts import Account, save_account
from recommendations.sending.models import ChannelAccount, Delivery, DeliveryEvent, Suppression
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from recommendations.sending.sms.parts import SmsSize, measure_sms
from recommendations.sending.sms.replies import is_unsubscribing
from recommendations.sending.sms.views import build_push_url
from tests.makers import make_consent, make_customer, make_identifier
from tests.recommendations.sending.fakes import FakeTemplate
from tests.recommendations.sending.test_channels import Sandbox, sandbox

__all__ = ["sandbox"]
pytestmark = pytest.mark.django_db
TEXT = SimpleNamespace(subject="", preheader="", html="", text='{"name": "茶"}')
AFTERNOON = datetime(2026, 3, 2, 7, tzinfo=UTC)  # 15:00 in China
OPTIONS = {
    "tencent": {"secret_id": "i", "app_id": "14", "sign_name": "商店", "template_id": "1"},
    "aliyun": {"access_key_id": "i", "sign_name": "商店", "template_code": "SMS_1"},
}
SECRETS = {"secret_key": "s", "access_key_secret": "s"}
TENCENT_REPORT = {
    "user_receive_time": "2026-03-02 15:00:04", "nationcode": "86", "mobile": "13800138000", "report_status": "SUCCESS",
    "errmsg": "DELIVRD", "description": "用户短信送达成功", "sid": "n+8613800138000",
}  # fmt: skip
ALIYUN_REPORT = {
    "phone_number": "13800138000", "send_time": "2026-03-02 15:00:00", "report_time": "2026-03-02 15:00:04",
    "success": True, "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1", "biz_id": "b1", "out_id": "1",
}  # fmt: skip
FAILED = {
    "tencent": {"report_status": "FAIL", "errmsg": "MK:0001", "description": "空号"},
    "aliyun": {"success": False, "err_code": "MOBILE_NOT_ON_SERVICE", "err_msg": "停机"},
}


def make_account(sandbox: Sandbox, provider: str) -> str:
    """Return the address for the pushes of a new account."""
    save_account("sms", provider=provider, options={**OPTIONS[provider], "base_url": sandbox.url}, secrets=SECRETS)
    sandbox.answer = lambda path: (
        200,
        answer_tencent(sandbox) if provider == "tencent" else {"Code": "OK", "BizId": "b1"},
    )
    return urlsplit(build_push_url(ChannelAccount.objects.get())).path


def answer_tencent(sandbox: Sandbox) -> dict[str, Any]:
    phones = json.loads(sandbox.requests[-1][2])["PhoneNumberSet"]
    rows = [{"SerialNo": f"n{phone}", "PhoneNumber": phone, "Code": "Ok", "Message": ""} for phone in phones]
    return {"Response": {"SendStatusSet": rows}}


def make_phones(*phones: str) -> None:
    for phone in phones:
        customer = make_customer(phone=phone)
        make_identifier(customer, hash_phone(phone), kind="phone_hash")
        make_consent(customer, Consent.Purpose.SMS, recorded_at=AFTERNOON - timedelta(days=9))


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTemplate, "render", lambda *args, **kwargs: TEXT)


def send(*, now: datetime = AFTERNOON, origin_id: int = 1, **values: Any) -> list[tuple[str, str]]:
    values = {"origin_kind": "campaign", "origin_id": origin_id, "template_version_id": 1, "due_at": now, **values}
    queue_audience(customers=Customer.objects.all(), channel="sms", **values)
    send_due(now=now)
    return list_states(origin_id)


def list_states(origin_id: int = 1) -> list[tuple[str, str]]:
    rows = Delivery.objects.filter(origin_id=origin_id).order_by("customer_id")
    return list(rows.values_list("status", "skip_reason"))


def push(path: str, data: Any) -> tuple[int, dict[str, Any]]:
    response = Client().post(path, data if isinstance(data, str) else json.dumps(data), content_type="application/json")
    return response.status_code, response.json()


@pytest.mark.parametrize("provider", ["tencent", "aliyun"])
def test_reports_say_what_became_of_each_message_and_count_once(sandbox: Sandbox, provider: str) -> None:
    path = make_account(sandbox, provider)
    make_phones("+8613800138000", "+8613800138001", "13800138002")
    assert send() == [("sent", "")] * 3
    assert len(sandbox.requests) == 1
    first = TENCENT_REPORT if provider == "tencent" else ALIYUN_REPORT
    changes = {"mobile": "13800138001", "phone_number": "13800138001", "sid": "n+8613800138001", **FAILED[provider]}
    rows = [first, {name: changes.get(name, value) for name, value in first.items()}]
    for _repetition in range(2):
        status, answer = push(path, rows)
        assert (status, answer["result"], answer["code"]) == (200, 0, 0)
    assert [status for status, _reason in list_states()] == ["delivered", "bounced", "sent"]
    assert Delivery.objects.get(status="delivered").delivered_at == AFTERNOON + timedelta(seconds=4)
    details = list(DeliveryEvent.objects.order_by("kind").values_list("kind", "detail"))
    expected = " ".join(str(value) for value in list(FAILED[provider].values())[1:])
    assert details == [("delivered", ""), ("hard_bounce", expected)]


def test_aliyun_gets_one_request_for_numbers_with_the_same_text(sandbox: Sandbox) -> None:
    make_account(sandbox, "aliyun")
    make_phones("+8613800138000", "13800138001", "+85291234567")
    assert send() == [("sent", "")] * 3
    queries = [parse_qs(urlsplit(path).query) for path, _headers, _body in sandbox.requests]
    assert sorted(query["PhoneNumbers"][0] for query in queries) == ["13800138000,13800138001", "85291234567"]
    assert {query["TemplateParam"][0] for query in queries} == {'{"name": "茶"}'}


def test_one_wrong_number_fails_alone(sandbox: Sandbox) -> None:
    make_account(sandbox, "aliyun")
    make_phones("+8613800138000", "+8613800138001", "+8610000000000")

    def answer(path: str) -> tuple[int, Any]:
        is_wrong = "10000000000" in path
        return 200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL"} if is_wrong else {"Code": "OK", "BizId": "b1"}

    sandbox.answer = answer
    assert send() == [("pending", "")] * 3
    send_due(now=AFTERNOON + timedelta(minutes=2))
    assert list_states() == [("sent", ""), ("sent", ""), ("failed", "")]
    assert len(sandbox.requests) == 4


def test_a_report_that_is_faster_than_the_answer_is_asked_for_again(sandbox: Sandbox) -> None:
    path = make_account(sandbox, "tencent")
    now = datetime.now(UTC)
    row = {**TENCENT_REPORT, "sid": "later", "user_receive_time": f"{now + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"}
    assert push(path, [row])[0] == 503
    assert push(path, [{**TENCENT_REPORT, "sid": "of another shop"}])[0] == 200
    assert not DeliveryEvent.objects.exists()


@pytest.mark.parametrize("number", ["", "+", "0", "38001"])
def test_a_report_without_a_number_belongs_to_none_of_the_messages_of_a_request(sandbox: Sandbox, number: str) -> None:
    path = make_account(sandbox, "aliyun")
    make_phones("+8613800138000", "+8613800138001")
    assert send() == [("sent", "")] * 2
    assert push(path, [{**ALIYUN_REPORT, "phone_number": number}])[0] == 200
    assert list_states() == [("sent", "")] * 2
    assert not DeliveryEvent.objects.exists()


def test_only_the_address_of_the_account_is_answered(sandbox: Sandbox) -> None:
    path = make_account(sandbox, "tencent")
    for wrong in (path[:-3], path.replace("/tencent/", "/aliyun/"), path.replace("/tencent/", "/twilio/")):
        assert push(wrong, [])[0] == 404
    ChannelAccount.objects.all().delete()
    assert push(path, [])[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "7", "[7]", "{}", '[{"nationcode": 86, "mobile": "1"}]', "[" * 50 + "]" * 50,
        json.dumps([{**TENCENT_REPORT, "report_status": "MAYBE"}]), json.dumps([{**TENCENT_REPORT, "sid": "\x00"}]),
        json.dumps([{**TENCENT_REPORT, "user_receive_time": "now"}]), json.dumps([TENCENT_REPORT] * 1001),
        json.dumps({"nationcode": "86", "mobile": "1", "text": "TD", "time": 1e300}),
    ],
)  # fmt: skip
def test_what_is_not_documented_is_refused_by_name(sandbox: Sandbox, body: str) -> None:
    status, answer = push(make_account(sandbox, "tencent"), body)
    assert (status, bool(answer["errmsg"])) == (400, True)


@pytest.mark.parametrize(("reply", "expected"), [
    ("TD", True), ("td ", True), ("Ｔ", True), ("t。", True), ("退订", True), ("我要退订！", True), ("R", True),
    ("谢谢", False), ("T恤有货吗", False), ("", False),
])  # fmt: skip
def test_the_words_that_unsubscribe(reply: str, expected: bool) -> None:
    assert is_unsubscribing(reply) == expected


def make_reply(provider: str, text: str, at: datetime) -> Any:
    if provider == "tencent":
        return {
            "extend": "",
            "mobile": "13800138000",
            "nationcode": "86",
            "sign": "商店",
            "text": text,
            "time": int(at.timestamp()),
        }
    sent = f"{at + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"
    return [{"phone_number": "13800138000", "content": text, "send_time": sent, "dest_code": "1", "sequence_id": "1"}]


@pytest.mark.parametrize("provider", ["tencent", "aliyun"])
def test_a_reply_unsubscribes_at_once_and_a_repeated_one_does_not_withdraw_a_later_consent(
    sandbox: Sandbox, provider: str
) -> None:
    path = make_account(sandbox, provider)
    make_phones("13800138000", "+8613800138001")
    assert send() == [("sent", "")] * 2
    replied_at = AFTERNOON + timedelta(minutes=2)
    assert push(path, make_reply(provider, "谢谢", replied_at))[0] == 200
    assert not Suppression.objects.exists()
    for _repetition in range(2):
        assert push(path, make_reply(provider, "TD", replied_at))[0] == 200
    consent = Consent.objects.get(status="withdrawn")
    assert (consent.customer.phone, consent.recorded_at, consent.proof["wording"]) == ("13800138000", replied_at, "TD")
    assert set(Suppression.objects.values_list("kind", "reason")) == {("phone", "unsubscribed")}
    assert Delivery.objects.exclude(unsubscribed_at=None).get().unsubscribed_at == replied_at
    assert LogEntry.objects.filter(additional_data__event="sms.unsubscribed").count() == 1
    later = AFTERNOON + timedelta(minutes=5)
    assert send(origin_id=2, now=later) == [("skipped", "no_consent"), ("sent", "")]
    assert send(origin_id=3, now=later, is_transactional=True) == [("sent", "")] * 2  # orders are not marketing
    make_consent(consent.customer, Consent.Purpose.SMS, recorded_at=later)
    Suppression.objects.all().delete()  # by staff
    assert push(path, make_reply(provider, "TD", replied_at))[0] == 200
    assert (Suppression.objects.count(), Consent.objects.filter(status="withdrawn").count()) == (0, 1)


def test_a_stranger_who_unsubscribes_is_suppressed_too(sandbox: Sandbox) -> None:
    path = make_account(sandbox, "tencent")
    assert push(path, make_reply("tencent", "退订", AFTERNOON))[0] == 200
    make_phones("+8613800138000")
    assert send() == [("skipped", "suppressed")]


@pytest.mark.parametrize(("hour", "due"), [(22, 24 + 8), (3, 8), (8, None), (21, None)])
def test_marketing_to_mainland_numbers_waits_for_the_hours_of_the_day(
    sandbox: Sandbox, hour: int, due: int | None
) -> None:
    make_account(sandbox, "tencent")
    make_phones("+8613800138000", "13800138001", "+85291234567")
    midnight = datetime(2026, 3, 1, 16, tzinfo=UTC)
    now = midnight + timedelta(hours=hour)
    state = "sent" if due is None else "pending"
    assert [status for status, _reason in send(now=now)] == [state, state, "sent"]
    if due is not None:
        waiting = Delivery.objects.filter(status="pending")
        assert set(waiting.values_list("due_at", flat=True)) == {midnight + timedelta(hours=due)}
        assert send(now=now, origin_id=2, is_transactional=True) == [("sent", "")] * 3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("好" * 60, SmsSize(70, 1)),  # 【商店】 has 4 characters and 拒收请回复R 6
        ("好" * 61, SmsSize(71, 2)),
        ("好" * 124, SmsSize(134, 2)),
        ("好" * 125, SmsSize(135, 3)),
        ('{"a": "茶", "b": "👍"}', SmsSize(13, 1)),
    ],
)
def test_parts_of_an_sms_count_signature_and_how_to_unsubscribe(text: str, size: SmsSize) -> None:
    account = Account("sms", "aliyun", {"sign_name": "商店", "unsubscribe_text": "拒收请回复R", "part_price": "0.045"})
    assert measure_sms(text, account, is_transactional=False) == size
    assert SmsEstimate(size, 3, float(size.parts), Decimal("0.045")).compute_cost(1000) == Decimal("45") * size.parts


@pytest.mark.parametrize(
    ("provider", "template"), [("aliyun", "亲爱的${name}，${what}到了"), ("tencent", "亲爱的{1}，{2}到了")]
)
def test_parts_count_the_registered_template(provider: str, template: str) -> None:
    account = Account("sms", provider, {"sign_name": "商店", "template_text": template})
    text = '{"name": "林", "what": "龙井"}'
    assert measure_sms(text, account, is_transactional=True) == SmsSize(4 + len("亲爱的林，龙井到了"), 1)


def test_parts_of_other_providers_depend_on_the_alphabet() -> None:
    account = Account("sms", "twilio", {})
    assert measure_sms("a" * 160, account, is_transactional=False) == SmsSize(160, 1)
    assert measure_sms("a" * 158 + "€", account, is_transactional=False) == SmsSize(160, 1)
    assert measure_sms("a" * 161, account, is_transactional=False) == SmsSize(161, 2)
    assert measure_sms("č" * 71, account, is_transactional=False) == SmsSize(71, 2)


def test_the_channel_page_shows_the_address_for_pushes(sandbox: Sandbox, admin_client: Client) -> None:
    path = make_account(sandbox, "aliyun")
    assert path in admin_client.get(reverse("channels:list")).content.decode()
