"""The pages of destinations: adding, the test event, dead letters, and who may do what."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from customers.destinations.models import Destination, OutgoingRecord
from customers.policy.models import DataRecipient
from tests.customers.connectors.platforms.platform_server import SERVER_ERROR
from tests.customers.destinations.receivers import Receiver
from tests.makers import NOON, make_segment

pytestmark = pytest.mark.django_db


def log_in(client: Client, role: str, settings: Any) -> Client:
    settings.TWO_FACTOR_REQUIRED = False
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def test_an_operator_adds_a_webhook_tests_it_and_sends_a_dead_letter_again(
    client: Client, settings: Any, receiver: Receiver
) -> None:
    operator = log_in(client, "Operator", settings)
    assert "No destinations yet" in operator.get(reverse("destinations:list")).text
    new = reverse("destinations:new", args=["webhook"])
    form = {"name": "Warehouse team", "url": f"{receiver.url}/hook", "streams": ["orders", "segment_entries"]}
    assert "Choose the segments" in operator.post(new, form).text
    assert "24 bytes" in operator.post(new, {**form, "secret": "short", "streams": ["orders"]}).text
    answer = operator.post(new, {**form, "segments": [make_segment("vip").pk]}, follow=True)
    destination = Destination.objects.get()
    receiver.secret = answer.context["secret"]
    recipient = DataRecipient.objects.get(key=f"destination.{destination.pk}")
    assert (recipient.name, recipient.is_active) == ("Warehouse team (Webhook)", True)
    assert destination.cursors.keys() == {"orders", "segment_entries"}
    change = reverse("destinations:change", args=[destination.pk, "test"])
    receiver.faults = [SERVER_ERROR]
    assert "HTTP 500" in operator.post(change, follow=True).text
    assert "The test event was accepted: HTTP 204" in operator.post(change, follow=True).text
    settings_page = reverse("destinations:settings", args=[destination.pk])
    operator.post(settings_page, {**form, "streams": ["orders"], "name": "Data team"})
    destination.refresh_from_db()
    assert (destination.name, receiver.secret in destination.credentials) == ("Data team", True)
    record = OutgoingRecord.objects.create(
        destination=destination,
        stream="orders",
        source_id=1,
        occurred_at=NOON,
        created_at=NOON,
        status="dead",
        error="Bad",
    )
    letter = reverse("destinations:letter", args=[destination.pk, record.pk])
    assert "Bad" in operator.get(letter).text
    operator.post(letter)
    record.refresh_from_db()
    assert record.status == "waiting"
    page = operator.get(reverse("destinations:page", args=[destination.pk]), headers={"accept-language": "zh-hans"})
    assert "发送测试事件" in page.text
    operator.post(reverse("destinations:delete", args=[destination.pk]))
    assert not Destination.objects.exists()
    recipient.refresh_from_db()
    assert not recipient.is_active


def test_settings_of_advertising_accounts_are_checked(client: Client, settings: Any) -> None:
    operator = log_in(client, "Operator", settings)
    answer = operator.post(
        reverse("destinations:new", args=["meta"]), {"name": "M", "pixel_id": "x", "access_token": "t"}
    )
    assert "only digits" in answer.text
    form = {"name": "G", "account_id": "1", "key_file": "{}", "audiences": "vip 7"}
    new = reverse("destinations:new", args=["google_ads"])
    assert "client_email" in operator.post(new, form).text
    form["key_file"] = '{"client_email": "a@b.example", "private_key": "x"}'
    assert "Unknown segment: vip" in operator.post(new, form).text
    segment = make_segment("vip")
    operator.post(new, form)
    assert Destination.objects.get().options["audience_ids"] == {str(segment.pk): "7"}


def test_a_stored_password_is_not_sent_to_another_server(client: Client, settings: Any) -> None:
    operator = log_in(client, "Operator", settings)
    form = {
        "name": "W",
        "host": "db.example",
        "database": "d",
        "schema": "s",
        "user": "u",
        "password": "S3cret",
        "streams": ["orders"],
    }
    operator.post(reverse("destinations:new", args=["postgres"]), form)
    destination = Destination.objects.get()
    url = reverse("destinations:settings", args=[destination.pk])
    kept = {**form, "password": "", "name": "V"}
    assert operator.post(url, kept).status_code == 302
    for change in ({"host": "evil.example"}, {"port": "5433"}):
        assert "Enter it again" in operator.post(url, {**kept, **change}).text
    destination.refresh_from_db()
    assert (destination.name, destination.options["host"]) == ("V", "db.example")
    assert operator.post(url, {**kept, "host": "new.example", "password": "other"}).status_code == 302


def test_an_analyst_sees_destinations_without_their_secret_and_changes_nothing(client: Client, settings: Any) -> None:
    analyst = log_in(client, "Analyst", settings)
    destination = Destination.objects.create(name="Team", kind="webhook", credentials='{"secret": "whsec_abc"}')
    assert "Team" in analyst.get(reverse("destinations:list")).text
    page = analyst.get(reverse("destinations:page", args=[destination.pk])).text
    assert "whsec_abc" not in page
    assert "Delete" not in page
    for name, args in (("new", ["webhook"]), ("settings", [destination.pk]), ("delete", [destination.pk])):
        assert analyst.get(reverse(f"destinations:{name}", args=args)).status_code == 403
    assert analyst.post(reverse("destinations:change", args=[destination.pk, "test"])).status_code == 403
