"""Authentication of the REST API: keys in the Authorization header, or the session of a back-office user."""

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.access.grants import Grant, find_key_grant, find_user_grant, parse_authorization
from config.access.two_factor.verification import is_session_verified
from config.foundation.test_mode import is_test_mode
from config.foundation.test_mode.refusal import UnsupportedInTestMode


class KeyCaller:
    """Replaces Django's user when a key calls; it has no Django permissions, only the key's scopes."""

    is_authenticated = True
    is_active = True
    is_anonymous = False
    is_staff = False
    is_superuser = False
    pk = None

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    def __str__(self) -> str:
        return self.grant.name

    def get_username(self) -> str:
        return self.grant.name

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False


class KeyAuthentication(authentication.BaseAuthentication):
    """Authenticates ``Authorization: Bearer <key>``, or Basic with the key as the user name."""

    def authenticate(self, request: Request) -> tuple[KeyCaller, Grant] | None:
        plain = parse_authorization(request.META.get("HTTP_AUTHORIZATION", ""))
        if plain is None:
            return None
        grant = find_key_grant(plain, now=datetime.now(UTC))
        if grant is None:
            raise AuthenticationFailed(_("The key is unknown, disabled or expired."), code="invalid_key")
        if grant.is_test and not is_test_mode():  # the middleware is missing, so the request would be executed
            raise UnsupportedInTestMode
        return KeyCaller(grant), grant

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Authenticates the session of a back-office user, whose permissions count as scopes.

    A session that lacks a required second factor does not count; `SessionGuardMiddleware` has already checked this and the time limits.
    """

    def authenticate(self, request: Request) -> tuple[Any, Grant] | None:
        user = getattr(request._request, "user", None)
        grant = find_user_grant(user)
        if grant is None or not is_session_verified(request._request, user):
            return None
        self.enforce_csrf(request)
        return user, grant
