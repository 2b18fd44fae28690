"""Programs that register themselves (RFC 7591): anyone may register one, within a limit; a person decides on the consent page."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from oauth2_provider.views import DynamicClientRegistrationManagementView, DynamicClientRegistrationView

from config.assistant.addresses import split_address
from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import RateLimiter, RateLimits

LIMITS = RateLimits(requests=20, bytes=200_000, names=20)
HOUR_SECONDS = 3600
# where a program on the person's own machine listens (RFC 8252)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
limiter = RateLimiter(window_seconds=HOUR_SECONDS)


class LimitedRegistration:
    """Allows some registrations per address and hour."""

    def has_permission(self, request: HttpRequest) -> bool:
        return not limiter.count(get_client_address(request.META) or "", LIMITS, bytes=len(request.body))


class ProgramRegistrationView(DynamicClientRegistrationView):
    """Registers a program; codes are sent over https only, except to the person's own machine."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = refuse_redirect_uris(request) or super().post(request, *args, **kwargs)
        return response


class ProgramManagementView(DynamicClientRegistrationManagementView):
    """Lets a program read, change and delete its registration (RFC 7592), with the rules of a new one."""

    def put(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = refuse_redirect_uris(request) or super().put(request, client_id, *args, **kwargs)
        return response


def refuse_redirect_uris(request: HttpRequest) -> HttpResponse | None:
    """Return the response to a registration with a redirect URI that is not allowed; None if all are."""
    try:
        check_redirect_uris(read_redirect_uris(request.body))
    except ValidationError as error:
        return JsonResponse({"error": "invalid_redirect_uri", "error_description": error.message}, status=400)
    return None


def read_redirect_uris(body: bytes) -> list[str]:
    """Return the redirect URIs of a registration; none if it is not valid, which the view then reports."""
    try:
        uris = json.loads(body)["redirect_uris"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [str(uri) for uri in uris] if isinstance(uris, list) else []


def check_redirect_uris(uris: list[str]) -> None:
    """Raise ValidationError for a URI of plain http that is not on the person's own machine, and for a malformed one."""
    for uri in uris:
        parts = split_address(uri)
        if parts is None or (parts.scheme == "http" and (parts.hostname or "") not in LOOPBACK):
            raise ValidationError(_("%(uri)s must use https; plain http is for 127.0.0.1 only.") % {"uri": uri[:200]})
