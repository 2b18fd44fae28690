"""Errors of the REST API as problem details (RFC 9457) that name every invalid field."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.core.signals import got_request_exception
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

from config.foundation.database.statement_timeouts import LOCK_NOT_AVAILABLE, QUERY_CANCELED
from config.foundation.text_encoding import make_encodable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:perennial:problem:"
RETRY_SECONDS = 5
MAX_FIELD_LENGTH = 300
WAITED_TOO_LONG = (QUERY_CANCELED, LOCK_NOT_AVAILABLE)


class PayloadTooLarge(exceptions.APIException):
    status_code = 413
    default_detail = "The request body is too large."
    default_code = "too_large"


class DatabaseUnreachable(exceptions.APIException):
    status_code = 503
    default_detail = "The database is not reachable."
    default_code = "database_unreachable"


class DatabaseBusy(exceptions.APIException):
    status_code = 503
    default_detail = "The request took too long."
    default_code = "database_busy"


class JobQueueUnreachable(exceptions.APIException):
    status_code = 503
    default_detail = "The job queue does not respond. Try again later."
    default_code = "job_queue_unreachable"


def handle_api_error(exc: Exception, context: dict[str, Any]) -> Response:
    """Turn any exception into a response of the same shape; REST framework's exception handler."""
    error = to_api_error(exc)
    if error is None:
        if settings.DEBUG:
            raise exc
        return report_unexpected_error(context)
    set_rollback()
    response = Response(build_problem(error), status=error.status_code, content_type=CONTENT_TYPE)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    if (wait := get_retry_seconds(error)) is not None:
        response["Retry-After"] = str(wait)
    return response


def to_api_error(exc: Exception) -> exceptions.APIException | None:
    """Return the API error for an exception; None for an internal error."""
    match exc:
        case exceptions.APIException():
            return exc
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case ModelValidationError():
            return exceptions.ValidationError(as_serializer_error(exc))
        case RequestDataTooBig():
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            return PayloadTooLarge(_("The request body is too large; the maximum is %(most)d bytes.") % {"most": limit})
        case OperationalError() if getattr(exc.__cause__, "sqlstate", "") in WAITED_TOO_LONG:
            logger.warning("Answered 503: %s", exc)
            return DatabaseBusy(
                _(
                    "The request took too long, perhaps because other changes are in progress; try again in a few seconds."
                )
            )
        case OperationalError() | InterfaceError():
            logger.error("Answered 503: %s", exc)
            return DatabaseUnreachable(_("The database is not reachable; try again in a few seconds."))
        case DataError() | UnicodeEncodeError():
            logger.warning("Answered 400: %s", exc, exc_info=True)
            return exceptions.ValidationError(
                _("A value cannot be stored: it contains invalid characters or is out of range.")
            )
        case RecursionError():
            return exceptions.ParseError(_("The JSON is nested too deeply."))
    return None


def build_problem(error: exceptions.APIException) -> dict[str, Any]:
    status = error.status_code
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + get_error_code(error).replace("_", "-"),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "",
        "errors": [],
    }
    if isinstance(error, exceptions.ValidationError):
        problem["errors"] = list(iterate_field_errors(error.detail))
        problem["detail"] = summarize_errors(problem["errors"])
    else:
        problem["detail"] = str(error.detail)
    return problem


def get_error_code(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "validation_failed"
    return getattr(error.detail, "code", None) or error.default_code


def iterate_field_errors(detail: Any, path: str = "") -> Iterator[dict[str, str | None]]:
    """Yield one entry per message; the field is a path such as ``lines[3].quantity``, or None for the whole body."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from iterate_field_errors(inner, join_field_path(path, name))
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for index, inner in enumerate(detail):
            yield from iterate_field_errors(inner, f"{path}[{index}]")
    elif isinstance(detail, list):
        for message in detail:
            yield from iterate_field_errors(message, path)
    else:
        code = getattr(detail, "code", None) or "invalid"
        # a message quotes what was sent, which may not be encodable
        field = make_encodable(path)[:MAX_FIELD_LENGTH] or None
        yield {"field": field, "code": code, "message": make_encodable(detail)}


def join_field_path(path: str, name: Any) -> str:
    if name == "non_field_errors":
        return path
    if isinstance(name, int) or (isinstance(name, str) and name.isdigit()):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else str(name)


def summarize_errors(errors: list[dict[str, str | None]]) -> str:
    first = errors[0] if errors else {"field": None, "message": ""}
    text = f"{first['field']}: {first['message']}" if first["field"] else str(first["message"])
    if len(errors) <= 1:
        return text
    return _("%(first)s (and %(count)d more)") % {"first": text, "count": len(errors) - 1}


def get_retry_seconds(error: exceptions.APIException) -> int | None:
    if isinstance(error, exceptions.Throttled):
        return max(1, int(getattr(error, "wait", None) or 1))
    return RETRY_SECONDS if error.status_code == 503 else None


def report_unexpected_error(context: dict[str, Any]) -> Response:
    """Log and signal an internal error as Django does for a failing view."""
    request = context["request"]._request
    logger.error("Internal error at %s", request.path, exc_info=True, extra={"status_code": 500, "request": request})
    got_request_exception.send(sender=handle_api_error, request=request)
    set_rollback()
    error = exceptions.APIException(_("An internal error occurred and was logged."))
    return Response(build_problem(error), status=500, content_type=CONTENT_TYPE)


def build_problem_response(error: exceptions.APIException) -> JsonResponse:
    """Return the response for an error outside REST views: in middleware and for unknown URLs."""
    response = JsonResponse(build_problem(error), status=error.status_code, content_type=CONTENT_TYPE)
    if (wait := get_retry_seconds(error)) is not None:
        response["Retry-After"] = str(wait)
    return response


@csrf_exempt  # changes nothing, and must respond like the rest of the API to a POST without a token
def respond_api_not_found(request: HttpRequest) -> JsonResponse:
    """Respond to unknown URLs below ``/api/``."""
    if request.path.endswith("/"):
        message = _("Unknown URL %(path)s.") % {"path": request.path}
    else:
        message = _("Unknown URL %(path)s; all URLs of this API end with a slash.") % {"path": request.path}
    return build_problem_response(exceptions.NotFound(message))
