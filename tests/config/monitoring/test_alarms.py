"""Alarms: rules, one notification per opening over a real mail server and webhook, reminders, resolution, and flapping."""

import base64
import hashlib
import hmac
import platform
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django_celery_beat.models import PeriodicTask

from config.jobs.models import ScheduledRun
from config.monitoring.alarms import notifications, registry
from config.monitoring.alarms.evaluation import acknowledge, check_rules, purge_alarms
from config.monitoring.alarms.messages import describe_alarm
from config.monitoring.alarms.notifications import send_due_notifications
from config.monitoring.alarms.registry import AlarmFinding, AlarmMessage, AlarmRule, list_rules
from config.monitoring.alarms.rules import servers
from config.monitoring.alarms.rules.data import DATA_RULES
from config.monitoring.alarms.rules.jobs import JOB_RULES
from config.monitoring.alarms.rules.sending import SENDING_RULES
from config.monitoring.models import (
    Alarm,
    AlarmNotification,
    AlarmRuleSetting,
    AlarmState,
    AlarmSubscription,
    AlarmWebhook,
    NotificationStatus,
)
from config.monitoring.server_state import DatabaseState, DiskState, ValkeyState
from config.schedule import sync_schedule
from customers.connectors.models import ShopConnection
from customers.destinations.models import Destination, DestinationBatch
from customers.events.models import Outbox
from customers.privacy.models import PrivacyRequest
from recommendations.messaging.models import CouponPool
from recommendations.training.models import ModelVersion
from tests.config.access.passwords.mail_server import MailServer
from tests.config.monitoring.conftest import WebhookReceiver
from tests.customers.connectors.makers import make_connection
from tests.waiting import measure_running_seconds

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TASK = "customers.lifecycle.tasks.refresh_profiles"


@pytest.fixture(autouse=True)
def all_rules() -> None:
    """Register all rules before a test replaces the registry: modules are imported once, and would fill the replaced one."""
    list_rules()


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """One rule that finds the subjects in the list."""
    subjects: list[str] = []

    def find(_context: Any) -> Iterator[AlarmFinding]:
        for subject in subjects:
            yield AlarmFinding(subject, {"share": 0.5})

    rule = AlarmRule(
        key="half", label="Half", find=find, describe=lambda s, d: AlarmMessage(f"{s} is half", "Fill it.")
    )
    monkeypatch.setattr(registry, "_rules", {"half": rule})
    return subjects


@pytest.fixture
def operator() -> User:
    user = User.objects.create_user("olga", "olga@shop.example", is_staff=True)
    user.groups.add(Group.objects.get(name="Operator"))
    AlarmSubscription.objects.create(user=user, language="zh-hans")
    return user


def check(now: datetime) -> int:
    check_rules(now=now)
    return send_due_notifications(now=now)


def test_an_opening_is_sent_once_by_mail_and_signed_webhook(
    rules: list[str], operator: User, mail_server: MailServer, webhook_receiver: WebhookReceiver
) -> None:
    webhook = AlarmWebhook.objects.create(url=webhook_receiver.url)
    rules[:] = ["glass", "cup"]
    assert check(NOON) == 4
    assert check(NOON + MINUTE) == 0
    (mail,) = mail_server.messages  # one email for both
    assert mail_server.recipients == ["olga@shop.example"]
    assert "告警：" in str(mail["subject"])
    body = mail.get_body(("plain",))
    assert body is not None
    alarm = Alarm.objects.get(subject="cup")
    assert all(text in body.get_content() for text in ("glass is half", "cup is half", "Fill it."))
    assert f"/admin/settings/monitoring/alarms/{alarm.pk}/" in body.get_content()
    headers, content = webhook_receiver.calls[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"), validate=True)
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(digest).decode()}" in headers["webhook-signature"].split(" ")
    assert [body["type"] for body in webhook_receiver.bodies] == ["alarm.opened", "alarm.opened"]
    assert webhook_receiver.bodies[0]["data"]["title"] == "glass is half"


def test_a_killed_worker_sends_nothing_twice_and_a_failure_is_repeated(
    rules: list[str], operator: User, mail_server: MailServer, webhook_receiver: WebhookReceiver, settings: Any
) -> None:
    AlarmWebhook.objects.create(url=webhook_receiver.url)
    webhook_receiver.status = 503
    rules[:] = ["cup"]
    settings.EMAIL_PORT, port = 1, settings.EMAIL_PORT  # nothing listens there
    assert check(NOON) == 0
    assert set(AlarmNotification.objects.values_list("status", "attempts")) == {("pending", 1)}
    settings.EMAIL_PORT, webhook_receiver.status = port, 204
    assert check(NOON + timedelta(seconds=30)) == 0  # it waits a minute
    AlarmNotification.objects.filter(user=operator).update(status=NotificationStatus.SENDING)  # killed after the claim
    assert check(NOON + MINUTE) == 1
    assert not mail_server.messages
    assert len(webhook_receiver.calls) == 2
    assert check(NOON + HOUR) == 0


def test_a_webhook_that_answers_slowly_does_not_hold_the_worker(
    rules: list[str], webhook_receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "TOTAL_SECONDS", 0.5)
    webhook_receiver.drip_seconds = 600.0
    AlarmWebhook.objects.create(url=webhook_receiver.url)
    rules[:] = ["cup"]
    with measure_running_seconds() as get_seconds:
        assert check(NOON) == 0
        assert get_seconds() < 20
    assert AlarmNotification.objects.get().status == NotificationStatus.PENDING


def test_reminders_stop_with_the_acknowledgement_and_the_end_is_announced(
    rules: list[str], operator: User, mail_server: MailServer
) -> None:
    rules[:] = ["cup"]
    moments = [NOON + hours * HOUR for hours in (0, 1, 24, 25, 48)]
    assert [check(at) for at in moments] == [1, 0, 1, 0, 1]
    assert acknowledge(Alarm.objects.get(), by="olga", now=NOON + 49 * HOUR)
    assert not acknowledge(Alarm.objects.get(), by="otto", now=NOON + 49 * HOUR)
    assert check(NOON + 80 * HOUR) == 0
    rules.clear()
    assert check(NOON + 81 * HOUR) == 1
    subjects = [str(mail["subject"]).partition("] ")[2].partition("：")[0] for mail in mail_server.messages]
    assert subjects == ["告警", "仍未解决", "仍未解决", "已解决"]
    alarm = Alarm.objects.get()
    assert (alarm.state, alarm.acknowledged_by, alarm.resolved_at) == ("resolved", "olga", NOON + 81 * HOUR)
    assert purge_alarms(now=NOON + timedelta(days=100)) == 1


def test_a_problem_that_comes_and_goes_is_one_alarm(rules: list[str], operator: User, mail_server: MailServer) -> None:
    for minute in range(12):
        rules[:] = ["cup"] if minute % 2 == 0 else []
        check(NOON + minute * MINUTE)
    assert len(mail_server.messages) == 2  # opened, resolved
    assert Alarm.objects.get().reopened == 5
    rules[:] = ["cup"]
    check(NOON + 2 * HOUR)
    assert Alarm.objects.count() == 2
    assert len(mail_server.messages) == 3


def test_who_may_not_see_alarms_or_wants_only_critical_ones_gets_none(
    rules: list[str], operator: User, mail_server: MailServer
) -> None:
    AlarmSubscription.objects.update(only_critical=True)
    rules[:] = ["cup"]
    assert check(NOON) == 0
    AlarmSubscription.objects.update(only_critical=False)
    operator.groups.clear()
    rules[:] = ["cup", "glass"]
    assert check(NOON + MINUTE) == 0
    assert not mail_server.messages


def test_an_inactive_rule_resolves_its_alarms_and_one_that_fails_keeps_them(
    rules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules[:] = ["cup"]
    check_rules(now=NOON)

    def fail(_context: Any) -> Iterator[AlarmFinding]:
        raise OSError("unreachable")
        yield

    rule = registry._rules["half"]
    monkeypatch.setitem(registry._rules, "half", AlarmRule(key="half", label="", find=fail, describe=rule.describe))
    check_rules(now=NOON + MINUTE)
    assert Alarm.objects.get().state == AlarmState.OPEN
    AlarmRuleSetting.objects.create(rule="half", is_active=False)
    check_rules(now=NOON + 2 * MINUTE)
    assert Alarm.objects.get().state == AlarmState.RESOLVED


def make_run(minutes: float, status: str = "failed", task: str = TASK, **fields: Any) -> ScheduledRun:
    at = NOON + minutes * MINUTE
    return ScheduledRun.objects.create(task=task, status=status, started_at=at, finished_at=at, seconds=1.0, **fields)


def test_a_connected_shop_with_a_problem_opens_an_alarm_until_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_rules", {rule.key: rule for rule in DATA_RULES if rule.key == "connector_problem"})
    shop = make_connection("woocommerce", "https://tea.example", {})
    ShopConnection.objects.update(problem="The key was refused. Enter a new one.")
    check_rules(now=NOON)
    message = describe_alarm(Alarm.objects.get())
    assert message.title == "The import of the shop Tea shop has a problem"
    assert message.advice.endswith("The key was refused. Enter a new one.")
    assert message.url == f"/admin/connectors/{shop.pk}/"
    ShopConnection.objects.update(problem="")
    check_rules(now=NOON + MINUTE)
    assert list_alarms() == set()


def test_a_destination_whose_delivery_waits_for_hours_opens_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "_rules", {rule.key: rule for rule in DATA_RULES if rule.key == "destination_problem"}
    )
    destination = Destination.objects.create(name="Data team", kind="webhook")
    moments = {"created_at": NOON - 3 * HOUR, "next_attempt_at": NOON}
    DestinationBatch.objects.create(destination=destination, stream="orders", key="batch", **moments)
    check_rules(now=NOON)
    message = describe_alarm(Alarm.objects.get())
    assert message.title == "The destination Data team does not receive its data"
    assert message.url == f"/admin/destinations/{destination.pk}/"
    DestinationBatch.objects.update(status="sent")
    check_rules(now=NOON + MINUTE)
    assert list_alarms() == set()


def test_a_coupon_pool_that_runs_low_opens_an_alarm_until_it_has_more_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_rules", {rule.key: rule for rule in SENDING_RULES if rule.key == "coupons_low"})
    pool = CouponPool.objects.create(key="tea", name="Tea", code_count=20, claimed_count=15, low_stock=10)
    check_rules(now=NOON)
    assert describe_alarm(Alarm.objects.get()).title == "The coupon pool Tea has 5 codes left"
    CouponPool.objects.filter(pk=pool.pk).update(code_count=25)
    check_rules(now=NOON + MINUTE)
    assert list_alarms() == set()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    list_rules()
    monkeypatch.setattr(registry, "_rules", {rule.key: rule for rule in JOB_RULES})
    sync_schedule()


def list_alarms() -> set[tuple[str, str]]:
    return set(Alarm.objects.exclude(state="resolved").values_list("rule", "subject"))


def test_a_job_that_fails_twice_in_a_row_opens_an_alarm_until_it_succeeds(jobs: None) -> None:
    make_run(-30, "done")
    make_run(-20)
    check_rules(now=NOON)
    assert list_alarms() == set()
    make_run(-10, "cancelled")
    make_run(-5, error_type="MemoryError")
    check_rules(now=NOON + MINUTE)
    assert list_alarms() == {("job_failed", TASK)}
    message = describe_alarm(Alarm.objects.get())
    assert message.title == "“Refresh profiles” failed in its last 2 runs"
    assert "Give the worker more memory" in message.advice
    assert message.url == f"/admin/settings/jobs/{PeriodicTask.objects.get(task=TASK).pk}/"
    make_run(2, "done")
    check_rules(now=NOON + 3 * MINUTE)
    assert list_alarms() == set()


def test_a_job_is_late_only_after_an_hour_of_watching(jobs: None) -> None:
    PeriodicTask.objects.exclude(task=TASK).update(enabled=False)
    make_run(-3 * 24 * 60, "done")
    for minutes in range(0, 62, 4):  # the server was switched off before
        check_rules(now=NOON + minutes * MINUTE)
        assert bool(list_alarms()) is (minutes >= 60)
    assert list_alarms() == {("job_late", TASK)}
    make_run(63, "done")
    check_rules(now=NOON + 64 * MINUTE)
    assert list_alarms() == set()


def test_rules_of_data_and_servers_find_their_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    Outbox.objects.create(event_id=1, received_at=NOON - 10 * MINUTE)
    ModelVersion.objects.create(
        version="old", status="active", algorithm="als", as_of=NOON - timedelta(days=9), created_at=NOON, checksum="x"
    )
    PrivacyRequest.objects.create(
        kind="erasure", channel="email", regulation="gdpr", received_at=NOON - timedelta(days=31), due_at=NOON - HOUR
    )
    database = DatabaseState(10**9, 95, 100, 3 * 3600.0, 400.0, 1, is_standby=False)
    monkeypatch.setattr(servers, "read_database_state", lambda: database)
    monkeypatch.setattr(servers, "read_valkey_state", lambda: ValkeyState(99, 100, "volatile-lru", 0, 1))
    monkeypatch.setattr(servers, "list_disks", lambda: [DiskState("/data", 5, 100), DiskState("/other", 50, 100)])
    check_rules(now=NOON)
    assert list_alarms() == {
        ("event_lag", ""),
        ("model_old", ""),
        ("disk_full", f"{platform.node()}:/data"),
        ("valkey", "memory"),
        ("database_connections", "connections"),
        ("long_transaction", ""),
        ("standby_lag", ""),
        ("privacy_overdue", "overdue"),
    }
    for alarm in Alarm.objects.all():
        message = describe_alarm(alarm)
        assert message.title
        assert message.advice
    AlarmRuleSetting.objects.create(rule="event_lag", threshold=15)
    check_rules(now=NOON + MINUTE)
    assert ("event_lag", "") not in list_alarms()


def test_a_machine_leaves_the_disk_alarm_of_another_machine_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, free in (("a", 5), ("b", 50)):
        monkeypatch.setattr(servers, "list_disks", lambda free=free: [DiskState("/data", free, 100)])
        monkeypatch.setattr(platform, "node", lambda machine=machine: machine)
        check_rules(now=NOON)
    assert ("disk_full", "a:/data") in list_alarms()
    check_rules(now=NOON + 2 * HOUR)
    assert ("disk_full", "a:/data") not in list_alarms(), "machine a has not been seen for an hour"
