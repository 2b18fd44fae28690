"""The answer to an error that no view has handled: a page, or a problem document below ``/api/``."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from config.foundation.number_formats import join_sentences
from config.foundation.processes.log_context import get_log_context
from config.foundation.rest.problems import build_problem_response, get_retry_seconds, to_api_error


def show_server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 while the database does not respond, otherwise 500, with the ID that the log has; read nothing from the database."""
    cause = sys.exception()
    unavailable = to_api_error(cause) if isinstance(cause, OperationalError | InterfaceError) else None
    error = unavailable or APIException(_("An internal error occurred and was logged."))
    if request.path.startswith("/api/"):
        return build_problem_response(error)
    sentences = [str(error.detail)]
    if request_id := get_log_context().get("request_id"):
        sentences.append(_("The reason is in the log under the ID %(request_id)s.") % {"request_id": request_id})
    # without the request: context processors may read the database
    page = loader.get_template("500.html").render(
        {
            "is_unavailable": unavailable is not None,
            "text": join_sentences(sentences),
            "request_path": request.path,
        }
    )
    response = HttpResponse(page, status=error.status_code)
    if (wait := get_retry_seconds(error)) is not None:
        response["Retry-After"] = str(wait)
    return response
