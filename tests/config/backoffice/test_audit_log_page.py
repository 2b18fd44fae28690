"""The page of the audit log: read-only, filtered by actor, action, object and date, and masked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.urls import reverse

from config.foundation.audit_log import READ, Actor, record_access, record_action
from customers.identity.models import Customer
from customers.segments.models import Segment
from tests.customers.events.makers import log_in_as
from tests.makers import make_segment

pytestmark = pytest.mark.django_db

LIST = reverse("admin:auditlog_logentry_changelist")
EMAIL = "anna@shop.example"


def list_shown(client: Client, **query: Any) -> list[int]:
    page = client.get(LIST, query)
    assert page.status_code == 200
    return [entry.pk for entry in page.context["cl"].result_list]


def make_entry(event: str, actor: Actor | None = None, **options: Any) -> LogEntry:
    record_action(event, **{"model": User, **options}, actor=actor)
    return LogEntry.objects.latest("pk")


def test_nobody_can_add_change_or_delete_an_entry_on_the_page(admin_client: Client) -> None:
    entry = make_entry("two_factor.reset")
    page = reverse("admin:auditlog_logentry_change", args=[entry.pk])
    assert admin_client.get(page).status_code == 200
    assert admin_client.post(page, {"object_repr": "nothing"}).status_code == 403
    assert admin_client.get(reverse("admin:auditlog_logentry_add")).status_code == 403
    assert (
        admin_client.post(reverse("admin:auditlog_logentry_delete", args=[entry.pk]), {"post": "yes"}).status_code
        == 403
    )
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert LogEntry.objects.filter(pk=entry.pk).exists()


def test_users_are_deactivated_and_not_deleted(admin_client: Client) -> None:
    user = User.objects.create_user("ada")
    assert admin_client.post(reverse("admin:auth_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_entries_are_filtered_by_actor_action_object_and_date(admin_client: Client) -> None:
    key = Actor(kind="api_key", name="nightly sync", id=7, address="203.0.113.9")
    segment = make_segment("loyal")
    created = LogEntry.objects.get_for_object(segment).get()
    by_key = make_entry("api_key.rotated", key)
    reset = make_entry("two_factor.reset", label="ada")
    assert list_shown(admin_client, actor="nightly sync") == [by_key.pk]
    assert list_shown(admin_client, event="two_factor.reset") == [reset.pk]
    assert list_shown(admin_client, event="0", resource_type="segments.segment") == [created.pk]
    assert list_shown(admin_client, q=f"#{segment.pk}", resource_type="segments.segment") == [created.pk]
    assert list_shown(admin_client, q="203.0.113.9") == [by_key.pk]
    assert list_shown(admin_client, q="ada") == [reset.pk]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert list_shown(admin_client, timestamp_from_0="yesterday", timestamp_to_0=tomorrow, event="two_factor.reset")
    since = {"timestamp_from_0": "2020-01-01", "timestamp_from_1": "00:00"}
    assert list_shown(admin_client, **since, timestamp_to_0="2020-01-02", timestamp_to_1="00:00") == []
    assert reset.pk in list_shown(admin_client, **since, timestamp_to_0=tomorrow)
    assert list_shown(admin_client, event="drop", resource_type="nothing")  # unknown values filter nothing


def test_entries_of_earlier_versions_have_the_user_as_actor(admin_client: Client) -> None:
    admin = User.objects.get(username="admin")
    entry = LogEntry(
        content_type=ContentType.objects.get_for_model(Segment), object_pk="1", object_repr="Old", action=1, actor=admin
    )
    LogEntry.objects.bulk_create([entry])  # sends no signal
    assert list_shown(admin_client, actor="admin", resource_type="segments.segment") == [entry.pk]
    assert "Old" in admin_client.get(reverse("admin:auditlog_logentry_change", args=[entry.pk])).text


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["Two-factor authentication reset", "Type of actor"]),
        ("zh-hans", ["重置两步验证", "操作人类型"]),
    ],
)
def test_the_page_speaks_the_language_of_its_reader(language: str, texts: list[str]) -> None:
    entry = make_entry("two_factor.reset")
    officer = log_in_as("Privacy officer", language=language)
    page = officer.get(reverse("admin:auditlog_logentry_change", args=[entry.pk])).text
    for text in texts:
        assert text in page


def test_personal_values_are_masked_and_the_actor_is_not() -> None:
    record_access(model=Customer, pks=[1], details={"note": EMAIL})
    entry = LogEntry.objects.latest("pk")
    actor = entry.additional_data["actor"]["name"]
    addresses = (LIST, reverse("admin:auditlog_logentry_change", args=[entry.pk]))
    operator, officer = log_in_as("Operator"), log_in_as("Privacy officer")
    for address in addresses:
        page = operator.get(address).text
        assert EMAIL not in page
        assert actor in page
        assert EMAIL in officer.get(address).text
    # whoever reads an entry with personal data is recorded, too
    assert LogEntry.objects.filter(additional_data__event=READ, content_type__model="logentry").count() == 2


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"actor": "nightly sync"}, "access_audit_actor"),
        ({"event": "two_factor.reset"}, "access_audit_event"),
        ({}, "auditlog_logentry_pkey"),
    ],
)
def test_filters_use_an_index(admin_client: Client, query: dict[str, str], index: str) -> None:
    """A log of a million entries opens as fast as a small one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO auditlog_logentry (content_type_id, object_pk, object_repr, action, changes_text, timestamp, "
            "additional_data) SELECT id, '', '', 3, '', now(), "
            """jsonb_build_object('event', 'e' || n % 50, 'actor', jsonb_build_object('name', 'a' || n % 50))
            FROM generate_series(1, 20000) n, django_content_type WHERE model = 'customer'"""
        )
        cursor.execute("ANALYZE auditlog_logentry")
    entries = admin_client.get(LIST, query).context["cl"].queryset[:100]
    assert index in entries.explain()
