"""Requests a link as a reader would, to see whether it leads somewhere."""

import http.client
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from urllib.parse import urljoin, urlsplit

from django.utils.translation import gettext as _

from config.foundation.http.call_limit import limit_call
from config.foundation.http.public_connection import ForbiddenAddressError, connect

SECONDS = 8.0
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NO_HEAD = frozenset({400, 403, 404, 405, 406, 500, 501, 503})  # responses of servers that support only GET
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; Perennial link check)", "Accept": "text/html,*/*"}


@dataclass(frozen=True)
class LinkResult:
    """What a link led to. status: of the last answer, 0 without one. problem: "" if the link works."""

    url: str
    status: int = 0
    problem: str = ""


def check_link(url: str, *, private_hosts: Collection[str] = (), seconds: float = SECONDS) -> LinkResult:
    """Follow a link and return the status of its last page; the content of the page is not read."""
    deadline, target = time.monotonic() + seconds, url
    for _step in range(MAX_REDIRECTS + 1):
        left = deadline - time.monotonic()
        if left <= 0:
            return LinkResult(url, problem=_("The server did not respond in time."))
        try:
            status, location = request_head(target, private_hosts=frozenset(private_hosts), timeout=left)
        except ForbiddenAddressError as error:
            return LinkResult(url, problem=str(error))
        except TimeoutError:
            return LinkResult(url, problem=_("The server did not respond in time."))
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            return LinkResult(url, problem=_("The server did not respond: %(reason)s.") % {"reason": reason[:200]})
        if status not in REDIRECTS or not location:
            return LinkResult(url, status, describe_status(status))
        target = urljoin(target, location)
    return LinkResult(url, problem=_("The link is redirected more than %(count)d times.") % {"count": MAX_REDIRECTS})


def request_head(url: str, *, private_hosts: frozenset[str], timeout: float) -> tuple[int, str]:
    """Return status and redirect of a page: requested with HEAD, or with GET if the server does not support HEAD."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    status, location = 0, ""
    for method in ("HEAD", "GET"):
        connection = connect(parts, private_hosts=private_hosts, timeout=timeout)
        try:
            with limit_call(partial(getattr, connection, "sock", None), seconds=timeout):
                connection.request(method, target, headers=HEADERS)
                response = connection.getresponse()
            status, location = response.status, response.headers.get("Location", "")
        finally:
            connection.close()
        if status not in NO_HEAD:
            break
    return status, location


def describe_status(status: int) -> str:
    """Return what is wrong with a status; "" if nothing."""
    if status < 400 or status in (401, 403, 429):  # the server protects the page from programs
        return ""
    if status in (404, 410):
        return _("The page does not exist (%(status)d).") % {"status": status}
    return _("The server responded with an error (%(status)d).") % {"status": status}
