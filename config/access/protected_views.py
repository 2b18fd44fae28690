"""The metrics and the pages of the API documentation, which are closed to the public."""

import hmac
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.exceptions import NotAuthenticated

from config.access.grants import parse_authorization
from config.monitoring.metrics.exposition import CONTENT_TYPE, render_metrics

METRICS_PERMISSION = "processing.view_processingrun"
# any of these shows that a proxy connected, so the loopback address is not that of the client
FORWARDING_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
REFUSAL = (
    "The metrics need a token. Set METRICS_TOKEN and send it as “Authorization: Bearer TOKEN”. Without METRICS_TOKEN, only "
    "clients on this machine can read them, and only if there is no proxy in front. Back-office users need the permission "
    f"{METRICS_PERMISSION}.\n"
)


def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return the Prometheus metrics to callers who may read them."""
    if may_read_metrics(request):
        return HttpResponse(render_metrics(), content_type=CONTENT_TYPE)
    response = HttpResponse(REFUSAL, status=401, content_type="text/plain; charset=utf-8")
    response["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return response


def may_read_metrics(request: HttpRequest) -> bool:
    """Return whether the caller has the token, or a session with the permission; without a token, whether it is on this machine."""
    if settings.METRICS_TOKEN:
        token = parse_authorization(request.headers.get("Authorization", "")) or ""
        if hmac.compare_digest(token.encode(errors="replace"), settings.METRICS_TOKEN.encode()):
            return True
    elif is_on_this_machine(request):
        return True
    user = request.user
    return (
        bool(user.is_active and user.is_staff and user.has_perm(METRICS_PERMISSION)) if user.is_authenticated else False
    )


def is_on_this_machine(request: HttpRequest) -> bool:
    """Return whether a client of this machine connected directly; behind a proxy, every client seems to be one."""
    if settings.TRUSTED_PROXY_COUNT or settings.SECURE_PROXY_SSL_HEADER:
        return False
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class ApiDocsView(SpectacularSwaggerSplitView):
    """The interactive reference; a visitor without a key or a session is sent to the log-in page."""

    def handle_exception(self, exc: Exception) -> Any:
        if isinstance(exc, NotAuthenticated):
            return redirect_to_login(self.request.get_full_path(), reverse("admin:login"))
        return super().handle_exception(exc)
