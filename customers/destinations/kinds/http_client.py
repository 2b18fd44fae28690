"""Sends requests to destinations, only to public addresses and with timeouts, and interprets the answers."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.http.call_limit import limit_call
from config.foundation.http.public_connection import ForbiddenAddressError, connect
from config.foundation.json_nesting import load_json
from customers.destinations.kinds.base import BatchRefusedError, DestinationError, UnreachableError

CONNECT_SECONDS, CALL_SECONDS = 3.0, 6.0
MAX_BODY = 1024 * 1024
MAX_WAIT = 86_400.0
MAX_LOCATION = 200
WAITING_STATUSES = frozenset({408, 425, 429})
SETTING_STATUSES = frozenset({401, 403, 404, 405, 410})


@dataclass(frozen=True)
class DestinationResponse:
    """A response. Header names are in lowercase."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read_json(self) -> dict[str, Any]:
        """Return the body as an object; empty if it is something else."""
        try:
            content = load_json(self.body.decode("utf-8", "replace"))
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


def post(url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> DestinationResponse:
    """Send a request once. Raises DestinationError for a forbidden address, UnreachableError without an answer."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        link = connect(parts, private_hosts=frozenset(settings.WEBHOOK_PRIVATE_HOSTS), timeout=CONNECT_SECONDS)
        try:
            with limit_call(partial(getattr, link, "sock", None), seconds=CALL_SECONDS):
                link.request(method, target, body=body or None, headers={"User-Agent": "Perennial", **headers})
                response = link.getresponse()
                content = response.read(MAX_BODY)
        finally:
            link.close()
    except ForbiddenAddressError as error:
        raise DestinationError(str(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(error)[:200] or type(error).__name__
        raise UnreachableError(_("No answer: %(reason)s") % {"reason": reason}) from error
    return DestinationResponse(response.status, {k.lower(): v for k, v in response.getheaders()}, content)


def post_json(url: str, content: Any, headers: Mapping[str, str]) -> DestinationResponse:
    """Send JSON once."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return post(url, body, {"Content-Type": "application/json", **headers})


def raise_for_status(answer: DestinationResponse, message: str = "") -> None:
    """Raise the exception that a status calls for: wait, fix the settings, or fix the content."""
    if 200 <= answer.status < 300:
        return
    # not followed: the data would go to an address that nobody has entered
    if 300 <= answer.status < 400 and (location := answer.headers.get("location", "")):
        message = _("The address redirects to %(url)s. Enter the final address in the settings.") % {
            "url": location[:MAX_LOCATION]
        }
    text = (f"HTTP {answer.status}" + (f": {message}" if message else ""))[:500]
    if answer.status in WAITING_STATUSES or answer.status >= 500:
        raise UnreachableError(text, retry_after=read_wait(answer.headers.get("retry-after", "")))
    if answer.status in SETTING_STATUSES or 300 <= answer.status < 400:
        raise DestinationError(text)
    raise BatchRefusedError(text)


def read_wait(text: str) -> float:
    """Return the seconds of a Retry-After header, which may be a date; 0 without one."""
    if text.strip().isdecimal():
        return min(float(text), MAX_WAIT)
    try:
        seconds = (parsedate_to_datetime(text) - timezone.now()).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), MAX_WAIT)
