"""API keys: authentication, scopes, expiry, rotation and caching."""

import base64
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config.access import grants
from config.access.grants import clear_key_cache, find_key_grant
from config.access.keys import UnknownScopeError, create_api_key, rotate_api_key
from config.access.models import ApiKey
from config.foundation.ttl_cache import TtlCache
from customers.events.sources.write_keys import clear_source_cache
from tests.config.access.callers import make_bearer_client, make_client, make_key
from tests.customers.events.client import make_keyed_source

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/customers/"


@pytest.fixture(autouse=True)
def _clear_caches() -> None:
    clear_key_cache()
    clear_source_cache()


def test_the_plain_key_is_not_stored() -> None:
    _api_key, plain = make_key("customers:read")
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_apikey::text FROM access_apikey")
        assert plain[12:] not in cursor.fetchone()[0]
    assert plain.startswith("sk_live_")
    assert len(base64.urlsafe_b64decode(plain.removeprefix("sk_live_") + "=")) == 32


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer  {}", "Basic {basic}"])
def test_a_key_grants_access_to_its_scope(scheme: str) -> None:
    _api_key, plain = make_key("customers:read")
    header = scheme.format(plain, basic=base64.b64encode(f"{plain}:".encode()).decode())
    assert Client(headers={"Authorization": header}).get(ADDRESS).status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer sk_live_wrong", "Basic ?", "Basic /w==", "Digest x", "Bearer ü\udcff"]
)
def test_an_invalid_key_is_a_401_that_names_the_scheme(header: str) -> None:
    response = Client().get(ADDRESS, headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"


def test_a_missing_scope_is_named() -> None:
    response = make_client("catalog:read").get(ADDRESS)
    assert response.status_code == 403
    assert "customers:read" in response.json()["detail"]
    assert make_client("customers:read").put(ADDRESS, {}, "application/json").status_code == 403


@pytest.mark.parametrize("fields", [{"enabled": False}, {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_disabled_or_expired_key_is_rejected(fields: dict[str, Any]) -> None:
    assert make_client("customers:read", **fields).get(ADDRESS).status_code == 401


def test_the_old_key_works_until_the_overlap_ends() -> None:
    api_key, old = make_key("customers:read")
    now = datetime.now(UTC)
    new = rotate_api_key(key_id=api_key.pk, now=now, overlap=timedelta(hours=1))
    for plain in (old, new):
        assert find_key_grant(plain, now=now + timedelta(minutes=59)) is not None
    assert find_key_grant(old, now=now + timedelta(minutes=60)) is None
    assert find_key_grant(new, now=now + timedelta(minutes=60)) is not None


def test_rotation_without_overlap_disables_the_old_key_at_once() -> None:
    api_key, old = make_key("customers:read")
    rotate_api_key(key_id=api_key.pk, now=datetime.now(UTC), overlap=timedelta(0))
    assert make_bearer_client(old).get(ADDRESS).status_code == 401


def test_a_cached_key_needs_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.foundation.ttl_cache.time.monotonic", lambda: 0.0)
    _api_key, plain = make_key("customers:read")
    now = datetime.now(UTC)
    find_key_grant(plain, now=now)
    with CaptureQueriesContext(connection) as queries:
        assert find_key_grant(plain, now=now + timedelta(seconds=30)) is not None
    assert len(queries) == 0


@pytest.mark.usefixtures("real_lookup_ages")
def test_a_revoked_key_is_rejected_after_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    api_key, plain = make_key("customers:read")
    seconds = 0.0
    monkeypatch.setattr("config.foundation.ttl_cache.time.monotonic", lambda: seconds)
    now = datetime.now(UTC)
    assert find_key_grant(plain, now=now) is not None
    ApiKey.objects.filter(pk=api_key.pk).update(enabled=False)
    seconds = 4.9
    assert find_key_grant(plain, now=now) is not None
    seconds = 5.0
    assert find_key_grant(plain, now=now) is None


@pytest.mark.usefixtures("real_lookup_ages")
def test_cached_values_survive_a_database_outage_and_missing_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds, is_down = 0.0, False
    monkeypatch.setattr("config.foundation.ttl_cache.time.monotonic", lambda: seconds)

    def load(key: str) -> str | None:
        if is_down:
            raise OperationalError("no connection")
        return "known" if key == "a" else None

    cache = TtlCache(load)
    assert (cache.get("a"), cache.get("b")) == ("known", None)
    seconds, is_down = 60.0, True
    assert cache.get("a") == "known"
    with pytest.raises(OperationalError):
        cache.get("b")


def test_the_last_use_is_written_once_per_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "_last_recorded", {})
    api_key, plain = make_key("customers:read")
    start = datetime.now(UTC)
    for seconds in (0, 30, 59, 60):
        find_key_grant(plain, now=start + timedelta(seconds=seconds))
        api_key.refresh_from_db()
        assert api_key.last_used_at == start + timedelta(seconds=60 if seconds == 60 else 0)


def test_a_write_key_reads_nothing() -> None:
    _source, plain = make_keyed_source()
    assert find_key_grant(plain, now=datetime.now(UTC)) is None
    response = make_bearer_client(plain).get("/api/v1/recommendations/popular/")
    assert response.status_code == 401


def test_a_publishable_key_opens_only_publishable_views() -> None:
    grant = find_key_grant(make_key(kind="publishable")[1], now=datetime.now(UTC))
    assert grant is not None

    class Open:
        publishable = True

    assert grant.allows(Open, "GET")
    assert not grant.allows(object, "GET")


def test_unknown_scopes_and_scopes_of_publishable_keys_are_rejected() -> None:
    with pytest.raises(UnknownScopeError, match="everything"):
        create_api_key(name="x", kind="secret", scopes=["everything"], now=datetime.now(UTC))
    with pytest.raises(ValueError, match="publishable"):
        create_api_key(name="x", kind="publishable", scopes=["catalog:read"], now=datetime.now(UTC))


def test_the_command_prints_a_valid_key() -> None:
    out = StringIO()
    call_command("create_api_key", "reader", "--scope", "customers:read", stdout=out)
    assert make_bearer_client(out.getvalue().strip()).get(ADDRESS).status_code == 200
    with pytest.raises(CommandError, match="everything"):
        call_command("create_api_key", "reader", "--scope", "everything")


def make_staff_client(*permissions: str, is_staff: bool = True) -> Client:
    user = User.objects.create_user("user", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_the_permissions_of_a_back_office_user_act_as_scopes() -> None:
    assert make_staff_client("view_customer").get(ADDRESS).status_code == 200


def test_a_back_office_user_without_the_permission_gets_a_403() -> None:
    assert make_staff_client().get(ADDRESS).status_code == 403


def test_the_session_of_a_non_staff_user_gets_a_401() -> None:
    assert make_staff_client("view_customer", is_staff=False).get(ADDRESS).status_code == 401


def test_a_write_in_a_session_needs_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.put(ADDRESS, {"customers": []}, "application/json").status_code == 403


@pytest.mark.parametrize(
    ("role", "readable"),
    [
        ("Analyst", True),
        ("Marketer", True),
        ("Merchandiser", False),
        ("Privacy officer", True),
        ("Operator", False),
        ("Administrator", True),
    ],
)
def test_only_some_roles_can_read_customers(role: str, readable: bool) -> None:
    client = make_staff_client()
    User.objects.get().groups.add(Group.objects.get(name=role))
    assert (client.get(ADDRESS).status_code == 200) is readable
