"""Pages on which back-office users choose a new password through a link in an e-mail."""

import logging
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import FormView, TemplateView
from kombu.exceptions import OperationalError
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget

from config.access.log_in import get_request_address
from config.access.passwords.mail import is_mail_configured
from config.access.tasks import mail_password_reset
from config.foundation.rate_limiter import RateLimiter, RateLimits
from config.web_server.addresses import find_network
from customers.identity.personal_data.encrypted_field import encrypt
from customers.identity.personal_data.hashing import hash_email

logger = logging.getLogger(__name__)

# Counted in each web process. Beyond the limit of a mailbox, requests get the same response, but no e-mail is sent.
WINDOW_SECONDS = 900
PER_CLIENT = RateLimits(requests=10, bytes=0, names=0)
PER_MAILBOX = RateLimits(requests=3, bytes=0, names=0)
clients = RateLimiter(window_seconds=WINDOW_SECONDS)
mailboxes = RateLimiter(window_seconds=WINDOW_SECONDS)


class AnonymousPage:
    """Mixin of views in the design of the log-in page."""

    title = gettext_lazy("Reset your password")
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**admin.site.each_context(self.request), **context, "title": self.title}


class EmailForm(forms.Form):
    """The email address of an account."""

    email = forms.EmailField(
        label=gettext_lazy("Email address"),
        max_length=254,
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "email", "autofocus": True}),
    )


@method_decorator([csrf_protect, never_cache], name="dispatch")
class RequestView(AnonymousPage, FormView):
    """Takes the address. The response and its timing are the same whether or not a user has the address."""

    form_class = EmailForm
    template_name = "admin/access/password_reset.html"
    success_url = reverse_lazy("account:password_reset_sent")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_mail_configured():
            return self.get(request, *args, **kwargs)
        wait = clients.count(find_network(get_request_address(request)), PER_CLIENT)
        if wait:
            form = self.get_form()
            form.full_clean()
            form.add_error(None, _("Too many requests from your IP address. Try again in 15 minutes."))
            response = self.render_to_response(self.get_context_data(form=form), status=429)
            response["Retry-After"] = str(wait)
            return response
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: EmailForm) -> HttpResponse:
        email = form.cleaned_data["email"]
        if not mailboxes.count(hash_email(email), PER_MAILBOX):
            try:
                # The worker looks the user up: here, a known address would take longer than an unknown one.
                mail_password_reset.delay(encrypt(email), self.request.build_absolute_uri("/")[:-1], get_language())
            except OperationalError:
                logger.exception("Could not hand the e-mail over to the worker")
                form.add_error(None, _("The email cannot be sent at the moment. Try again later."))
                return self.form_invalid(form)
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"mail_is_configured": is_mail_configured()}


@method_decorator(never_cache, name="dispatch")
class SentView(AnonymousPage, TemplateView):
    """Tells the user what happens next."""

    template_name = "admin/access/password_reset_sent.html"


class NewPasswordForm(SetPasswordForm):
    """The new password, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})


class ConfirmView(AnonymousPage, PasswordResetConfirmView):
    """Takes the new password. It does not log the user in, so the next log-in asks for a second factor as usual."""

    form_class = NewPasswordForm
    template_name = "admin/access/password_reset_confirm.html"
    success_url = reverse_lazy("account:password_reset_done")
    post_reset_login = False
    title = gettext_lazy("Choose a new password")


class DoneView(AnonymousPage, TemplateView):
    """Confirms that the password was changed."""

    template_name = "admin/access/password_reset_done.html"
    title = gettext_lazy("Your password was changed")
