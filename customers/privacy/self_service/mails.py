"""The emails to the customer: the link, the file, the erasure with its undo, and how a request ended. None contains personal data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from config.foundation.shop.mail import send_shop_mail
from config.foundation.shop.profile import get_shop, get_time_zone
from customers.privacy.models import PrivacyRequest
from customers.privacy.self_service.links import (
    AccessLink,
    build_confirm_url,
    build_data_url,
    build_download_url,
    build_undo_url,
    find_customer_by_email,
)


@dataclass(frozen=True)
class MailKind:
    """A mail: its subject and its template."""

    subject: str | Promise
    template: str


MAILS: dict[str, MailKind] = {
    "link": MailKind(gettext_lazy("Your data at %(shop)s"), "privacy/mails/link.txt"),
    "unknown": MailKind(gettext_lazy("Your data at %(shop)s"), "privacy/mails/unknown.txt"),
    "confirm": MailKind(gettext_lazy("%(shop)s: please confirm request %(number)s"), "privacy/mails/confirm.txt"),
    "export": MailKind(gettext_lazy("Your data at %(shop)s is ready to download"), "privacy/mails/export.txt"),
    "scheduled": MailKind(gettext_lazy("%(shop)s will erase your data"), "privacy/mails/scheduled.txt"),
    "erased": MailKind(gettext_lazy("%(shop)s has erased your data"), "privacy/mails/erased.txt"),
    "done": MailKind(gettext_lazy("%(shop)s: your request %(number)s is done"), "privacy/mails/done.txt"),
    "extended": MailKind(gettext_lazy("%(shop)s: your request %(number)s takes longer"), "privacy/mails/extended.txt"),
    "rejected": MailKind(
        gettext_lazy("%(shop)s: your request %(number)s was not granted"), "privacy/mails/rejected.txt"
    ),
}


def send_mail(kind: str, *, recipient: str, language: str, context: Mapping[str, Any]) -> None:
    """Send one of the mails in a language."""
    shop, mail = get_shop(), MAILS[kind]
    with translation.override(language or shop.language), timezone.override(get_time_zone()):
        values = {"shop": shop.name, **context}
        text = render_to_string(mail.template, values)
        subject = str(mail.subject) % {"shop": shop.name, "number": context.get("number", "")}
    send_shop_mail(subject=subject, text=text, recipient=recipient)


def send_request_mail(request: PrivacyRequest, kind: str, *, now: datetime) -> None:
    """Inform the customer about the progress of a request."""
    language = request.language or get_shop().language
    send_mail(kind, recipient=request.email, language=language, context=describe_request(request, kind, now=now))


def describe_request(request: PrivacyRequest, kind: str, *, now: datetime) -> dict[str, Any]:
    """Return what the template of a mail needs."""
    language = request.language or get_shop().language
    context: dict[str, Any] = {
        "number": request.number,
        "request": request,
        "page": f"{settings.PUBLIC_URL}{reverse('privacy:start')}",
    }
    export = request.exports.filter(deleted_at=None).first() if kind == "export" else None
    if export is not None:
        context |= {"url": build_download_url(export, language=language, now=now), "export": export}
    if kind == "confirm":
        context["url"] = build_confirm_url(request, language=language, now=now)
    if kind == "scheduled" and request.runs_at is not None:
        days = (request.runs_at - now).days
        context["url"] = build_undo_url(request, language=language, now=now, days=days)
    return context


def mail_access_link(token: str, link: AccessLink) -> None:
    """Send the link, or a note that nothing is kept; only the owner of the address sees which."""
    is_known = find_customer_by_email(link.email) is not None
    context = {"url": build_data_url(token), "page": f"{settings.PUBLIC_URL}{reverse('privacy:start')}"}
    send_mail("link" if is_known else "unknown", recipient=link.email, language=link.language, context=context)
