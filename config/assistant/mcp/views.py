"""The endpoint /mcp: who calls, within which limits, and the answer of the MCP server."""

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from config.access.grants import Grant, find_key_grant, parse_authorization
from config.access.throttling import KeyRateThrottle
from config.assistant.addresses import split_address
from config.assistant.caller import AssistantCaller
from config.assistant.oauth.tokens import find_token_grant
from config.foundation.rest.problems import build_problem_response
from config.foundation.test_mode.refusal import UnsupportedInTestMode

METHODS = ("POST",)
WAIT_SECONDS = 8.0  # for figures that are computed for the first time


@csrf_exempt
def serve_mcp(request: HttpRequest) -> HttpResponse:
    """Answer one request of the Model Context Protocol; there are no sessions and no streams, so only POST is served."""
    if not is_allowed_origin(request):
        return build_problem_response(exceptions.PermissionDenied(_("Pages from this origin cannot call this server.")))
    grant = find_grant(request)
    if grant is None:
        return respond_unauthorized(request)
    if grant.publishable:
        return build_problem_response(
            exceptions.PermissionDenied(
                _("A publishable key cannot use this endpoint. Use a secret key from a server.")
            )
        )
    if grant.is_test:  # tools run in other threads, whose writes the transaction of the request does not include
        return build_problem_response(UnsupportedInTestMode())
    if request.method not in METHODS:
        response = build_problem_response(exceptions.MethodNotAllowed(str(request.method), _("Use POST.")))
        response["Allow"] = ", ".join(METHODS)
        return response
    request.auth = grant  # type: ignore[attr-defined] # makes the caller the actor of the audit log
    throttle = KeyRateThrottle()
    if not throttle.allow_request(request, None):  # type: ignore[arg-type] # reads auth and META
        return build_problem_response(exceptions.Throttled(wait=throttle.wait()))
    from config.assistant.mcp.bridge import serve  # takes half a second to import, and few processes need it
    from config.assistant.mcp.server import build_server

    return serve(build_server(AssistantCaller(request, grant, wait_seconds=WAIT_SECONDS)), request)


def find_grant(request: HttpRequest) -> Grant | None:
    """Return the grant of the token in the Authorization header: an API key or an OAuth token; a browser session does not count."""
    token, now = parse_authorization(request.META.get("HTTP_AUTHORIZATION", "")), datetime.now(UTC)
    if not token:
        return None
    return find_key_grant(token, now=now) or find_token_grant(token, request, now=now)


def is_allowed_origin(request: HttpRequest) -> bool:
    """Return whether a page of this origin may call: only those of this server, and the allowed ones; programs send no origin."""
    origin = request.headers.get("Origin", "")
    if not origin or origin in settings.CORS_ALLOWED_ORIGINS:
        return True
    parts = split_address(origin)
    return parts is not None and parts.netloc == request.get_host()


def respond_unauthorized(request: HttpRequest) -> HttpResponse:
    """Return 401, which tells the client where to get a token (RFC 9728)."""
    error = exceptions.NotAuthenticated(_("The key or token is missing, unknown or expired."))
    response = build_problem_response(error)
    metadata = request.build_absolute_uri(reverse("oauth2_provider:oauth-resource-metadata-path", args=["mcp"]))
    response["WWW-Authenticate"] = f'Bearer realm="mcp", resource_metadata="{metadata}"'
    return response
