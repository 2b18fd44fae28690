"""Set-up of the second factor, log-in with it, sessions and password reset in a real browser."""

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from config.access.two_factor.totp import compute_code, compute_step
from config.celery import app
from tests.browser.conftest import PASSWORD, MonitoredPage, open_monitored_page

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WIDTHS = (1440, 390)


@pytest.fixture
def eager_tasks() -> Iterator[None]:
    """Run tasks in the request that hands them over, because no worker runs."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def check_page(monitored: MonitoredPage, name: str) -> None:
    """Take pictures of the page on a desk and on a phone, where it must not scroll sideways."""
    for width in WIDTHS:
        monitored.page.set_viewport_size({"width": width, "height": 900})
        monitored.save(f"account-{name}-{width}")
        assert not monitored.scrolls_sideways(), (name, width)
    monitored.page.set_viewport_size({"width": 1440, "height": 900})
    buttons = monitored.page.locator("#page form button[type=submit]").all_inner_texts()
    assert not [text for text in buttons if text.strip().isdigit()], name
    assert monitored.browser_errors == [], name


def send(monitored: MonitoredPage, form: str) -> None:
    monitored.page.click(f"{form} button[type=submit]")
    monitored.settle()


@pytest.fixture
def colleague(operator: "User") -> "User":
    """Make a colleague with a second factor; the operator sees the account."""
    from tests.config.access.staff import add_second_factor, make_staff

    user = make_staff("li.na")
    add_second_factor(user)
    return user


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_user_sets_up_a_second_factor_and_logs_in_with_it(
    operator: "User", colleague: "User", live_server: LiveServer, chromium: Browser, language: str, settings: Any
) -> None:
    settings.TWO_FACTOR_REQUIRED = True
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    page = monitored.page
    monitored.log_in("/admin/auth/group/")
    assert "/admin/two-factor/set-up/" in page.url
    assert page.locator(".two-factor-qr svg path").count() == 2
    check_page(monitored, f"set-up-{language}")
    secret = page.inner_text(".two-factor-secret").replace(" ", "")
    # the code that the app of a phone shows whose clock is a little ahead: it stays valid the longest
    step = compute_step(time.time()) + 1
    page.fill("input[name=code]", compute_code(secret, step=step))
    send(monitored, "#set-up-form")
    assert page.locator(".two-factor-codes li").count() == 10
    codes = page.locator(".two-factor-codes li").all_inner_texts()
    check_page(monitored, f"recovery-codes-{language}")
    page.click("a[href='/admin/auth/group/']")
    page.wait_for_url("**/admin/auth/group/")

    second = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    second.log_in("/admin/sessions/")
    assert "/admin/login/code/" in second.page.url
    second.page.fill("input[name=code]", "nonsense")
    send(second, "#code-form")
    assert second.page.locator(".errors").count() == 1
    check_page(second, f"code-{language}")
    second.page.fill("input[name=code]", codes[0])
    send(second, "#code-form")
    assert second.page.url.endswith("/admin/sessions/")
    assert second.page.locator(".account-sessions li").count() == 2
    check_page(second, f"sessions-{language}")
    second.open("/admin/two-factor/")
    check_page(second, f"two-factor-{language}")

    second.open(f"/admin/auth/user/{colleague.pk}/security/")
    check_page(second, f"colleague-{language}")
    second.open("/admin/auth/user/")
    check_page(second, f"users-{language}")

    second.open("/admin/sessions/")
    send(second, ".account-sessions")
    assert second.page.locator(".account-sessions li").count() == 1
    monitored.open("/admin/")
    assert re.search(r"/admin/login/\?next=", page.url)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_user_resets_the_password(
    operator: "User",
    live_server: LiveServer,
    chromium: Browser,
    language: str,
    mailoutbox: list[Any],
    eager_tasks: None,
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    monitored.open("/admin/login/")
    check_page(monitored, f"log-in-{language}")
    monitored.page.click(".login-note a")
    monitored.page.wait_for_url("**/admin/password-reset/")
    check_page(monitored, f"reset-{language}")
    monitored.page.fill("input[name=email]", operator.email)
    send(monitored, "#reset-form")
    check_page(monitored, f"reset-sent-{language}")
    link = re.search(rf"{live_server.url}(\S+)", mailoutbox[0].body)
    assert link
    monitored.open(link[1])
    check_page(monitored, f"new-password-{language}")
    for name in ("new_password1", "new_password2"):
        monitored.page.fill(f"input[name={name}]", PASSWORD + "-new")
    send(monitored, "#new-password-form")
    check_page(monitored, f"reset-done-{language}")
    monitored.open(link[1])
    check_page(monitored, f"used-link-{language}")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_form_of_an_api_key_fits_a_phone(
    operator: "User", live_server: LiveServer, chromium: Browser, language: str
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=390, language=language)
    monitored.log_in("/admin/access/apikey/add/")
    assert monitored.page.locator("#id_scopes label").count() > 10
    assert not monitored.scrolls_sideways()
