"""The page of name, currency, brand and e-mail sender."""

import smtplib
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django_celery_beat.models import CrontabSchedule

from config.foundation.shop.models import ShopSettings
from config.foundation.shop.profile import get_time_zone_name, read_time_zone_name
from config.schedule import sync_schedule
from customers.segments.event_counts.counting import recount_pending_events
from customers.segments.models import PendingEventCount
from tests.customers.events.makers import log_in_as
from tests.makers import make_customer
from tests.recommendations.campaigns.makers import make_campaign

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored_shop")]
PAGE = reverse("settings:shop")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
VALUES: dict[str, Any] = {
    "name": "Kettle House",
    "currency": "CNY",
    "language": "zh-hans",
    "time_zone": "UTC",
    "color": "#AA3377",
    "action": "save",
}


def test_saved_settings_are_used_at_once_and_recorded(admin_client: Client) -> None:
    page = admin_client.post(PAGE, VALUES | {"logo_file": SimpleUploadedFile("logo.png", PNG)}, follow=True)
    assert "The settings were saved." in page.text
    stored = ShopSettings.objects.get()
    assert (stored.name, stored.currency, stored.language, stored.color) == (
        "Kettle House",
        "CNY",
        "zh-hans",
        "#aa3377",
    )
    home = admin_client.get(reverse("admin:index")).text
    assert "<strong>Kettle House</strong>" in home
    assert reverse("shop_logo") in home
    logo = Client().get(reverse("shop_logo"))
    assert (logo.content, logo["Content-Type"], logo["X-Content-Type-Options"]) == (PNG, "image/png", "nosniff")
    entry = LogEntry.objects.get(additional_data__event="shop.settings_changed")
    assert "name" in entry.additional_data["details"]["fields"]


def test_the_logo_can_be_removed(admin_client: Client) -> None:
    ShopSettings(logo=PNG, logo_type="image/png").save()
    admin_client.post(PAGE, VALUES | {"remove_logo": "on"})
    assert not ShopSettings.objects.get().logo
    assert Client().get(reverse("shop_logo")).status_code == 404


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"color": "green"}, "Enter a color as # and six digits"),
        ({"currency": "XYZ"}, "Select a valid choice"),
        ({"time_zone": "Mars/Base"}, "“Mars/Base” is not a known time zone."),
        ({"reply_to": "nobody"}, "Enter a valid email address"),
        ({"logo_file": SimpleUploadedFile("logo.svg", b"<svg onload='alert(1)'/>")}, "not a PNG, JPEG or WebP image"),
        ({"logo_file": SimpleUploadedFile("logo.png", PNG + bytes(200_000))}, "Upload a file of at most 200 kB"),
    ],
)
def test_a_wrong_value_is_reported_at_its_field_and_nothing_is_saved(
    admin_client: Client, changed: dict[str, Any], error: str
) -> None:
    page = admin_client.post(PAGE, VALUES | changed)
    assert page.status_code == 422
    assert error in page.text
    assert 'value="Kettle House"' in page.text
    assert not ShopSettings.objects.exists()


def test_a_test_message_goes_to_the_users_own_address_in_the_language_of_the_shop(
    admin_client: Client, admin_user: User
) -> None:
    ShopSettings(name="茶庄", language="zh-hans").save()
    page = admin_client.post(PAGE, {"action": "test"}, follow=True)
    assert "A test message was sent to admin@example.com." in page.text
    assert mail.outbox[0].to == [admin_user.email]
    assert "茶庄" in mail.outbox[0].subject
    assert "Test message" not in mail.outbox[0].subject


def test_a_mail_server_that_refuses_is_reported(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**kwargs: Any) -> None:
        raise smtplib.SMTPSenderRefused(550, b"not your domain", "x@example.com")

    monkeypatch.setattr("config.backoffice.settings.shop_page.send_shop_mail", refuse)
    page = admin_client.post(PAGE, {"action": "test"}, follow=True)
    assert "The mail server did not accept the message" in page.text
    assert "not your domain" in page.text


def test_an_account_without_an_address_sees_what_to_do(admin_client: Client, admin_user: User) -> None:
    User.objects.update(email="")
    assert "has no email address" in admin_client.post(PAGE, {"action": "test"}, follow=True).text
    assert mail.outbox == []


def test_only_who_may_change_the_settings_opens_the_page() -> None:
    assert log_in_as("Marketer").get(PAGE).status_code == 403
    assert log_in_as("Operator").get(PAGE).status_code == 200


def test_a_new_time_zone_is_confirmed_and_everything_by_day_is_counted_again(admin_client: Client) -> None:
    sync_schedule()
    customer = make_customer("anna")
    changed = VALUES | {"time_zone": "Asia/Shanghai"}
    page = admin_client.post(PAGE, changed)
    assert page.status_code == 422
    assert "Select this checkbox to change the time zone." in page.text
    assert not ShopSettings.objects.exists()
    before = timezone.now()
    page = admin_client.post(PAGE, changed | {"confirm_time_zone": "on"}, follow=True)
    after = timezone.now()
    assert "still to be counted again in the new time zone" in page.text
    assert get_time_zone_name() == read_time_zone_name() == "Asia/Shanghai"
    assert set(PendingEventCount.objects.values_list("pk", flat=True)) == {customer.pk}
    nightly = CrontabSchedule.objects.exclude(hour="*")
    assert set(nightly.values_list("timezone", flat=True).distinct()) == {ZoneInfo("Asia/Shanghai")}
    minutes = [before + timedelta(minutes=number) for number in range(int((after - before).total_seconds() // 60) + 1)]
    locals_ = [timezone.localtime(moment, ZoneInfo("Asia/Shanghai")) for moment in (*minutes, after)]
    assert page.context["local_time"] in [date_format(local, "DATETIME_FORMAT") for local in locals_]
    assert recount_pending_events() == 1
    assert "still to be counted again" not in admin_client.get(PAGE).text


def test_a_new_time_zone_lists_the_campaigns_whose_time_of_day_changes(admin_client: Client) -> None:
    start = (timezone.now() + timedelta(days=400)).replace(month=12, day=20, hour=2, minute=0, second=0, microsecond=0)
    make_campaign(name="Christmas", starts_at=start, status="scheduled", next_run_at=start, next_scheduled_for=start)
    make_campaign(name="Last year", starts_at=start - timedelta(days=800), status="ended")
    weekly = make_campaign(
        name="Weekly",
        kind="recurring",
        frequency="monthly",
        month_day=20,
        send_time=time(10),
        starts_at=start - timedelta(hours=1),
        status="scheduled",
        next_run_at=start + timedelta(hours=8),
        next_scheduled_for=start + timedelta(hours=8),
    )
    changed = VALUES | {"time_zone": "Asia/Shanghai", "confirm_time_zone": "on"}
    page = admin_client.post(PAGE, changed, follow=True)
    year = start.year
    assert f"time of day changes: Christmas (Dec 20, {year}, 2:00 AM → Dec 20, {year}, 10:00 AM). To send" in page.text
    weekly.refresh_from_db()
    assert weekly.next_run_at == weekly.next_scheduled_for == start
    page = admin_client.post(PAGE, changed | {"time_zone": "Asia/Singapore"}, follow=True)
    assert "time of day changes" not in page.text


def test_the_same_time_zone_counts_nothing_again(admin_client: Client) -> None:
    make_customer("anna")
    assert admin_client.post(PAGE, VALUES).status_code == 302
    assert not PendingEventCount.objects.exists()
