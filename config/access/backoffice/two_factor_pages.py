"""Pages with which a user sets the second factor up, renews the recovery codes and turns it off."""

import time
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget

from config.access.backoffice.code_field import CodeField
from config.access.backoffice.log_in_pages import describe_refusal
from config.access.log_in import check_code
from config.access.models import TwoFactorDevice
from config.access.sessions.active_sessions import end_sessions
from config.access.sessions.store import SIGNED_IN_AT
from config.access.two_factor.devices import WrongCodeError, disable_two_factor, enable_two_factor, has_device
from config.access.two_factor.recovery_codes import count_recovery_codes, replace_recovery_codes
from config.access.two_factor.totp import draw_qr_code, format_address, generate_secret
from config.access.two_factor.verification import NOT_SET_UP, SECOND_FACTOR, VERIFIED, requires_two_factor
from config.foundation.audit_log import record_action
from config.foundation.shop.profile import get_shop
from customers.identity.personal_data.encrypted_field import decrypt, encrypt

NEW_SECRET = "new_two_factor_secret"  # noqa: S105 — the name of the entry; the secret is encrypted, in the session: another session must not know it
PASSWORD_SECONDS = 900  # for this long after the log-in, the password is not asked for again


class SetUpForm(forms.Form):
    """Proof that the app has the new secret, and that the account's owner is making the change."""

    current_code = CodeField(
        label=gettext_lazy("Code from your current app"),
        help_text=gettext_lazy("Or one of your recovery codes."),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
        strip=False,
    )
    code = CodeField(
        label=gettext_lazy("Code from the new app"), help_text=gettext_lazy("The six digits that the app shows.")
    )

    def __init__(self, *args: Any, request: HttpRequest, replaces: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        is_recent = time.time() - request.session[SIGNED_IN_AT] < PASSWORD_SECONDS
        if not replaces:
            del self.fields["current_code"]
            self.fields["code"].label = gettext_lazy("Code")
        if replaces or is_recent:
            del self.fields["password"]

    def clean(self) -> dict[str, Any]:
        """Check the current code and the password, but only if the other fields are valid, so that no code is used up in vain."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if "current_code" in cleaned:
            result = check_code(self.request, self.request.user, cleaned["current_code"])
            if not result.is_accepted:
                self.add_error("current_code", describe_refusal(result))
        if "password" in cleaned:
            username = self.request.user.get_username()
            if authenticate(self.request, username=username, password=cleaned["password"]) is None:
                self.add_error("password", _("This password is wrong."))
        return cleaned


class ConfirmationForm(forms.Form):
    """A current code, which confirms a change."""

    code = CodeField(
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("The six digits that your authenticator app shows, or one of your recovery codes."),
    )


@sensitive_post_parameters()
def show_two_factor(request: HttpRequest) -> HttpResponse:
    """Show whether the second factor is on; renew the recovery codes or turn it off, with a code."""
    user: Any = request.user
    device = TwoFactorDevice.objects.filter(user=user).first()
    is_required = requires_two_factor(user)
    form = ConfirmationForm(request.POST or None)
    if device is not None and request.method == "POST" and form.is_valid():
        turns_off = request.POST.get("action") == "turn_off"
        if turns_off and is_required:
            form.add_error(
                None, _("You cannot turn off two-factor authentication, because your account can see personal data.")
            )
        else:
            result = check_code(request, user, form.cleaned_data["code"])
            if result.is_accepted:
                return turn_off(request) if turns_off else renew_recovery_codes(request)
            form.add_error("code", describe_refusal(result))
    context = {
        "title": _("Two-factor authentication"),
        "device": device,
        "is_required": is_required,
        "recovery_code_count": count_recovery_codes(user),
        "form": form,
    }
    return TemplateResponse(request, "admin/access/two_factor.html", {**admin.site.each_context(request), **context})


def turn_off(request: HttpRequest) -> HttpResponse:
    """Delete the second factor and end the other sessions."""
    user: Any = request.user
    disable_two_factor(user)
    renew_session(request, NOT_SET_UP)
    record_action("two_factor.disabled", instance=user)
    messages.success(request, _("Two-factor authentication is off. Your other sessions were ended."))
    return redirect("account:two_factor")


def renew_recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes and show them."""
    user: Any = request.user
    codes = replace_recovery_codes(user)
    record_action("two_factor.recovery_codes_created", instance=user)
    return show_recovery_codes(request, codes, next_url=reverse("account:two_factor"))


@sensitive_post_parameters()
def show_set_up(request: HttpRequest) -> HttpResponse:
    """Show the secret of a new app, and store it as soon as a code proves that the app has it."""
    user: Any = request.user
    replaces = has_device(user)
    secret = read_new_secret(request)
    form = SetUpForm(request.POST or None, request=request, replaces=replaces)
    if request.method == "POST" and form.is_valid():
        try:
            codes = enable_two_factor(user, secret=secret, code=form.cleaned_data["code"])
        except WrongCodeError:
            form.add_error(
                "code",
                _("This code is wrong. Enter the code that the app shows now, and check the clock of your phone."),
            )
        else:
            del request.session[NEW_SECRET]
            renew_session(request, VERIFIED)
            record_action("two_factor.enabled", instance=user)
            return show_recovery_codes(request, codes, next_url=find_next_url(request))
    address = format_address(secret, issuer=get_shop().name, username=user.get_username())
    context = {
        "title": _("Set up two-factor authentication"),
        "form": form,
        "qr_code": mark_safe(draw_qr_code(address)),  # noqa: S308 — drawn by segno, from modules without text
        "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        "address": address,
        "is_required": requires_two_factor(user) and not replaces,
        "replaces": replaces,
    }
    response = TemplateResponse(
        request, "admin/access/two_factor_set_up.html", {**admin.site.each_context(request), **context}
    )
    add_never_cache_headers(response)
    return response


def read_new_secret(request: HttpRequest) -> str:
    """Return the secret that this session is setting up; create it on the first call."""
    if NEW_SECRET not in request.session:
        request.session[NEW_SECRET] = encrypt(generate_secret())
    return decrypt(request.session[NEW_SECRET])


def renew_session(request: HttpRequest, second_factor: str) -> None:
    """Give the session a new key and its new state, and end the other sessions of the user."""
    request.session[SECOND_FACTOR] = second_factor
    request.session.cycle_key()
    end_sessions(request.user, except_key=request.session.session_key)


def find_next_url(request: HttpRequest) -> str:
    """Return where the user wanted to go before the set-up."""
    url = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return url
    return reverse("account:two_factor")


def show_recovery_codes(request: HttpRequest, codes: list[str], *, next_url: str) -> HttpResponse:
    """Show new recovery codes, which cannot be shown again."""
    context = {
        "title": _("Your recovery codes"),
        "codes": codes,
        "next_url": next_url,
        "download": "data:text/plain;charset=utf-8," + quote("\r\n".join([get_shop().name, "", *codes, ""])),
    }
    response = TemplateResponse(
        request, "admin/access/recovery_codes.html", {**admin.site.each_context(request), **context}
    )
    add_never_cache_headers(response)
    return response
