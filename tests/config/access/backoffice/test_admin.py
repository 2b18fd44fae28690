"""API keys in the back office, and the lockout page."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.access.models import ApiKey
from tests.config.access.callers import make_bearer_client, make_key

pytestmark = pytest.mark.django_db
FIELDS = {"name": "program", "kind": "secret", "scopes": ["customers:read"], "enabled": "on"}


def read_displayed_key(page: Any) -> str:
    match = re.search(r'value="([ps]k_live_[^"]+)"', page.content.decode())
    assert match, page.content.decode()
    return match.group(1)


def test_a_new_key_is_displayed_once_and_works(admin_client: Client) -> None:
    page = admin_client.post("/admin/access/apikey/add/", FIELDS)
    key = read_displayed_key(page)
    assert "no-store" in page["Cache-Control"]
    assert make_bearer_client(key).get("/api/v1/customers/").status_code == 200
    address = f"/admin/access/apikey/{ApiKey.objects.get().pk}/change/"
    assert key not in admin_client.get(address).content.decode()


@pytest.mark.parametrize(
    "fields",
    [{"scopes": ["everything"]}, {"kind": "publishable"}, {"kind": "other"}, {"name": ""}, {"expires_at_0": "x"}],
)
def test_an_invalid_key_is_not_created(admin_client: Client, fields: dict[str, Any]) -> None:
    page = admin_client.post("/admin/access/apikey/add/", {**FIELDS, **fields})
    assert page.context["adminform"].form.errors
    assert not ApiKey.objects.exists()


def test_a_rotated_key_is_displayed_and_the_old_one_stops_without_overlap(admin_client: Client) -> None:
    api_key, old = make_key("customers:read")
    new = read_displayed_key(admin_client.post(f"/admin/access/apikey/{api_key.pk}/rotate-key/", {"hours": "0"}))
    assert [make_bearer_client(key).get("/api/v1/customers/").status_code for key in (old, new)] == [401, 200]


def test_editing_a_key_changes_neither_its_type_nor_its_value(admin_client: Client) -> None:
    api_key, plain = make_key("customers:read")
    address = f"/admin/access/apikey/{api_key.pk}/change/"
    response = admin_client.post(address, {"name": "renamed", "scopes": ["catalog:read"], "enabled": "on"})
    assert response.status_code == 302
    api_key.refresh_from_db()
    assert (api_key.name, api_key.kind, api_key.scopes) == ("renamed", "secret", ["catalog:read"])
    assert make_bearer_client(plain).get("/api/v1/customers/").status_code == 403


def test_rotating_a_key_needs_permission(client: Client) -> None:
    api_key, _plain = make_key()
    client.force_login(User.objects.create_user("somebody", is_staff=True))
    assert client.post(f"/admin/access/apikey/{api_key.pk}/rotate-key/", {"hours": "0"}).status_code == 403


def test_failed_log_ins_lead_to_the_lockout_page(client: Client) -> None:
    User.objects.create_superuser("root", password="right")
    for _time in range(5):
        response = client.post("/admin/login/", {"username": "root", "password": "wrong"})
    assert response.status_code == 429
    assert "Locked out" in response.content.decode()
    assert client.post("/admin/login/", {"username": "root", "password": "right"}).status_code == 429
