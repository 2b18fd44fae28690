"""Connects the fast path of serving with the API keys and rate limits of `config.access`."""

import time

from django.conf import settings
from django.utils import timezone

from config.access.grants import find_key_grant, parse_authorization
from config.access.throttling import WINDOW_SECONDS, format_throttle_key
from recommendations.serving.rest.fast_path import (
    Application,
    Environ,
    RateLimit,
    ServingView,
    serve_recommendations_first,
)


def add_fast_path(application: Application) -> Application:
    """Return a WSGI application that responds to plain recommendation requests before Django."""
    return serve_recommendations_first(application, authorize=_authorize)


def _authorize(environ: Environ, view: ServingView) -> RateLimit | None:
    """Return the rate limit of the key in the header; None if the key may not use the view."""
    method = environ["REQUEST_METHOD"]
    key = parse_authorization(environ.get("HTTP_AUTHORIZATION", ""))
    if not key or method not in view.required_scopes:
        return None
    grant = find_key_grant(key, now=timezone.now())
    if grant is None or not grant.allows(view, method):
        return None
    return RateLimit(
        format_throttle_key(grant.caller, minute=int(time.time() // WINDOW_SECONDS)),
        WINDOW_SECONDS,
        grant.requests_per_minute or settings.API_REQUESTS_PER_MINUTE,
    )
