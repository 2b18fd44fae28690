"""The log-in page, and the page for the code of the second factor that follows it."""

import time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model, login
from django.contrib.auth.views import LoginView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from unfold.forms import AuthenticationForm

from config.access.backoffice.code_field import CodeField
from config.access.log_in import check_code
from config.access.passwords.mail import is_mail_configured
from config.access.sessions.active_sessions import delete_expired_sessions
from config.access.sessions.lifetime import TimeOut
from config.access.two_factor.devices import CodeResult, has_device
from config.access.two_factor.recovery_codes import count_recovery_codes
from config.access.two_factor.verification import mark_code_accepted

PENDING = "pending_log_in"  # the entry of a session whose user has entered the password but not the code
PENDING_SECONDS = 600
BACKEND = "django.contrib.auth.backends.ModelBackend"
TIME_OUT_TEXTS = {
    TimeOut.IDLE: gettext_lazy("You were logged out because you were inactive. Log in to return to the page."),
    TimeOut.MAX_AGE: gettext_lazy(
        "You were logged out because your session has reached its maximum duration. Log in to return to the page."
    ),
}


class PasswordView(LoginView):
    """Checks the password. It does not log in a user with a second factor, but leads to the page for the code."""

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        delete_expired_sessions()
        if not has_device(user):
            return super().form_valid(form)
        self.request.session.flush()
        self.request.session[PENDING] = {
            "user": user.pk,
            "hash": user.get_session_auth_hash(),
            "at": int(time.time()),
        }
        return redirect(f"{reverse('account:log_in_code')}?{urlencode({'next': self.get_success_url()})}")


def log_in(request: HttpRequest) -> HttpResponseBase:
    """Show the log-in page of the admin site, with the second factor."""
    site = admin.site
    if request.method == "GET" and site.has_permission(request):
        return redirect("admin:index")
    ended = request.GET.get("ended", "")
    context = {
        **site.each_context(request),
        "title": _("Log in"),
        "subtitle": None,
        "app_path": request.get_full_path(),
        "username": request.user.get_username(),
        "mail_is_configured": is_mail_configured(),
        "two_factor_is_off": settings.DEMO and not settings.TWO_FACTOR_REQUIRED,
        "is_unsaved": "unsaved" in request.GET,
        "time_out_text": TIME_OUT_TEXTS[TimeOut(ended)] if ended in TimeOut else "",
    }
    if "next" not in request.GET and "next" not in request.POST:
        context["next"] = reverse("admin:index")
    view = PasswordView.as_view(
        extra_context=context,
        authentication_form=AuthenticationForm,
        template_name="admin/login.html",
    )
    return never_cache(view)(request)


class CodeForm(forms.Form):
    """The code of the second factor."""

    code = CodeField(
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("The six digits that your authenticator app shows, or one of your recovery codes."),
        autofocus=True,
    )


@method_decorator([sensitive_post_parameters(), csrf_protect, never_cache], name="dispatch")
class CodeView(RedirectURLMixin, FormView):
    """Asks for the code after the password, and logs the user in."""

    form_class = CodeForm
    template_name = "admin/access/log_in_code.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.user = find_pending_user(request)
        if self.user is None:
            return redirect("admin:login")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        result = check_code(self.request, self.user, form.cleaned_data["code"])
        if not result.is_accepted:
            form.add_error("code", describe_refusal(result))
            return self.form_invalid(form)
        del self.request.session[PENDING]
        mark_code_accepted(self.request)
        login(self.request, self.user, backend=BACKEND)
        if result is CodeResult.RECOVERY:
            warn_about_recovery_codes(self.request)
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **admin.site.each_context(self.request),
            "title": _("Two-factor authentication"),
            "username": self.user.get_username(),
            "app_path": self.request.get_full_path(),
            **super().get_context_data(**kwargs),
        }


def find_pending_user(request: HttpRequest) -> Any:
    """Return the user who has entered the password in this session within ten minutes and may still log in."""
    pending = request.session.get(PENDING)
    if pending is None or time.time() - pending["at"] >= PENDING_SECONDS:
        return None
    user = get_user_model().objects.filter(pk=pending["user"], is_active=True, is_staff=True).first()
    if user is None or not constant_time_compare(pending["hash"], user.get_session_auth_hash()):
        return None
    return user


def describe_refusal(result: CodeResult) -> str:
    """Return the error for a code that was not accepted."""
    if result is CodeResult.PAUSED:
        return _("Too many wrong codes. Wait up to 15 minutes, or enter a recovery code.")
    return _("This code is wrong, or it was used before. Enter the code that the app shows now, or a recovery code.")


def warn_about_recovery_codes(request: HttpRequest) -> None:
    """Say how many recovery codes are left after one was used."""
    left = count_recovery_codes(request.user)
    text = ngettext(
        "You used a recovery code. %(count)s is left.", "You used a recovery code. %(count)s are left.", left
    ) % {"count": left}
    messages.warning(request, text)
