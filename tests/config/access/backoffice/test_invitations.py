"""Invitations of colleagues, and the list of users."""

import re
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.urls import reverse

from config.access.passwords.invitations import InvitationTokens, invitation_tokens
from tests.config.access.staff import PASSWORD, add_second_factor, make_staff
from tests.customers.events.makers import log_in_as

pytestmark = pytest.mark.django_db
LIST, PAGE = reverse("admin:auth_user_changelist"), "/admin/auth/user/invite/"


@pytest.fixture
def invitation(settings: Any) -> dict[str, str]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    marketer = Group.objects.get(name="Marketer")
    return {"email": "Mara@shop.example", "first_name": "Mara", "last_name": "Lind", "role": str(marketer.pk)}


def choose_password(link: str) -> Any:
    client = Client()
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0] if form.redirect_chain else link
    return client.post(address, {"new_password1": PASSWORD, "new_password2": PASSWORD}, follow=True)


def test_an_invited_colleague_chooses_a_password_and_logs_in_with_the_role(
    admin_client: Client, invitation: dict[str, str]
) -> None:
    page = admin_client.post(PAGE, invitation, follow=True)
    assert "An invitation was sent to mara@shop.example." in page.text
    assert "invited" in page.text
    message = mail.outbox[0]
    assert message.to == ["mara@shop.example"]
    assert "as Marketer" in message.body
    link = re.search(r"https?://\S+", message.body)
    assert link
    assert "Your password was changed" in choose_password(link[0]).text
    user = User.objects.get(email="mara@shop.example")
    assert (user.is_staff, user.is_superuser, [group.name for group in user.groups.all()]) == (
        True,
        False,
        ["Marketer"],
    )
    assert user.check_password(PASSWORD)
    assert "This invitation is not valid" in Client().get(link[0]).text
    assert LogEntry.objects.get(additional_data__event="user.invited").additional_data["details"] == {
        "role": "Marketer"
    }


def test_an_invitation_is_in_the_language_of_the_inviter(admin_client: Client, invitation: dict[str, str]) -> None:
    admin_client.post(PAGE, invitation, headers={"accept-language": "zh-hans"})
    assert mail.outbox[0].subject.startswith("邀请您使用")
    assert "营销人员" in mail.outbox[0].body


def test_without_a_mail_server_the_page_shows_the_link_once(
    admin_client: Client, invitation: dict[str, str], settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    page = admin_client.post(PAGE, invitation).text
    link = re.search(r'value="(https?://[^"]+invitation[^"]+)"', page)
    assert link
    assert "Your password was changed" in choose_password(link[1]).text


def test_an_invitation_ends_after_three_days_and_with_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_staff("mara")
    user.set_unusable_password()
    user.save()
    token = invitation_tokens.make_token(user)
    assert invitation_tokens.check_token(user, token)
    user.is_active = False
    assert not invitation_tokens.check_token(user, token)
    user.is_active = True
    later = invitation_tokens._now() + timedelta(days=3, minutes=1)
    monkeypatch.setattr(InvitationTokens, "_now", lambda self: later)
    assert not invitation_tokens.check_token(user, token)


def test_an_address_with_an_account_is_reported_and_a_pending_one_invited_again(
    admin_client: Client, invitation: dict[str, str]
) -> None:
    make_staff("mara")
    page = admin_client.post(PAGE, invitation | {"email": "mara@shop.example"})
    assert page.status_code == 422
    assert "already has an account" in page.text
    for role in ("Marketer", "Analyst"):
        group = Group.objects.get(name=role)
        admin_client.post(PAGE, invitation | {"email": "new@shop.example", "role": str(group.pk)})
    assert [group.name for group in User.objects.get(email="new@shop.example").groups.all()] == ["Analyst"]
    assert len(mail.outbox) == 2


def test_nobody_invites_without_the_permission_or_gives_a_role_beyond_their_own(invitation: dict[str, str]) -> None:
    assert log_in_as("Operator").get(PAGE).status_code == 403
    manager = make_staff("manager", "auth.add_user", "auth.view_user")
    client = Client()
    client.force_login(manager)
    page = client.post(PAGE, invitation)
    assert page.status_code == 422
    assert not User.objects.filter(email="mara@shop.example").exists()


def test_the_list_shows_roles_last_seen_and_the_second_factor(admin_client: Client) -> None:
    user = make_staff("paula", first_name="Paula", last_name="Price")
    user.groups.add(Group.objects.get(name="Privacy officer"))
    add_second_factor(user)
    page = admin_client.get(LIST, headers={"accept-language": "zh-hans"}).text
    assert "Paula Price" in page
    assert "隐私专员" in page
    assert "从未" in page
    roles = admin_client.get(reverse("admin:auth_group_changelist")).text
    assert "sees, exports and erases personal data" in roles
