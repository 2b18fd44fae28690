"""Every entry of the audit log says who did what: a user, an API key, a job or a command, and from which address."""

from typing import Any

import pytest
from auditlog.models import LogEntry
from celery import shared_task
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client, RequestFactory

from config.access.models import ApiKey
from config.foundation.audit_log import (
    Actor,
    audit_request,
    describe_user,
    find_actor,
    record_action,
    record_export,
    serialize_actor,
)
from customers.events.models import Source
from customers.identity.models import Customer
from tests.config.access.callers import make_bearer_client, make_key
from tests.makers import make_customer, make_source

pytestmark = pytest.mark.django_db


def list_entries(event: str) -> list[dict[str, Any]]:
    """Return the additional data of the entries about an event, the oldest first."""
    entries = LogEntry.objects.filter(additional_data__event=event).order_by("pk")
    return list(entries.values_list("additional_data", flat=True))


def get_details(event: str, **filters: Any) -> list[dict[str, Any]]:
    entries = LogEntry.objects.filter(additional_data__event=event, **filters).order_by("pk")
    return [entry.additional_data.get("details", {}) for entry in entries]


@shared_task
def reset_by_job(actor: dict[str, Any] | None = None) -> None:
    record_action("two_factor.reset", model=User, actor=Actor(**actor) if actor else None)


def test_the_actor_of_a_page_is_the_user_with_the_address_that_can_be_trusted(
    admin_client: Client, settings: Any
) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    user = User.objects.create_user("ada")
    page = f"/admin/auth/user/{user.pk}/password/"
    passwords = {"password1": "a long new password", "password2": "a long new password", "usable_password": "true"}
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert admin_client.post(page, passwords, headers=headers).status_code == 302
    entry = LogEntry.objects.get(additional_data__event="user.password_changed")
    admin = User.objects.get(username="admin")
    assert entry.actor == admin
    assert entry.additional_data["actor"] == {"kind": "user", "name": "admin", "id": admin.pk}
    assert entry.remote_addr == "203.0.113.9"
    assert entry.object_repr == "ada"
    assert entry.changes == {"password": ["•••", "•••"]}


def test_the_actor_of_an_api_call_is_the_key() -> None:
    api_key, plain = make_key("customers:write")
    kept, merged = make_customer("u1"), make_customer("u2")
    body = {"keep": {"id": kept.pk}, "merge": {"id": merged.pk}}
    response = make_bearer_client(plain).post("/api/v1/customers/merge/", body, content_type="application/json")
    assert response.status_code == 200, response.content
    entry = LogEntry.objects.filter(content_type__model="identitymerge").latest("pk")
    assert entry.additional_data["actor"] == {"kind": "api_key", "name": "program", "id": api_key.pk}
    assert (entry.actor, entry.remote_addr) == (None, "127.0.0.1")


def test_the_actor_of_a_job_is_the_job_or_whoever_started_it() -> None:
    user = User.objects.create_user("ada")
    reset_by_job.apply()
    reset_by_job.apply(args=[serialize_actor(Actor(kind="user", name="ada", id=user.pk, address="203.0.113.9"))])
    job, started = LogEntry.objects.filter(additional_data__event="two_factor.reset").order_by("pk")
    assert job.additional_data["actor"]["kind"] == "job"
    assert job.additional_data["actor"]["name"].endswith("reset_by_job")
    assert (started.actor, started.remote_addr) == (user, "203.0.113.9")


def test_the_actor_of_a_command_is_the_system_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py", "create_api_key"])
    monkeypatch.setattr("config.foundation.audit_log.actors.find_system_user", lambda: "root")
    call_command("create_api_key", "program")
    assert list_entries("api_key.created")[0]["actor"] == {"kind": "command", "name": "root create_api_key", "id": None}
    assert find_actor().kind == "command"


def test_keys_are_recorded_without_their_text(admin_client: Client) -> None:
    api_key, _plain = make_key("customers:read")
    page = f"/admin/access/apikey/{api_key.pk}"
    admin_client.post(f"{page}/rotate-key/", {"hours": "0"})
    admin_client.post(f"{page}/change/", {"name": "renamed", "scopes": ["catalog:read"]})
    admin_client.post(f"{page}/delete/", {"post": "yes"})
    assert not ApiKey.objects.exists()
    recorded = [list_entries(f"api_key.{act}") for act in ("created", "rotated", "changed", "deleted")]
    assert [len(entries) for entries in recorded] == [1, 1, 1, 1]
    changed = LogEntry.objects.get(additional_data__event="api_key.changed").changes
    assert {"name", "scopes", "enabled"} <= changed.keys()
    assert "hash" not in str(list(LogEntry.objects.values_list("changes", flat=True)))


def test_write_keys_and_token_keys_are_recorded_without_their_text(admin_client: Client) -> None:
    source = make_source(sealed_token_key="")
    page = f"/admin/events/source/{source.pk}"
    admin_client.post(f"{page}/rotate-key/", {"hours": "0"})
    admin_client.get(f"{page}/user-tokens/")
    admin_client.post(f"{page}/user-tokens/")
    events = LogEntry.objects.filter(content_type__model="source").exclude(action=LogEntry.Action.CREATE).order_by("pk")
    assert list(events.values_list("additional_data__event", flat=True)) == [
        "write_key.rotated",
        "token_key.shown",
        "token_key.replaced",
        "token_key.shown",
    ]
    source = Source.objects.get(pk=source.pk)
    assert source.sealed_token_key
    assert source.sealed_token_key not in str(list(events.values_list("changes", flat=True)))


def test_roles_permissions_and_rights_are_recorded() -> None:
    ada = User.objects.create_user("ada")
    group = Group.objects.create(name="Auditors")
    permission = Permission.objects.get(codename="view_personal")
    ada.groups.add(group)
    group.user_set.remove(ada)
    group.user_set.add(ada)
    ada.groups.clear()
    group.permissions.add(permission)
    group.permissions.clear()
    ada.user_permissions.set([permission])
    ada.is_superuser = True
    ada.save()
    assert get_details("user.groups_changed") == [
        {"added": ["Auditors"]},
        {"removed": ["Auditors"]},
        {"added": ["Auditors"]},
        {"removed": ["Auditors"]},
    ]
    assert get_details("group.permissions_changed", object_id=group.pk) == [
        {"added": ["identity.view_personal"]},
        {"removed": ["identity.view_personal"]},
    ]
    assert get_details("user.permissions_changed") == [{"added": ["identity.view_personal"]}]
    entry = LogEntry.objects.get(additional_data__event="user.rights_changed")
    assert (entry.object_repr, entry.changes) == ("ada", {"is_superuser": ["False", "True"]})


def test_the_actor_of_a_log_in_is_the_user_that_logs_in(rf: RequestFactory) -> None:
    user = User.objects.create_user("ada")
    with audit_request(rf.get("/admin/login/", REMOTE_ADDR="203.0.113.9")):
        assert find_actor() == Actor(kind="anonymous", address="203.0.113.9")
        assert describe_user(user) == Actor(kind="user", name="ada", id=user.pk, address="203.0.113.9")


def test_an_entry_needs_something_that_it_concerns() -> None:
    with pytest.raises(ValueError, match="instance or model"):
        record_action("two_factor.reset")


def test_an_export_records_its_size_and_the_first_hundred_ids() -> None:
    record_export(model=Customer, pks=range(1, 151), details={"segment": "loyal"})
    details = get_details("personal_data.exported")[0]
    assert (details["count"], len(details["ids"]), details["segment"]) == (150, 100, "loyal")
