"""The Alarms page: subscription, rules, webhooks, the test, acknowledgement, and who may do what."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.monitoring.models import Alarm, AlarmRuleSetting, AlarmSubscription, AlarmWebhook, MonitoringState
from tests.config.access.passwords.mail_server import MailServer
from tests.config.monitoring.conftest import WebhookReceiver
from tests.customers.events.makers import log_in_as

pytestmark = pytest.mark.django_db
PAGE = reverse("monitoring:alarms")


@pytest.fixture
def alarm() -> Alarm:
    MonitoringState.objects.create(pk=1, checked_at=timezone.now(), checked_since=timezone.now())
    details = {"free": 10**9, "share": 0.04}
    return Alarm.objects.create(
        rule="disk_full",
        subject="/data",
        severity="critical",
        details=details,
        opened_at=timezone.now(),
        seen_at=timezone.now(),
    )


def test_an_alarm_is_on_home_and_says_what_to_do(admin_client: Client, alarm: Alarm) -> None:
    url = reverse("monitoring:alarm", args=[alarm.pk])
    assert url in admin_client.get(reverse("admin:index")).text
    page = admin_client.get(PAGE)
    assert page.context["verdict"] == "1 alarm is not resolved."
    assert "The disk is nearly full: 953.7" in page.text
    assert "(4.0%)" in page.text
    chinese = admin_client.get(url, headers={"accept-language": "zh-hans"}).text
    assert "磁盘即将写满" in chinese
    assert "空间耗尽后 PostgreSQL 会停止" in chinese


def test_acknowledging_ends_the_button_and_is_recorded(alarm: Alarm) -> None:
    client = log_in_as("Operator")
    page = client.post(reverse("monitoring:acknowledge", args=[alarm.pk]), follow=True)
    assert "Operator is working on it." in page.context["verdict"]
    assert reverse("monitoring:acknowledge", args=[alarm.pk]) not in page.text


def test_someone_subscribes_tests_and_unsubscribes(
    alarm: Alarm, mail_server: MailServer, webhook_receiver: WebhookReceiver
) -> None:
    client = log_in_as("Operator")
    url = reverse("monitoring:subscription")
    assert "no email address" in client.post(url, {"language": "en"}, follow=True).text
    User.objects.update(email="olga@shop.example")
    client.post(url, {"language": "xx", "only_critical": "on"})
    subscription = AlarmSubscription.objects.get()
    assert (subscription.language, subscription.only_critical) == ("en", True)
    AlarmWebhook.objects.create(url=webhook_receiver.url)
    assert "sent to 2 recipients" in client.post(reverse("monitoring:test"), follow=True).text
    assert [str(mail["subject"]) for mail in mail_server.messages] == ["[Perennial] Alarm: This is a test"]
    assert webhook_receiver.bodies[0]["data"]["title"] == "This is a test"
    webhook_receiver.status = 500
    assert "did not accept the test: HTTP 500" in client.post(reverse("monitoring:test"), follow=True).text
    client.post(url, {"action": "end"})
    assert not AlarmSubscription.objects.exists()


def test_rules_are_changed_and_wrong_numbers_are_named(alarm: Alarm) -> None:
    client = log_in_as("Operator")
    values = {"threshold-disk_full": "5", "active-disk_full": "on", "threshold-event_lag": "-1", "reminder_hours": "6"}
    page = client.post(reverse("monitoring:rules"), values, follow=True)
    assert "not numbers of 0 or more: Events are processed late." in page.text
    assert AlarmRuleSetting.objects.get(rule="disk_full").threshold == 5
    assert not AlarmRuleSetting.objects.get(rule="job_late").is_active
    assert MonitoringState.load().reminder_hours == 6


def test_a_webhook_needs_a_public_https_address(alarm: Alarm) -> None:
    client = log_in_as("Operator")
    url = reverse("monitoring:add_webhook")
    client.post(url, {"url": "http://127.0.0.1/"})
    client.post(url, {"url": "https://127.0.0.1/"})
    assert not AlarmWebhook.objects.exists()
    assert "which is shown only once: whsec_" in client.post(url, {"url": "https://hooks.example/a"}, follow=True).text
    assert "whsec_" not in client.get(PAGE).text
    client.post(reverse("monitoring:delete_webhook", args=[AlarmWebhook.objects.get().pk]))
    assert not AlarmWebhook.objects.exists()


def test_the_page_says_when_nobody_checks(admin_client: Client, alarm: Alarm) -> None:
    MonitoringState.objects.update(checked_at=timezone.now() - timedelta(minutes=30))
    assert "The rules were last checked" in admin_client.get(PAGE).context["verdict"]
    assert "Alarms were last checked" in admin_client.get(reverse("admin:index")).text


@pytest.mark.parametrize("name", ["subscription", "rules", "add_webhook", "test"])
def test_only_operators_see_and_change(name: str, alarm: Alarm) -> None:
    analyst = log_in_as("Analyst")
    assert analyst.get(PAGE).status_code == 403
    assert analyst.post(reverse(f"monitoring:{name}")).status_code == 403


def test_the_detailed_check_is_for_whoever_may_read_the_metrics(alarm: Alarm, settings: Any) -> None:
    settings.METRICS_TOKEN = "scrape"
    assert Client().get("/health/detailed").status_code == 401
    response = Client().get("/health/detailed", headers={"authorization": "Bearer scrape"})
    assert response.status_code == 503
    content = response.json()
    assert content["alarms"] == [{"rule": "disk_full", "subject": "/data", "severity": "critical"}]
    assert content["database"]
    assert content["disks"]


def test_the_detailed_check_fails_if_nobody_checks_the_alarm_rules(db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = "scrape"
    MigrationRecorder.Migration.objects.update(applied=timezone.now() - timedelta(minutes=30))

    def read() -> tuple[int, Any]:
        response = Client().get("/health/detailed", headers={"authorization": "Bearer scrape"})
        return response.status_code, response.json()["status"]

    assert read() == (503, "failing")
    state = MonitoringState.objects.create(pk=1, checked_at=timezone.now())
    assert read() == (200, "ok")
    state.checked_at -= timedelta(minutes=11)
    state.save()
    assert read() == (503, "failing")
