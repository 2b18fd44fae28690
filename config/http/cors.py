"""CORS of the REST API: besides CORS_ALLOWED_ORIGINS, the origins of each publishable key, which the back office edits."""

import re
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils import timezone

from config.access.grants import find_key_grant, may_read_responses, parse_authorization


def allow_key_origins(sender: Any, request: HttpRequest, **kwargs: Any) -> bool:
    """Return whether the page that sent the request may read the response; receives corsheaders' ``check_request_enabled``.

    A preflight request carries no key, so any key's origin passes; the request after it is checked against its own key. An unknown
    key is treated as a preflight request, so that the shop's developer can read the error.
    """
    origin = request.headers.get("origin")
    if not origin or not re.match(settings.CORS_URLS_REGEX, request.path_info):
        return False
    try:
        key = parse_authorization(request.headers.get("authorization", ""))
        grant = find_key_grant(key, now=timezone.now()) if key else None
        return may_read_responses(origin, grant)
    except (DatabaseError, InterfaceError):
        return False  # the view reports that the database is down
