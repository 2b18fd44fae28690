"""Calls endpoints of the REST API for a caller, in the same process: with their permissions, checks, masking and audit.

The tools that read or write objects go this way, so nothing is allowed or shown that REST would not.
"""

import io
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.urls import NoReverseMatch, resolve, reverse
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from config.access.authentication import KeyCaller
from config.access.grants import Grant
from config.assistant.caller import AssistantCaller, ToolError

COPIED = ("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT", "HTTP_HOST", "HTTP_ACCEPT_LANGUAGE", "HTTP_X_FORWARDED_PROTO")
MAX_PROBLEMS = 10


class GrantedAuthentication(BaseAuthentication):
    """Passes on the caller of the request that is being served."""

    def authenticate(self, request: Request) -> tuple[Any, Grant]:
        caller: AssistantCaller = request._request.assistant_caller  # type: ignore[attr-defined] # set by `build_request`
        user = getattr(caller.request, "user", None)
        is_person = caller.grant.caller.startswith("user:")
        return (user if is_person else KeyCaller(caller.grant)), caller.grant


class EndpointSettings:
    """What differs from a call over HTTP: the caller is known, and the request was counted already."""

    values: ClassVar[dict[str, Any]] = {"authentication_classes": [GrantedAuthentication], "throttle_classes": []}


def call_endpoint(
    caller: AssistantCaller,
    name: str,
    *,
    method: str = "GET",
    path: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Any:
    """Return the JSON values of a response of the REST API.

    Args:
        name: of the URL. path: values in it, such as a user ID. query, body: parameters; None and empty texts are left out of the query.

    Raises:
        ToolError: the response is an error; it says what was wrong.
    """
    try:
        address = reverse(name, kwargs=dict(path or {}))
        match = resolve(address)
    except NoReverseMatch as error:
        values = ", ".join(str(value)[:100] for value in (path or {}).values())
        raise ToolError(_("There is nothing with the ID %(id)s.") % {"id": values}) from error
    request = build_request(caller, address, method=method, query=query or {}, body=body)
    response = match.func.cls.as_view(**EndpointSettings.values)(request, **match.kwargs)  # type: ignore[attr-defined]
    response.render()
    content = json.loads(response.content) if response.content else None
    if response.status_code >= 400:
        raise ToolError(describe_problem(content, response.status_code))
    return content


def build_request(
    caller: AssistantCaller, path: str, *, method: str, query: Mapping[str, Any], body: Mapping[str, Any] | None
) -> HttpRequest:
    """Return the request of a call."""
    content = b"" if body is None else json.dumps(body).encode()
    environ = {name: value for name, value in caller.request.META.items() if name in COPIED}
    environ |= {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": urlencode({key: value for key, value in query.items() if value not in (None, "")}, doseq=True),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(content)),
        "HTTP_ACCEPT": "application/json",
        "wsgi.input": io.BytesIO(content),
        "wsgi.url_scheme": caller.request.scheme,
    }
    environ.setdefault("SERVER_NAME", "localhost")
    environ.setdefault("SERVER_PORT", "80")
    request = WSGIRequest(environ)
    request.assistant_caller = caller  # type: ignore[attr-defined]
    return request


def describe_problem(content: Any, status: int) -> str:
    """Return the problem details of a response as one text."""
    if not isinstance(content, Mapping):
        return _("The request failed with status %(status)d.") % {"status": status}
    texts = [str(content.get("detail") or content.get("title") or "")]
    errors = content.get("errors")
    listed = errors[:MAX_PROBLEMS] if isinstance(errors, list) else []
    texts += [f"{each.get('field', '')}: {each.get('message', '')}" for each in listed if isinstance(each, Mapping)]
    return " ".join(text for text in texts if text)
