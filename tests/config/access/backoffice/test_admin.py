"""API keys in the back office, and the lockout page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

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
    client.force_login(User.objects.create_user("someone", is_staff=True))
    assert client.post(f"/admin/access/apikey/{api_key.pk}/rotate-key/", {"hours": "0"}).status_code == 403


def test_failed_log_ins_lead_to_the_lockout_page(client: Client) -> None:
    User.objects.create_superuser("root", password="right")
    for _time in range(5):
        response = client.post("/admin/login/", {"username": "root", "password": "wrong"})
    assert response.status_code == 429
    assert "Locked out" in response.content.decode()
    assert client.post("/admin/login/", {"username": "root", "password": "right"}).status_code == 429


def log_in(*permissions: str, **fields: Any) -> Client:
    """Return the client of a staff user with these permissions."""
    user = User.objects.create_user("staff", password="a long password", is_staff=True, **fields)
    for permission in permissions:
        app, _point, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


KEY_PERMISSIONS = ("access.view_apikey", "access.add_apikey", "access.change_apikey")


def test_nobody_makes_a_key_with_a_scope_they_do_not_hold() -> None:
    client = log_in(*KEY_PERMISSIONS, "identity.view_customer")
    page = client.post("/admin/access/apikey/add/", {**FIELDS, "scopes": ["customers:read", "customers:personal"]})
    assert "customers:personal" in str(page.context["adminform"].form.errors["scopes"])
    assert not ApiKey.objects.exists()
    assert client.post("/admin/access/apikey/add/", FIELDS).status_code == 200
    assert ApiKey.objects.get().scopes == ["customers:read"]


def test_nobody_renews_or_changes_a_key_with_more_scopes_than_they_hold() -> None:
    api_key, _plain = make_key("customers:read", "customers:personal")
    client = log_in(*KEY_PERMISSIONS, "identity.view_customer")
    before = ApiKey.objects.get().key_hash
    assert client.post(f"/admin/access/apikey/{api_key.pk}/rotate-key/", {"hours": 0}).status_code == 403
    assert client.post(f"/admin/access/apikey/{api_key.pk}/change/", FIELDS).status_code == 403
    assert ApiKey.objects.get().key_hash == before


USER_PERMISSIONS = ("auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group", "auth.change_group")


def post_user(client: Client, user: User, **fields: Any) -> Any:
    form = {"username": user.username, "is_active": "on", "is_staff": "on", "date_joined_0": "2026-01-01"}
    return client.post(f"/admin/auth/user/{user.pk}/change/", {**form, "date_joined_1": "10:00:00", **fields})


def test_a_key_with_more_scopes_than_a_user_holds_has_no_button_for_a_new_key(client: Client, settings: Any) -> None:
    settings.TWO_FACTOR_REQUIRED = False
    operator = User.objects.create_user("operator", is_staff=True)
    operator.groups.add(Group.objects.get(name="Operator"))
    client.force_login(operator)
    for scopes, is_offered in ((["events:write"], True), (["customers:personal"], False)):
        api_key, _plain = make_key(*scopes)
        address = f"/admin/access/apikey/{api_key.pk}/"
        page = client.get(f"{address}change/")
        assert page.status_code == 200
        assert (f"{address}rotate-key/" in page.text) is is_offered, scopes
        assert client.get(f"{address}rotate-key/").status_code == (200 if is_offered else 403)


def test_nobody_makes_themselves_a_superuser() -> None:
    client = log_in(*USER_PERMISSIONS)
    user = User.objects.get()
    assert post_user(client, user, is_superuser="on").status_code == 302
    assert not User.objects.get().is_superuser


def test_nobody_grants_a_permission_or_group_with_more_than_they_hold() -> None:
    client = log_in(*USER_PERMISSIONS)
    user = User.objects.get()
    personal = Permission.objects.get(content_type__app_label="identity", codename="view_personal")
    privacy = Group.objects.create(name="privacy")
    privacy.permissions.add(personal)
    for fields in ({"user_permissions": [personal.pk]}, {"groups": [privacy.pk]}):
        page = post_user(client, user, **fields)
        assert page.status_code == 200
        assert set(page.context["adminform"].form.errors) == set(fields)
    assert client.post(f"/admin/auth/group/{privacy.pk}/change/", {"name": "mine"}).status_code == 403
    assert not User.objects.get().has_perm("identity.view_personal")


def test_roles_and_permissions_are_in_the_language_of_the_reader(admin_client: Client, admin_user: User) -> None:
    chinese = {"accept-language": "zh-hans"}
    role = Group.objects.get(name="Privacy officer")
    user_page = admin_client.get(f"/admin/auth/user/{admin_user.pk}/change/", headers=chinese)
    role_page = admin_client.get(f"/admin/auth/group/{role.pk}/change/", headers=chinese)
    assert role_page.context["subtitle"] == "隐私专员"
    roles = user_page.context["adminform"].form.fields["groups"].choices
    assert "隐私专员" in [label for _key, label in roles]
    assert "隐私专员" in admin_client.get("/admin/auth/user/", headers=chinese).text
    fields = (
        user_page.context["adminform"].form.fields["user_permissions"],
        role_page.context["adminform"].form.fields["permissions"],
    )
    for field in fields:
        labels = [label for _key, label in field.choices]
        assert "访问控制 | API 密钥 | 可添加" in labels
        assert not [label for label in labels if "Can " in label]


def test_the_lists_of_roles_and_permissions_have_no_english_texts(admin_client: Client) -> None:
    address = reverse("admin:jsi18n")
    chinese = admin_client.get(address, headers={"accept-language": "zh-hans"}).text
    catalog, _end = json.JSONDecoder().raw_decode(chinese, chinese.index("{", chinese.index("newcatalog")))
    script = Path(str(finders.find("admin/js/SelectFilter2.js"))).read_text(encoding="utf-8")
    texts = [text for _quote, text in re.findall(r"""\bn?gettext\(\s*(['"])(.*?)\1""", script)]
    assert len(texts) > 10
    assert [text for text in texts if catalog.get(text, text) == text] == []
    assert "Choose all %s" in admin_client.get(address).text
    assert Client().get(address).status_code == 302


def test_nobody_changes_a_user_who_may_do_more() -> None:
    client = log_in(*USER_PERMISSIONS)
    superuser = User.objects.create_superuser("root", password="a long password")
    assert post_user(client, superuser).status_code == 403
    passwords = {"password1": "another long one", "password2": "another long one"}
    assert client.post(f"/admin/auth/user/{superuser.pk}/password/", passwords).status_code == 403
