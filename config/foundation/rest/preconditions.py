"""Writes that a client makes only if the resource is still the one that it has read (If-Match, RFC 9110)."""

from django.http import HttpResponse
from django.utils.cache import set_response_etag
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request


class PreconditionFailed(APIException):
    status_code = 412
    default_code = "precondition_failed"


def require_match(request: Request, *, content: bytes) -> None:
    """Compare the header If-Match with the ETag of the current content, which is that of a GET response.

    Raises:
        PreconditionFailed: the client has read another content.
    """
    tags = parse_etags(request.headers.get("If-Match", "*"))
    current = set_response_etag(HttpResponse(content))["ETag"]
    # compression weakens the tag of a response, although the content is the same
    if tags != ["*"] and current not in [tag.removeprefix("W/") for tag in tags]:
        raise PreconditionFailed(_("The resource has changed: If-Match names another ETag. Read it again."))
