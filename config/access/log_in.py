"""Log-in to the back office: whose failures are counted together, and what happens above a limit."""

from datetime import timedelta
from ipaddress import IPv6Network, ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from config.access.two_factor.devices import CodeResult, check_user_code
from config.foundation.audit_log import describe_user, record_action
from config.foundation.http.client_address import get_client_address

COOLOFF_SECONDS = 900
IPV6_NETWORK_BITS = 64  # what one subscriber has


def get_request_address(request: HttpRequest) -> str:
    """Return the address for which failed log-ins are counted: the client's, not that of the shop's own proxies.

    A proxy may append a port; if the value is not an address, the connecting address is returned.
    """
    for text in (get_client_address(request.META), str(request.META.get("REMOTE_ADDR") or "")):
        if address := _parse_address(text):
            return address
    return ""


def _parse_address(text: str) -> str:
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class AddressLimitHandler(AxesDatabaseHandler):
    """Counts failed log-ins per user and address, as django-axes does, and per address over all users.

    A user is never locked out from every address; otherwise, anyone could lock out any user.
    """

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        if super().is_locked(request, credentials):
            return True
        return count_address_failures(request.axes_ip_address) >= settings.LOGIN_FAILURES_PER_ADDRESS

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is not None and not request.axes_locked_out:
            request.axes_locked_out = self.is_locked(request, credentials)


def count_address_failures(address: str | None) -> int:
    """Return the failed log-ins of the last 15 minutes from an IPv4 address or an IPv6 network."""
    if not address:
        return 0
    attempts = AccessAttempt.objects.filter(attempt_time__gt=timezone.now() - timedelta(seconds=COOLOFF_SECONDS))
    if ":" in address:
        network = IPv6Network((address, IPV6_NETWORK_BITS), strict=False)
        attempts = attempts.filter(ip_address__range=(str(network[0]), str(network[-1])))
    else:
        attempts = attempts.filter(ip_address=address)
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0


def respond_locked_out(request: HttpRequest, response: HttpResponse, credentials: Any) -> HttpResponse:
    """Return the page for too many failed log-ins; `AxesMiddleware` sends it instead of the response."""
    page = render(request, "admin/locked_out.html", status=429)
    page["Retry-After"] = str(COOLOFF_SECONDS)
    return page


def check_code(request: HttpRequest, user: Any, code: str) -> CodeResult:
    """Check a code of the second factor; a wrong one counts as a failed log-in, so it leads to the same lock-out."""
    from axes.handlers.proxy import AxesProxyHandler  # imports the handler above

    credentials = {"username": user.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        request.axes_locked_out = True  # type: ignore[attr-defined]
        return CodeResult.PAUSED
    result = check_user_code(user, code)
    if result is CodeResult.RECOVERY:
        record_action("two_factor.recovery_code_used", instance=user, actor=describe_user(user))
    elif result is CodeResult.WRONG:
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return result
