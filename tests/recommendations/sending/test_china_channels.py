"""WeCom and the SMS providers of China against servers that answer as their documentation says, with faults."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.hashing import hash_wechat_id
from recommendations.sending.channels.accounts import Account, save_account
from recommendations.sending.channels.aliyun import sign_aliyun
from recommendations.sending.channels.tencent import build_authorization
from recommendations.sending.models import Delivery, DeliveryEvent, SendingSettings
from recommendations.sending.queue import cancel, count_deliveries, queue_audience
from recommendations.sending.sender import send_due
from recommendations.sending.wecom import api as wecom_api
from recommendations.sending.wecom.cancellation import stop_canceled_tasks
from recommendations.sending.wecom.contacts import link_wecom_contacts
from recommendations.sending.wecom.results import read_wecom_results
from tests.makers import NOON, make_consent, make_customer
from tests.recommendations.sending.fakes import FakeTemplate
from tests.recommendations.sending.test_channels import Sandbox, sandbox

__all__ = ["sandbox"]
pytestmark = pytest.mark.django_db
TEXT = SimpleNamespace(subject="", preheader="", html="", text="双11预售已开启")


class WeCom:
    """WeCom's documented answers: https://developer.work.weixin.qq.com/document/path/92135, /91039, /93338, /92571 and /92994."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.tokens = 0
        self.faults: list[Any] = []  # what the next calls answer instead, or None for no answer
        self.refused: list[str] = []  # the fail_list of the next task
        self.sent: list[list[str]] = []  # the contacts of each task
        self.results: dict[str, int] | None = None  # the status of each contact; None until the employee confirms
        self.contacts: dict[str, str] = {}
        self.stopped: list[str] = []
        sandbox.answer = self.answer

    def answer(self, path: str) -> tuple[int, Any] | None:
        name, _question, query = path.partition("?")
        body = json.loads(self.sandbox.requests[-1][2] or b"{}")
        if name.endswith("/gettoken"):
            self.tokens += 1
            return 200, {"errcode": 0, "errmsg": "ok", "access_token": f"token{self.tokens}", "expires_in": 7200}
        if f"access_token=token{self.tokens}" not in query:
            return 200, {"errcode": 40014, "errmsg": "invalid access_token"}
        if self.faults:
            fault = self.faults.pop(0)
            if name.endswith("/add_msg_template") and (fault is None or fault[0] == 500):
                self.sent.append(body["external_userid"])  # accepted, and then the answer is lost
            return None if fault is None else (fault[0], fault[1])
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "add_msg_template": lambda: self.add_task(body),
            "cancel_groupmsg_send": lambda: self.stop_task(body),
            "get_groupmsg_task": self.list_employees,
            "get_groupmsg_send_result": self.list_results,
            "get_follow_user_list": lambda: {"follow_user": ["zhang"]},
            "get_by_user": lambda: {"external_contact_list": [self.describe(*item) for item in self.contacts.items()]},
        }
        return 200, {"errcode": 0, "errmsg": "ok", **answers[name.rpartition("/")[2]]()}

    def add_task(self, body: dict[str, Any]) -> dict[str, Any]:
        assert (body["chat_type"], body["text"]["content"]) == ("single", TEXT.text)
        self.sent.append([contact for contact in body["external_userid"] if contact not in self.refused])
        return {"msgid": f"msg{len(self.sent)}", "fail_list": self.refused}

    def stop_task(self, body: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(body["msgid"])
        return {}

    def list_employees(self) -> dict[str, Any]:
        return {"task_list": [{"userid": "zhang", "status": 0 if self.results is None else 2}], "next_cursor": ""}

    def list_results(self) -> dict[str, Any]:
        rows = [{"external_userid": contact, "status": status} for contact, status in (self.results or {}).items()]
        return {"send_list": [{**row, "send_time": int(NOON.timestamp()) + 600} for row in rows]}

    def describe(self, unionid: str, contact: str) -> dict[str, Any]:
        return {"external_contact": {"external_userid": contact, "type": 1, "unionid": unionid}, "follow_info": {}}


@pytest.fixture
def wecom(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> WeCom:
    monkeypatch.setattr(FakeTemplate, "render", lambda *args, **kwargs: TEXT)
    monkeypatch.setattr(wecom_api, "_tokens", {})
    monkeypatch.setattr(wecom_api, "MIN_AGE", 0.0)
    options = {"corp_id": "ww1", "sender": "zhang", "base_url": sandbox.url}
    save_account("wecom", provider="wecom", options=options, secrets={"corp_secret": "s"})
    return WeCom(sandbox)


def make_contacts(*names: str) -> None:
    for name in names:
        make_consent(make_customer(traits={"wecom_external_userid": name}), Consent.Purpose.PUSH)


def send(channel: str = "wecom", *, origin_id: int = 1, now: datetime = NOON) -> list[str]:
    values = {"origin_kind": "campaign", "origin_id": origin_id, "template_version_id": 1, "due_at": NOON}
    queue_audience(customers=Customer.objects.all(), channel=channel, **values)  # type: ignore[arg-type]
    send_due(now=now)
    return list_statuses(origin_id)


def list_statuses(origin_id: int = 1) -> list[str]:
    return list(Delivery.objects.filter(origin_id=origin_id).order_by("customer_id").values_list("status", flat=True))


def test_contacts_with_the_same_text_are_one_task_and_refused_ones_are_told_apart(wecom: WeCom) -> None:
    make_contacts("wm1", "wm2", "wm3")
    wecom.refused = ["wm2"]
    assert send() == ["sent", "failed", "sent"]
    assert wecom.sent == [["wm1", "wm3"]]
    assert set(Delivery.objects.filter(status="sent").values_list("provider_id", flat=True)) == {"msg1"}
    assert "cannot get the message" in Delivery.objects.get(status="failed").error
    assert wecom.tokens == 1


def test_a_token_that_expires_on_the_way_is_asked_for_again_and_nothing_is_sent_twice(wecom: WeCom) -> None:
    make_contacts("wm1", "wm2")
    wecom.faults = [(200, {"errcode": 42001, "errmsg": "access_token expired"})]
    assert send() == ["pending", "pending"]
    send_due(now=NOON + timedelta(minutes=2))
    assert (list_statuses(), wecom.sent, wecom.tokens) == (["sent", "sent"], [["wm1", "wm2"]], 2)


@pytest.mark.parametrize(
    ("fault", "status", "again"),
    [
        ((200, {"errcode": 45009, "errmsg": "api freq out of limit"}), "pending", "sent"),
        ((200, {"errcode": -1, "errmsg": "system busy"}), "pending", "sent"),
        ((200, {"errcode": 60020, "errmsg": "not allow to access from your ip"}), "pending", "sent"),
        ((503, {}), "pending", "sent"),
        ((200, {"errcode": 40058, "errmsg": "invalid parameter"}), "failed", "failed"),
        ((500, {}), "uncertain", "uncertain"),
        (None, "uncertain", "uncertain"),
    ],
)
def test_what_may_have_been_sent_is_not_sent_again(wecom: WeCom, fault: Any, status: str, again: str) -> None:
    make_contacts("wm1", "wm2")
    wecom.faults = [fault]
    assert send() == [status, status]
    send_due(now=NOON + timedelta(minutes=2))
    assert list_statuses() == [again, again]
    assert len(wecom.sent) == (again != "failed")


@pytest.mark.parametrize(("limit", "sent"), [("", 30), ("week", 7), ("day", 1)])
def test_a_contact_gets_as_many_messages_as_wecom_allows(wecom: WeCom, limit: str, sent: int) -> None:
    make_contacts("wm1")
    options = {"corp_id": "ww1", "contact_limit": limit, "base_url": wecom.sandbox.url}
    save_account("wecom", provider="wecom", options=options, secrets={"corp_secret": "s"})
    SendingSettings.objects.update_or_create(pk=1, defaults={"caps": []})
    customer = Customer.objects.get()
    Delivery.objects.bulk_create(
        Delivery(
            origin_kind="campaign", origin_id=100 + number, customer_id=customer.pk, template_version_id=1,
            channel="wecom", status="sent", due_at=NOON, claimed_at=NOON,
        )
        for number in range(sent - 1)
    )  # fmt: skip
    assert send(now=NOON + timedelta(minutes=1)) == ["sent"]
    assert send(origin_id=2, now=NOON + timedelta(minutes=2)) == ["skipped"]
    assert Delivery.objects.get(origin_id=2).skip_reason == "frequency_cap"
    assert "sender" not in json.loads(wecom.sandbox.requests[-1][2])  # WeCom chooses the employee


def test_a_message_is_delivered_when_the_employee_has_confirmed_it(wecom: WeCom) -> None:
    make_contacts("wm1", "wm2", "wm3", "wm4")
    assert send() == ["sent"] * 4
    later = NOON + timedelta(hours=1)
    assert (read_wecom_results(now=later), list_statuses()) == (0, ["sent"] * 4)
    wecom.results = {"wm1": 1, "wm2": 2, "wm3": 3, "wm4": 0, "stranger": 1}
    wecom.faults = [(200, {"errcode": 42001, "errmsg": "access_token expired"})]
    assert read_wecom_results(now=later) == 3
    assert list_statuses() == ["delivered", "bounced", "bounced", "sent"]
    assert Delivery.objects.get(status="delivered").delivered_at == NOON + timedelta(minutes=10)
    assert "no longer a customer" in "".join(DeliveryEvent.objects.values_list("detail", flat=True))
    assert read_wecom_results(now=later) == 0
    assert DeliveryEvent.objects.count() == 3
    wecom.faults = [(200, {"errcode": 45009, "errmsg": "api freq out of limit"})]
    assert read_wecom_results(now=later) == 0


def test_canceling_stops_tasks_that_nobody_has_confirmed_and_none_that_another_campaign_shares(wecom: WeCom) -> None:
    make_contacts("wm1", "wm2")
    assert send() == send(origin_id=2) == ["sent", "sent"]
    assert stop_canceled_tasks(now=NOON) == 0
    Delivery.objects.filter(origin_id=2).update(provider_id="msg1")  # its messages travelled with the first task
    cancel("campaign", 1)
    assert (stop_canceled_tasks(now=NOON), wecom.stopped) == (0, [])
    Delivery.objects.filter(origin_id=2).update(provider_id="msg2")
    wecom.faults = [(200, {"errcode": 45009, "errmsg": "api freq out of limit"})]
    assert (stop_canceled_tasks(now=NOON), list_statuses()) == (0, ["sent", "sent"])
    wecom.results = {"wm1": 1, "wm2": 0}  # confirmed by one employee before the task was stopped
    assert (stop_canceled_tasks(now=NOON + timedelta(hours=1)), wecom.stopped) == (1, ["msg1"])
    assert (list_statuses(), list_statuses(2)) == (["delivered", "canceled"], ["sent", "sent"])
    assert stop_canceled_tasks(now=NOON + timedelta(hours=1)) == 0
    assert count_deliveries("campaign", [1])[1].sent == 1


def test_contacts_are_found_by_a_proven_unionid(wecom: WeCom) -> None:
    for unionid, is_proven in (("oU-proven", True), ("oU-claimed", False)):
        customer = make_customer(unionid)
        value = hash_wechat_id(unionid)
        Identifier.objects.create(kind="unionid_hash", value=value, customer=customer, is_proven=is_proven)
    wecom.contacts = {"oU-proven": "wm1", "oU-claimed": "wm2", "oU-stranger": "wm3"}
    assert link_wecom_contacts(now=NOON) == 1
    assert link_wecom_contacts(now=NOON) == 0
    assert list(Customer.objects.order_by("pk").values_list("traits__wecom_external_userid", flat=True)) == [
        "wm1",
        None,
    ]


def make_phones(*phones: str) -> None:
    for phone in phones:
        make_consent(make_customer(phone=phone), Consent.Purpose.SMS)


@pytest.fixture
def tencent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(FakeTemplate, "render", lambda *args, **kwargs: TEXT)
    options = {"secret_id": "i", "app_id": "14", "sign_name": "商店", "template_id": "1", "base_url": sandbox.url}
    save_account("sms", provider="tencent", options=options, secrets={"secret_key": "s"})
    return sandbox


def test_tencent_gets_one_request_for_many_numbers_and_each_has_its_own_result(tencent: Sandbox) -> None:
    make_phones("+8613800138000", "+8613800138001", "+8613800138000", "+85291234567", "13800138002")
    codes = {
        "+8613800138001": "LimitExceeded.PhoneNumberDailyLimit",
        "+85291234567": "InvalidParameterValue.IncorrectPhoneNumber",
    }

    def answer(path: str) -> tuple[int, Any]:
        body = json.loads(tencent.requests[-1][2])
        return 200, {
            "Response": {
                "SendStatusSet": [
                    {"SerialNo": f"n{phone}", "PhoneNumber": phone, "Code": codes.get(phone, "Ok"), "Message": "m"}
                    for phone in reversed(body["PhoneNumberSet"])
                ]
            }
        }

    tencent.answer = answer
    assert send("sms") == ["sent", "pending", "sent", "failed", "sent"]
    numbers = sorted(json.loads(body)["PhoneNumberSet"] for _path, _headers, body in tencent.requests)
    assert numbers == [["+85291234567"], ["+8613800138000", "+8613800138001"], ["+8613800138000", "+8613800138002"]]
    assert Delivery.objects.filter(provider_id="n+8613800138000").count() == 2


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("FailedOperation.InsufficientBalanceInSmsPackage", "pending"),
        ("FailedOperation.TemplateIncorrectOrUnapproved", "pending"),
        ("LimitExceeded.PhoneNumberOneHourLimit", "pending"),
        ("FailedOperation.PhoneNumberInBlacklist", "failed"),
        ("LimitExceeded.PhoneNumberCountLimit", "failed"),
    ],
)
def test_what_the_shop_can_mend_waits_and_what_a_number_causes_fails(tencent: Sandbox, code: str, status: str) -> None:
    make_phones("+8613800138000")
    row = {"PhoneNumber": "+8613800138000", "Code": code, "Message": "m"}
    tencent.answer = lambda path: (200, {"Response": {"SendStatusSet": [row]}})
    assert send("sms") == [status]


def test_signature_of_tencent_is_that_of_the_published_example() -> None:
    """https://cloud.tencent.com/document/api/213/30654, whose SecretKey is hidden by 32 asterisks and used as such."""
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    header = build_authorization(
        body, credentials=("AKID", "*" * 32), service="cvm", host="cvm.tencentcloudapi.com", action="DescribeInstances",
        timestamp="1551113065",
    )  # fmt: skip
    assert header.endswith("Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f")


def test_signature_of_aliyun_is_that_of_the_published_example() -> None:
    """https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature."""
    account = Account(
        "sms", "aliyun", {"access_key_id": "YourAccessKeyId"}, {"access_key_secret": "YourAccessKeySecret"}
    )
    headers = sign_aliyun(
        "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai", account,
        moment=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC), nonce="3156853299f313e23d1673dc12e1703d",
        host="ecs.cn-shanghai.aliyuncs.com", action=("RunInstances", "2014-05-26"),
    )  # fmt: skip
    assert headers["Authorization"].endswith("06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")
