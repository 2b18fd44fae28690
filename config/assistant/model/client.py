"""Calls the chat completions of an OpenAI-compatible endpoint, which the operator has chosen with the settings ASSISTANT_…."""

import json
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from config.assistant.caller import ToolError
from config.foundation.http.public_connection import ForbiddenAddressError, connect

MAX_BYTES = 2_000_000
PATH = "/chat/completions"


def is_configured() -> bool:
    """Return whether the operator has chosen a model."""
    return bool(settings.ASSISTANT_URL and settings.ASSISTANT_MODEL)


def complete_chat(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], *, timeout: float
) -> dict[str, Any]:
    """Return the next message of the model. Raises ToolError: the endpoint failed, or its response contains no message."""
    parts = urlsplit(settings.ASSISTANT_URL.rstrip("/") + PATH)
    body = json.dumps(
        {"model": settings.ASSISTANT_MODEL, "messages": list(messages), "tools": list(tools), "temperature": 0}
    )
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if settings.ASSISTANT_KEY:
        headers["Authorization"] = f"Bearer {settings.ASSISTANT_KEY}"
    try:
        # the operator has named the host, which may be on this machine
        connection = connect(parts, private_hosts=frozenset({parts.hostname or ""}), timeout=timeout)
        try:
            connection.request("POST", parts.path, body.encode(), headers)
            response = connection.getresponse()
            content = response.read(MAX_BYTES)
        finally:
            connection.close()
    except (OSError, ValueError, HTTPException, ForbiddenAddressError) as error:
        raise ToolError(_("The language model cannot be reached: %(reason)s") % {"reason": error}) from error
    if response.status != 200:
        raise ToolError(_("The language model answered with status %(status)d.") % {"status": response.status})
    return read_message(content)


def read_message(content: bytes) -> dict[str, Any]:
    """Return the message of a response. Raises ToolError."""
    try:
        message = json.loads(content)["choices"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise ToolError(_("The answer of the language model is not valid."))
    return message
