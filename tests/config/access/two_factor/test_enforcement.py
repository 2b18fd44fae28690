"""Nobody who may see personal data works without a second factor, whatever way the session was made."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

import config
from config.access.models import TwoFactorDevice
from config.access.two_factor.totp import compute_code, compute_step
from tests.config.access.staff import (
    CODE_PAGE,
    add_second_factor,
    compute_present_code,
    compute_wrong_code,
    enter_code,
    enter_password,
    log_in,
    make_staff,
    read_recovery_codes,
)

pytestmark = pytest.mark.django_db
SET_UP = "/admin/two-factor/set-up/"
API = "/api/v1/customers/"


def is_inside(client: Client) -> bool:
    """Return whether the back office and the API are open; both must agree."""
    statuses = client.get("/admin/").status_code, client.get(API).status_code
    assert statuses in [(200, 200), (302, 401)]
    return statuses == (200, 200)


def set_up(client: Client, **fields: str) -> Any:
    """Fill in the page, whose secret is read as a person would type it."""
    secret = client.get(SET_UP).context["secret"].replace(" ", "")
    code = compute_code(secret, step=compute_step(time.time()))
    return client.post(f"{SET_UP}?next=/admin/identity/customer/", {"code": code, **fields})


@pytest.mark.parametrize("fields", [{"is_superuser": True}, {"permissions": ["identity.view_personal"]}])
def test_who_may_see_personal_data_must_set_up_a_second_factor_first(fields: dict[str, Any]) -> None:
    user = make_staff("operator", *fields.pop("permissions", []), "identity.view_customer", **fields)
    client = Client()
    assert enter_password(client, user)["Location"] == "/admin/"
    assert not is_inside(client)
    page = client.get("/admin/identity/customer/?q=x")
    assert page["Location"] == f"{SET_UP}?next=%2Fadmin%2Fidentity%2Fcustomer%2F%3Fq%3Dx"
    assert client.post("/admin/password_change/", {}).status_code == 302
    assert client.get("/admin/sessions/")["Location"].startswith(SET_UP)
    assert client.get(page["Location"]).status_code == 200

    shown = set_up(client)
    assert len(read_recovery_codes(shown)) == 10
    assert "no-store" in shown["Cache-Control"]
    assert 'href="/admin/identity/customer/"' in shown.text
    assert is_inside(client)


def test_others_need_no_second_factor_until_they_may_see_personal_data() -> None:
    user = make_staff("analyst", "identity.view_customer")
    client = log_in(user)
    assert is_inside(client)
    user.user_permissions.add(Permission.objects.get(codename="view_personal"))
    assert not is_inside(client)
    assert client.get("/admin/")["Location"].startswith(SET_UP)


def test_the_password_alone_opens_nothing_for_a_user_with_a_second_factor() -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    client = Client()
    response = enter_password(client, user, "/admin/identity/customer/")
    assert response["Location"] == f"{CODE_PAGE}?next=%2Fadmin%2Fidentity%2Fcustomer%2F"
    assert not is_inside(client)
    user.refresh_from_db()
    assert user.last_login is None

    assert enter_code(client, compute_wrong_code(user)).status_code == 200
    assert not is_inside(client)
    code = compute_present_code(user)
    assert client.post(response["Location"], {"code": code})["Location"] == "/admin/identity/customer/"
    assert is_inside(client)

    thief = Client()
    enter_password(thief, user)
    assert enter_code(thief, code).status_code == 200  # it was used
    assert not is_inside(thief)


def test_a_second_factor_is_asked_for_even_if_it_is_not_required(settings: Any) -> None:
    settings.TWO_FACTOR_REQUIRED = False
    user = make_staff("analyst", "identity.view_customer")
    add_second_factor(user)
    client = Client()
    enter_password(client, user)
    assert not is_inside(client)
    enter_code(client, compute_present_code(user))
    assert is_inside(client)


def test_everyone_needs_a_second_factor_where_the_setting_says_so(settings: Any) -> None:
    client = log_in(make_staff("merchandiser", "catalog.view_product"))
    assert client.get("/admin/").status_code == 200
    settings.TWO_FACTOR_EVERYBODY = True
    assert client.get("/admin/")["Location"].startswith("/admin/two-factor/")


def test_a_session_that_was_made_without_the_code_is_not_accepted() -> None:
    """As another log-in page, or code that calls Django's `login`, would make it."""
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    client = Client()
    client.force_login(user)
    assert client.get("/admin/")["Location"] == "/admin/login/?next=%2Fadmin%2F"
    client.force_login(user)
    assert client.get(API).status_code == 401


@pytest.mark.parametrize("entry", ["second_factor", "signed_in_at"])
def test_a_session_without_its_notes_is_not_accepted(entry: str) -> None:
    client = log_in(make_staff("analyst", "identity.view_customer"))
    assert is_inside(client)
    session = client.session
    del session[entry]
    session.save()
    assert not is_inside(client)


def test_the_code_page_needs_the_password_first_and_expires() -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    client = Client()
    assert enter_code(client, compute_present_code(user))["Location"] == "/admin/login/"
    enter_password(client, user)
    session = client.session
    session["pending_log_in"] = {**session["pending_log_in"], "at": session["pending_log_in"]["at"] - 600}
    session.save()
    assert enter_code(client, compute_present_code(user))["Location"] == "/admin/login/"
    enter_password(client, user)
    user.set_password("another-password")
    user.save()
    assert enter_code(client, compute_present_code(user))["Location"] == "/admin/login/"


def test_the_log_in_does_not_lead_to_other_sites() -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    client = Client()
    enter_password(client, user)
    response = client.post(f"{CODE_PAGE}?next=https://evil.example/", {"code": compute_present_code(user)})
    assert response["Location"] == "/admin/"


def test_wrong_codes_lead_to_the_lock_out(settings: Any) -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    client = Client()
    enter_password(client, user)
    wrong = compute_wrong_code(user)
    statuses = [enter_code(client, wrong).status_code for _number in range(settings.AXES_FAILURE_LIMIT)]
    assert statuses[:-1] == [200] * (settings.AXES_FAILURE_LIMIT - 1)
    assert statuses[-1] == 429
    assert enter_code(client, compute_present_code(user)).status_code == 429
    assert enter_password(Client(), user).status_code == 429
    assert not is_inside(client)


def test_entering_the_password_again_does_not_reset_the_count_of_wrong_codes(settings: Any) -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    wrong = compute_wrong_code(user)
    statuses = []
    for _number in range(settings.AXES_FAILURE_LIMIT):
        client = Client()
        enter_password(client, user)
        statuses.append(enter_code(client, wrong).status_code)
    assert statuses[-1] == 429


def test_a_recovery_code_replaces_the_phone_once() -> None:
    user = make_staff(is_superuser=True)
    recovery_code = add_second_factor(user)[0]
    client = Client()
    enter_password(client, user)
    response = client.post(CODE_PAGE, {"code": recovery_code}, follow=True)
    assert "9 are left" in response.text
    entry = LogEntry.objects.filter(additional_data__event="two_factor.recovery_code_used").get()
    assert entry.actor == user
    assert is_inside(client)
    second = Client()
    enter_password(second, user)
    assert enter_code(second, recovery_code).status_code == 200
    assert not is_inside(second)


def test_the_secret_of_the_set_up_belongs_to_its_session_and_the_password_is_asked_for_again() -> None:
    user = make_staff("analyst", "identity.view_customer")
    first, second = log_in(user), log_in(user)
    secrets = {client.get(SET_UP).context["secret"] for client in (first, second)}
    assert len(secrets) == 2
    assert first.get(SET_UP).context["secret"] in secrets
    session = first.session
    session["signed_in_at"] -= 900
    session.save()
    assert set_up(first).context["form"].errors.keys() == {"password"}
    assert set_up(first, password="wrong").context["form"].errors.keys() == {"password"}
    assert not TwoFactorDevice.objects.exists()
    assert len(read_recovery_codes(set_up(first, password="a-long-password-for-tests"))) == 10
    assert is_inside(first)
    assert not is_inside(second)  # a new second factor ends the other sessions


def test_the_app_is_replaced_only_with_a_code_of_the_present_one() -> None:
    user = make_staff(is_superuser=True)
    codes = add_second_factor(user)
    client = log_in(user)
    old = TwoFactorDevice.objects.get(user=user).secret
    assert set_up(client).context["form"].errors.keys() == {"current_code"}
    assert set_up(client, current_code=compute_wrong_code(user)).context["form"].errors.keys() == {"current_code"}
    new_codes = read_recovery_codes(set_up(client, current_code=codes[0]))
    assert len(set(new_codes) - set(codes)) == 10
    assert TwoFactorDevice.objects.get(user=user).secret != old
    assert is_inside(client)


def test_recovery_codes_are_renewed_with_a_code() -> None:
    user = make_staff(is_superuser=True)
    old = add_second_factor(user)
    client = log_in(user)
    refused = client.post("/admin/two-factor/", {"action": "renew", "code": compute_wrong_code(user)})
    assert not read_recovery_codes(refused)
    page = client.post("/admin/two-factor/", {"action": "renew", "code": old[0]})
    new = read_recovery_codes(page)
    assert len(new) == 10
    assert "no-store" in page["Cache-Control"]
    other = Client()
    enter_password(other, user)
    assert enter_code(other, old[1]).status_code == 200
    assert enter_code(other, new[1]).status_code == 302


def test_it_cannot_be_turned_off_where_it_is_required() -> None:
    user = make_staff(is_superuser=True)
    codes = add_second_factor(user)
    client = log_in(user)
    page = client.post("/admin/two-factor/", {"action": "turn_off", "code": codes[0]})
    assert "cannot turn off two-factor" in page.text
    assert TwoFactorDevice.objects.filter(user=user).exists()


def test_others_turn_it_off_with_a_code_which_ends_their_other_sessions() -> None:
    user = make_staff("analyst", "identity.view_customer")
    codes = add_second_factor(user)
    other = log_in(user)
    TwoFactorDevice.objects.update(last_step=0)
    client = log_in(user)
    assert (
        client.post("/admin/two-factor/", {"action": "turn_off", "code": compute_wrong_code(user)}).status_code == 200
    )
    assert client.post("/admin/two-factor/", {"action": "turn_off", "code": codes[0]}).status_code == 302
    assert not TwoFactorDevice.objects.exists()
    assert is_inside(client)
    assert not is_inside(other)


def test_an_administrator_resets_the_second_factor_of_a_colleague_who_lost_the_phone() -> None:
    boss, colleague = make_staff("boss", is_superuser=True), make_staff("colleague", "identity.view_personal")
    for user in (boss, colleague):
        add_second_factor(user)
    theirs, client = log_in(colleague), log_in(boss)
    path = f"/admin/auth/user/{colleague.pk}/security/"
    assert client.get(path).status_code == 200
    assert client.post(path, {"action": "reset_two_factor"}).status_code == 302
    assert not TwoFactorDevice.objects.filter(user=colleague).exists()
    assert not is_inside(theirs)
    entry = LogEntry.objects.filter(additional_data__event="two_factor.reset").get()
    assert (entry.actor, entry.object_pk) == (boss, str(colleague.pk))
    listed = client.get("/admin/auth/user/")
    assert [row.has_two_factor for row in listed.context["cl"].result_list] == [True, False]


def test_nobody_resets_the_second_factor_of_someone_with_more_permissions_or_their_own() -> None:
    manager = make_staff("manager", "auth.view_user", "auth.change_user")
    stranger = make_staff("stranger", "auth.view_user")
    boss = make_staff("boss", "identity.view_personal")
    for user in (manager, boss):
        add_second_factor(user)
    path = f"/admin/auth/user/{boss.pk}/security/"
    for user in (manager, stranger):
        client = log_in(user)
        assert client.post(path, {"action": "reset_two_factor"}).status_code == 403
        assert client.get(path).status_code == 403
    TwoFactorDevice.objects.update(last_step=0)
    response = log_in(manager).post(f"/admin/auth/user/{manager.pk}/security/", {"action": "reset_two_factor"})
    assert response["Location"] == "/admin/two-factor/"
    assert TwoFactorDevice.objects.count() == 2


@pytest.mark.parametrize(("demo", "required"), [("", "True"), ("true", "False")])
def test_the_setting_is_on_by_default_and_off_in_the_demo(demo: str, required: str) -> None:
    program = "from config.settings import TWO_FACTOR_REQUIRED; print(TWO_FACTOR_REQUIRED)"
    variables = {**os.environ, "TWO_FACTOR_REQUIRED": "", "DEMO": demo}
    root = Path(config.__file__).parents[1]
    process = subprocess.run([sys.executable, "-c", program], cwd=root, env=variables, check=True, capture_output=True)
    assert process.stdout.decode().strip() == required


def test_the_demo_says_that_it_is_off(client: Client, settings: Any) -> None:
    text = "two-factor authentication is off"
    assert text not in client.get("/admin/login/").text
    settings.DEMO, settings.TWO_FACTOR_REQUIRED = True, False
    assert text in client.get("/admin/login/").text
