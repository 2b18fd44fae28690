"""The e-mail with which a back-office user chooses a new password."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.utils.translation import override

from config.foundation.shop.mail import send_shop_mail
from config.foundation.shop.profile import get_shop

BACKENDS_WITHOUT_MAIL = ("console", "dummy")


def is_mail_configured() -> bool:
    """Return whether e-mails can be delivered, so that a password can be reset by e-mail."""
    return settings.EMAIL_BACKEND.removeprefix("django.core.mail.backends.").split(".")[0] not in BACKENDS_WITHOUT_MAIL


def mail_reset_links(*, email: str, origin: str, language: str) -> int:
    """Send a link to every active back-office user with this address and a password; return how many."""
    users = get_user_model().objects.filter(email__iexact=email, is_active=True, is_staff=True)
    recipients = [user for user in users if user.has_usable_password()]
    for user in recipients:
        with override(language):
            _mail_reset_link(user, origin=origin)
    return len(recipients)


def _mail_reset_link(user: Any, *, origin: str) -> None:
    shop = get_shop()
    token = default_token_generator.make_token(user)
    path = reverse(
        "account:password_reset_confirm",
        kwargs={"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": token},
    )
    text = render_to_string(
        "admin/access/password_reset_mail.txt",
        {"username": user.get_username(), "url": f"{origin}{path}", "shop": shop.name},
    )
    subject = _("New password for the back office of %(shop)s") % {"shop": shop.name}
    # To the stored address, not the entered one: both are equal for the database, but not for every mail server.
    send_shop_mail(subject=subject, text=text, recipient=user.email)
