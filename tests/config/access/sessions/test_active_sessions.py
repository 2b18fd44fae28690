"""The list of sessions, and the acts that end them."""

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client

from config.access.models import UserSession
from config.access.sessions.user_agents import describe_user_agent
from tests.config.access.staff import log_in, make_staff

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)
PAGE = "/admin/sessions/"


def is_logged_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on macOS"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/140.0 Mobile Safari/537.36 MicroMessenger/8.0", "WeChat on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("curl/8", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_is_described_in_words(user_agent: str, words: str) -> None:
    assert describe_user_agent(user_agent) == words


def test_the_page_lists_the_sessions_of_the_user_and_marks_this_one() -> None:
    user = make_staff()
    phone, desk = log_in(user, user_agent=IPHONE), log_in(user, user_agent=FIREFOX)
    log_in(make_staff("other"), user_agent=FIREFOX)
    page = desk.get(PAGE)
    rows = [(row.device, row.address, row.is_current) for row in page.context["sessions"]]
    assert rows == [("Firefox on Windows", "127.0.0.1", True), ("Safari on iPhone", "127.0.0.1", False)]
    for client in (phone, desk):
        assert client.session.session_key not in page.text


def test_one_session_is_ended() -> None:
    user = make_staff()
    clients = [log_in(user) for _number in range(3)]
    rows = clients[0].get(PAGE).context["sessions"]
    assert len(rows) == 3
    clients[0].post(PAGE, {"session": rows[1].name})
    assert [is_logged_in(client) for client in clients] in ([True, True, False], [True, False, True])
    own = next(row for row in rows if row.is_current)
    clients[0].post(PAGE, {"session": own.name})
    assert is_logged_in(clients[0])


def test_all_other_sessions_are_ended_and_those_of_others_are_not() -> None:
    user, other = make_staff(), make_staff("other")
    first, second, stranger = log_in(user), log_in(user), log_in(other)
    names = [row.name for row in second.get(PAGE).context["sessions"]]
    stranger.post(PAGE, {"session": names[0]})
    assert is_logged_in(first)
    assert is_logged_in(second)
    second.post(PAGE)
    assert [is_logged_in(client) for client in (first, second, stranger)] == [False, True, True]


def test_an_ended_session_cannot_store_itself_again() -> None:
    user = make_staff()
    client = log_in(user)
    session = client.session
    session["last_active_at"] -= 1
    UserSession.objects.all().delete()
    with pytest.raises(UpdateError):
        session.save()
    assert not UserSession.objects.exists()


def test_changing_the_password_ends_the_other_sessions() -> None:
    user = make_staff()
    here, there = log_in(user), log_in(user)
    fields = {
        "old_password": "a-long-password-for-tests",
        "new_password1": "correct-horse-battery",
        "new_password2": "correct-horse-battery",
    }
    assert here.post("/admin/password_change/", fields).status_code == 302
    assert UserSession.objects.filter(user=user).count() == 1
    assert is_logged_in(here)
    assert not is_logged_in(there)
    assert [row.is_current for row in here.get(PAGE).context["sessions"]] == [True]


def test_an_administrator_ends_the_sessions_of_a_colleague() -> None:
    colleague = make_staff("colleague")
    first, second = log_in(colleague), log_in(colleague)
    boss = log_in(make_staff("boss", is_superuser=True))
    path = f"/admin/auth/user/{colleague.pk}/security/"
    row = boss.get(path).context["sessions"][0]
    boss.post(path, {"session": row.name})
    assert sorted(is_logged_in(client) for client in (first, second)) == [False, True]
    boss.post(path)
    assert not is_logged_in(first)
    assert not is_logged_in(second)
    assert is_logged_in(boss)


def test_logging_out_and_deleting_the_user_delete_the_sessions() -> None:
    user = make_staff()
    first, _second = log_in(user), log_in(user)
    first.post("/admin/logout/")
    assert UserSession.objects.filter(user=user).count() == 1
    user.delete()
    assert not UserSession.objects.exists()


def test_the_account_menu_leads_to_the_pages() -> None:
    text = log_in(make_staff()).get("/admin/").text
    for path in ("/admin/two-factor/", "/admin/sessions/", "/admin/password_change/"):
        assert f'href="{path}"' in text
