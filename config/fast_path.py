"""Connects the fast path of serving with the API keys and rate limits of `config.access`."""

import time

from django.utils import timezone

from config.access.grants import find_key_grant, may_read_responses, parse_authorization
from config.access.throttling import WINDOW_SECONDS, format_throttle_key, get_limit, get_limited_caller
from recommendations.serving.rest.fast_path import (
    Application,
    Environ,
    Permit,
    ServingView,
    serve_recommendations_first,
)
from recommendations.serving.visitor_claims import build_caller


def add_fast_path(application: Application) -> Application:
    """Return a WSGI application that responds to plain recommendation requests before Django."""
    return serve_recommendations_first(application, authorize=_authorize)


def _authorize(environ: Environ, view: ServingView) -> Permit | None:
    """Return the permit of the key in the header; None if the key may not use the view."""
    method = environ["REQUEST_METHOD"]
    key = parse_authorization(environ.get("HTTP_AUTHORIZATION", ""))
    if not key or method not in view.required_scopes:
        return None
    grant = find_key_grant(key, now=timezone.now())
    if grant is None or grant.is_test or not grant.allows(view, method):
        return None
    origin = environ.get("HTTP_ORIGIN", "")
    return Permit(
        build_caller(is_browser=grant.publishable, requires_user_token=grant.requires_user_token, headers=environ),
        format_throttle_key(get_limited_caller(grant, environ), minute=int(time.time() // WINDOW_SECONDS)),
        WINDOW_SECONDS,
        get_limit(grant),
        origin if origin and may_read_responses(origin, grant) else "",
    )
