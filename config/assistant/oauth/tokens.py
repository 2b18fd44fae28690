"""Access tokens of connected programs: short-lived, valid only for this server, and never with more permissions than the person who granted them."""

import hashlib
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from oauth2_provider.models import AccessToken
from oauth2_provider.oauth2_validators import validate_resource_as_url_prefix

from config.access.grants import Grant, find_user_grant
from config.assistant.oauth.scopes import limit_scopes


def find_token_grant(token: str, request: HttpRequest, *, now: datetime) -> Grant | None:
    """Return the grant of an access token; None if it is unknown, expired, for another server, or its person is no longer active."""
    checksum = hashlib.sha256(token.encode()).hexdigest()
    row = AccessToken.objects.select_related("user").filter(token_checksum=checksum, expires__gt=now).first()
    if row is None or not row.resource or not is_for_server(row.resource, request):
        return None
    grant = find_user_grant(row.user)
    if grant is None:
        return None
    return Grant(caller=grant.caller, name=grant.name, scopes=limit_scopes(grant.scopes, frozenset(row.scope.split())))


def is_for_server(audiences: list[str], request: HttpRequest) -> bool:
    """Return whether a token was issued for this server (RFC 8707)."""
    return validate_resource_as_url_prefix(request.build_absolute_uri(reverse("mcp")), audiences)
