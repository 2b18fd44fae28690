"""Invitations to the back office: a user with a role and without a password, and the link with which they choose one."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_encode
from django.utils.translation import gettext as _

from config.access.roles import get_role_label
from config.foundation.shop.mail import send_shop_mail
from config.foundation.shop.profile import get_shop

VALIDITY = timedelta(days=3)


class InvitationTokens(PasswordResetTokenGenerator):
    """Tokens of invitations: valid for three days and until the user has a password."""

    key_salt = "config.access.passwords.invitations"

    def check_token(self, user: Any, token: str | None) -> bool:
        """Return whether the token is one of an active user who has not used it."""
        if user is None or not token or not user.is_active or user.has_usable_password():
            return False
        try:
            timestamp = base36_to_int(token.split("-")[0])
        except ValueError:
            return False
        made = (
            self._make_token_with_timestamp(user, timestamp, secret) for secret in [self.secret, *self.secret_fallbacks]
        )
        if not any(constant_time_compare(valid, token) for valid in made):
            return False
        age = self._num_seconds(self._now()) - timestamp
        return bool(age <= VALIDITY.total_seconds())


invitation_tokens = InvitationTokens()


def is_invited(user: Any) -> bool:
    """Return whether a user was invited and has not logged in yet."""
    return user.is_active and not user.has_usable_password() and user.last_login is None


def invite_user(*, email: str, first_name: str, last_name: str, role: Group) -> User:
    """Create the user, or change the role of one who has not accepted yet."""
    with transaction.atomic():
        user = User.objects.filter(email__iexact=email).first() or User(username=email, email=email)
        user.first_name, user.last_name, user.is_staff = first_name, last_name, True
        if user.pk is None:
            user.set_unusable_password()
        user.save()
        user.groups.set([role])
    return user


def build_invitation_link(user: User, *, origin: str) -> str:
    """Return the address at which the user chooses a password."""
    path = reverse(
        "account:accept_invitation",
        kwargs={"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": invitation_tokens.make_token(user)},
    )
    return f"{origin}{path}"


def mail_invitation(user: User, *, link: str, invited_by: str) -> None:
    """Send the link, in the language that the inviter uses: the shop's may not be chosen yet. Errors: SMTPException, OSError."""
    shop = get_shop()
    roles = ", ".join(get_role_label(group.name) for group in user.groups.all())
    subject = _("Invitation to the back office of %(shop)s") % {"shop": shop.name}
    text = _(
        "%(inviter)s has invited you to the back office of %(shop)s as %(role)s.\n\n"
        "Choose a password here. The link is valid for three days:\n\n%(link)s\n\n"
        "You log in with this name: %(username)s"
    ) % {
        "inviter": invited_by,
        "shop": shop.name,
        "role": roles,
        "link": link,
        "username": user.get_username(),
    }
    send_shop_mail(subject=subject, text=text, recipient=user.email)
