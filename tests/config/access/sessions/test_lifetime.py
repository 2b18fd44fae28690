"""The end of sessions by time."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config.access.models import UserSession
from tests.config.access.staff import log_in, make_staff

pytestmark = pytest.mark.django_db
HOUR = 3600


def let_time_pass(client: Client, *, idle: int = 0, since_log_in: int = 0) -> None:
    """Set the times of the session back, which is the same as waiting."""
    session = client.session
    session["last_active_at"] -= idle
    session["signed_in_at"] -= since_log_in
    session.save()


@pytest.mark.parametrize(
    ("time", "ended", "words"),
    [
        ({"idle": HOUR}, "idle", "because you were inactive"),
        ({"since_log_in": 12 * HOUR}, "max-age", "maximum duration"),
    ],
)
def test_a_session_ends_with_a_reason_and_the_log_in_leads_back(time: dict[str, int], ended: str, words: str) -> None:
    user = make_staff("analyst", "identity.view_customer")
    client = log_in(user)
    let_time_pass(client, **time)
    response = client.get("/admin/identity/customer/?q=x")
    assert response["Location"] == f"/admin/login/?next=%2Fadmin%2Fidentity%2Fcustomer%2F%3Fq%3Dx&ended={ended}"
    page = client.get(response["Location"])
    assert words in page.text
    assert 'action="/admin/login/?next=%2Fadmin%2Fidentity%2Fcustomer%2F%3Fq%3Dx&amp;ended=' in page.text
    fields = {"username": user.username, "password": "a-long-password-for-tests"}
    assert client.post(response["Location"], fields)["Location"] == "/admin/identity/customer/?q=x"
    assert not UserSession.objects.exclude(pk=client.session.session_key).exists()


def test_a_session_lasts_while_neither_limit_is_reached() -> None:
    client = log_in(make_staff())
    let_time_pass(client, idle=HOUR // 2, since_log_in=11 * HOUR)
    assert client.get("/admin/").status_code == 200


def test_the_limits_are_settings(settings: Any) -> None:
    settings.SESSION_IDLE_MINUTES = 5
    client = log_in(make_staff())
    let_time_pass(client, idle=150)
    assert client.get("/admin/").status_code == 200
    let_time_pass(client, idle=300)
    assert client.get("/admin/").status_code == 302


def test_a_form_that_is_sent_too_late_leads_back_to_its_page() -> None:
    client = log_in(make_staff())
    for referrer, target in [
        ("http://testserver/admin/sessions/", "next=http%3A%2F%2Ftestserver%2Fadmin%2Fsessions%2F"),
        ("https://evil.example/", "next=%2Fadmin%2F"),
    ]:
        let_time_pass(client, idle=HOUR)
        response = client.post("/admin/sessions/", headers={"referer": referrer})
        assert target in response["Location"]
        client = log_in(make_staff(f"another-{len(referrer)}"))


def test_the_log_in_page_says_that_a_form_was_not_saved() -> None:
    form = "http://testserver/admin/segments/segment/add/"
    late, without_session = log_in(make_staff()), Client()
    let_time_pass(late, idle=HOUR)
    for client in (late, without_session):
        response = client.post("/admin/segments/segment/add/", headers={"referer": form})
        assert response["Location"].startswith("/admin/login/?next=http%3A%2F%2Ftestserver%2Fadmin%2Fsegments")
        assert "Your last change was not saved" in client.get(response["Location"]).text
        assert "not saved" not in client.get(client.get("/admin/segments/segment/add/")["Location"]).text


def test_the_api_takes_a_timed_out_session_for_nobody() -> None:
    client = log_in(make_staff("analyst", "identity.view_customer"))
    assert client.get("/api/v1/customers/").status_code == 200
    let_time_pass(client, idle=HOUR)
    assert client.get("/api/v1/customers/").status_code == 401


def read_writes(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT"))]


def test_activity_is_stored_once_a_minute_and_not_for_every_request() -> None:
    user = make_staff("analyst", "events.view_event")
    client = log_in(user)
    assert read_writes(client, "/admin/") == []
    let_time_pass(client, idle=61)
    stored = UserSession.objects.get(user=user).last_active_at
    writes = read_writes(client, "/admin/")
    assert [sql.startswith('UPDATE "access_usersession"') for sql in writes] == [True]
    assert read_writes(client, "/admin/") == []
    latest = UserSession.objects.get(user=user).last_active_at
    assert stored is not None
    assert latest is not None
    assert (latest - stored).total_seconds() >= 61


def test_a_page_that_refreshes_itself_does_not_keep_the_session_alive() -> None:
    client = log_in(make_staff("analyst", "events.view_event"))
    let_time_pass(client, idle=120)
    before = client.session["last_active_at"]
    client.get("/admin/events/event/live/rows/")
    assert client.session["last_active_at"] == before
    client.get("/admin/events/event/live/")
    assert client.session["last_active_at"] > before


def test_requests_without_a_session_do_not_vary_by_cookie(client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/health/live")
    assert "Cookie" not in response.get("Vary", "")
    assert len(queries) == 0


def test_the_browser_forgets_the_pages_of_a_session_that_has_ended() -> None:
    client = log_in(make_staff())
    assert "Clear-Site-Data" not in client.get("/admin/").headers
    assert client.post("/admin/logout/")["Clear-Site-Data"] == '"cache"'
    client = log_in(make_staff("other"))
    let_time_pass(client, idle=HOUR)
    assert client.get("/admin/")["Clear-Site-Data"] == '"cache"'
