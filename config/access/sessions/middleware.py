"""Ends sessions that are idle or too old, and keeps out users who lack a required second factor."""

import time
from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from config.access.sessions.lifetime import find_time_out, record_activity
from config.access.two_factor.verification import NOT_SET_UP, SECOND_FACTOR, is_session_verified


class SessionGuardMiddleware:
    """Checks the session of a back-office user before every view.

    Without a valid session, the request is anonymous, whatever its view is; pages of the back office redirect to the log-in page. A
    request without a session cookie costs nothing, and its response does not vary by cookie.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return self._report_unsaved(request, self.get_response(request))
        now = int(time.time())
        if time_out := find_time_out(request.session, now=now):
            logout(request)
            return self._continue_without_user(request, ended=time_out.value)
        if not is_session_verified(request, request.user):
            return self._require_two_factor(request)
        if request.path != reverse("admin:events_live_rows"):  # requested every two seconds while the page is open
            record_activity(request.session, now=now)
        response = self.get_response(request)
        if request.user is not None and not request.user.is_authenticated:  # None: an API request without a user
            forget_pages(response)
        return response

    def _require_two_factor(self, request: HttpRequest) -> HttpResponse:
        """Admit a user who has to set up a second factor to that page only; end a session that was started without the code."""
        if request.session.get(SECOND_FACTOR) != NOT_SET_UP:
            logout(request)
            return self._continue_without_user(request)
        set_up = reverse("account:two_factor_set_up")
        if request.path in (set_up, reverse("admin:logout"), reverse("admin:jsi18n")):
            return self.get_response(request)
        if _is_back_office_page(request):
            return redirect(f"{set_up}?{urlencode({'next': _find_return_path(request)})}")
        request.user = AnonymousUser()
        return self.get_response(request)

    def _report_unsaved(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Let the log-in page say that a form was not saved, if it was sent after its session had ended; then lead back to the form."""
        location = response.get("Location", "")
        if request.method != "POST" or not location or not location.startswith(f"{reverse('admin:login')}?"):
            return response
        return self._continue_without_user(request) if _is_back_office_page(request) else response

    def _continue_without_user(self, request: HttpRequest, **parameters: str) -> HttpResponse:
        """Redirect pages to the log-in page, which leads back to them; other requests go on as anonymous."""
        if not _is_back_office_page(request):
            return self.get_response(request)
        parameters = {"next": _find_return_path(request), **parameters}
        if request.method == "POST" and request.path != reverse("admin:logout"):
            parameters["unsaved"] = "1"
        response = redirect(f"{reverse('admin:login')}?{urlencode(parameters)}")
        forget_pages(response)
        return response


def forget_pages(response: HttpResponse) -> None:
    """Make the browser discard the pages of the ended session, including those behind its Back button."""
    response["Clear-Site-Data"] = '"cache"'


def _is_back_office_page(request: HttpRequest) -> bool:
    anonymous = ("admin:login", "account:log_in_code", "account:password_reset")
    return request.path.startswith(reverse("admin:index")) and not request.path.startswith(
        tuple(reverse(name) for name in anonymous)
    )


def _find_return_path(request: HttpRequest) -> str:
    """Return the page to return to: this one, or the one with the submitted form."""
    if request.path == reverse("admin:logout"):
        return reverse("admin:index")
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    referrer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referrer, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return referrer
    return reverse("admin:index")
