"""A new password through a link in an e-mail."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from config.access.backoffice import password_reset_pages
from config.access.models import UserSession
from config.celery import app
from tests.config.access.passwords.mail_server import run_mail_server
from tests.config.access.staff import (
    CODE_PAGE,
    add_second_factor,
    compute_present_code,
    enter_code,
    log_in,
    make_staff,
)

pytestmark = pytest.mark.django_db
PAGE = "/admin/password-reset/"
NEW = "correct-horse-battery"


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run tasks immediately, count all requests of the test in one window, and forget them."""
    app.conf.task_always_eager = True
    limiters = (password_reset_pages.clients, password_reset_pages.mailboxes)
    for limiter in limiters:
        monkeypatch.setattr(limiter, "_clock", lambda: 1_800_000_000.0)
    yield
    app.conf.task_always_eager = False
    for limiter in limiters:
        limiter.reset()


def request_link(email: str, *, language: str = "en", **parameters: Any) -> Any:
    return Client().post(PAGE, {"email": email}, headers={"accept-language": language}, **parameters)


def read_link(text: str) -> str:
    match = re.search(r"http://testserver(/admin/password-reset/\S+)", text)
    assert match, text
    return match[1]


def open_link(client: Client, link: str) -> tuple[str, Any]:
    """Follow the link to the form, whose address does not hold the token."""
    response = client.get(link)
    path = response["Location"] if response.status_code == 302 else link
    return path, client.get(path)


def set_password(link: str, password: str = NEW) -> Any:
    client = Client()
    path, page = open_link(client, link)
    if "new-password-form" not in page.text:
        return page
    return client.post(path, {"new_password1": password, "new_password2": password})


def test_the_link_arrives_by_smtp_and_changes_the_password_once(settings: Any) -> None:
    user = make_staff()
    log_in(user)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_USE_TLS, settings.EMAIL_HOST = False, "127.0.0.1"
    with run_mail_server() as server:
        settings.EMAIL_PORT = server.port
        assert request_link(user.email.upper())["Location"] == "/admin/password-reset/sent/"
    assert server.recipients == [user.email]
    message = server.messages[0]
    assert message["To"] == user.email
    assert "New password" in message["Subject"]
    link = read_link(message.get_content())

    assert set_password(link)["Location"] == "/admin/password-reset/done/"
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert not UserSession.objects.filter(user=user).exists()
    assert "not valid" in set_password(link, "another-long-password").text
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_the_mail_is_in_the_language_of_the_page() -> None:
    user = make_staff()
    request_link(user.email, language="zh-hans")
    assert "新密码" in mail.outbox[0].subject
    assert "一小时" in mail.outbox[0].body
    assert user.username in mail.outbox[0].body


def test_the_answer_does_not_tell_whether_an_account_exists() -> None:
    user = make_staff()
    make_staff("gone", is_active=False)
    make_staff("shopper", is_staff=False)
    answers = [
        request_link(email)
        for email in (user.email, "nobody@shop.example", "gone@shop.example", "shopper@shop.example")
    ]
    assert len({(answer.status_code, answer["Location"], answer.content) for answer in answers}) == 1
    assert [message.to for message in mail.outbox] == [[user.email]]


def test_a_reset_does_not_skip_the_second_factor() -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    request_link(user.email)
    client = Client()
    path, _page = open_link(client, read_link(mail.outbox[0].body))
    client.post(path, {"new_password1": NEW, "new_password2": NEW})
    assert client.get("/admin/").status_code == 302
    response = client.post("/admin/login/", {"username": user.username, "password": NEW})
    assert response["Location"].startswith(CODE_PAGE)
    assert client.get("/admin/").status_code == 302
    assert enter_code(client, compute_present_code(user)).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_link_is_valid_for_an_hour(settings: Any) -> None:
    assert settings.PASSWORD_RESET_TIMEOUT == 3600
    user = make_staff()
    request_link(user.email)
    link = read_link(mail.outbox[0].body)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "not valid" in set_password(link).text
    settings.PASSWORD_RESET_TIMEOUT = 3600
    assert set_password(link).status_code == 302


def test_a_weak_password_is_refused() -> None:
    user = make_staff()
    request_link(user.email)
    page = set_password(read_link(mail.outbox[0].body), "12345")
    assert page.status_code == 200
    assert page.context["form"].errors


def test_requests_are_limited_per_address_and_mails_per_mailbox() -> None:
    user = make_staff()
    statuses = [request_link(user.email, REMOTE_ADDR="198.51.100.7").status_code for _number in range(11)]
    assert statuses == [302] * 10 + [429]
    assert len(mail.outbox) == 3
    refused = request_link(user.email, REMOTE_ADDR="198.51.100.7")
    assert int(refused["Retry-After"]) > 0
    assert "Too many requests" in refused.text
    assert request_link("other@shop.example", REMOTE_ADDR="198.51.100.8").status_code == 302


def test_users_with_the_same_address_get_a_link_each() -> None:
    for name in ("first", "second"):
        User.objects.create_user(name, "team@shop.example", "password", is_staff=True)
    request_link("team@shop.example")
    assert len(mail.outbox) == 2


def test_without_a_mail_server_the_pages_say_whom_to_ask(client: Client, settings: Any) -> None:
    assert f'href="{PAGE}"' in client.get("/admin/login/").text
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    for path in ("/admin/login/", PAGE):
        text = client.get(path).text
        assert "manage.py changepassword" in text
        assert f'href="{PAGE}"' not in text
    assert request_link("x@shop.example").status_code == 200
    assert not mail.outbox
