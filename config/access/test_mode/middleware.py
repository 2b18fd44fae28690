"""Answers requests with a test key in a transaction that is always rolled back."""

from collections.abc import Callable, Iterator

from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from config.access.grants import is_test_key
from config.foundation.rest.problems import build_problem_response, to_api_error
from config.foundation.test_mode import enter_test_mode
from config.foundation.test_mode.refusal import UnsupportedInTestMode

HEADER = "Perennial-Test-Mode"
MAX_STREAMED_BYTES = 20_000_000  # they are kept in memory


class TestModeMiddleware:
    """Puts requests with a test key into test mode, and marks the response accordingly.

    It is inside the audit log's middleware, so that what a test key reads is recorded, and around the one of idempotent writes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            is_test = is_test_key(request.headers.get("Authorization", ""))
        except (OperationalError, InterfaceError):
            is_test = False  # the view asks for the key again and reports that the database is down
        if not is_test:
            return self.get_response(request)
        response = self.simulate(request)
        response[HEADER] = "true"
        return response

    def simulate(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response to a request whose writes are rolled back, except what must be kept, such as the record of an export."""
        with enter_test_mode() as state:
            try:
                response = self.respond_and_roll_back(request)
            except (APIException, OperationalError, InterfaceError) as error:
                return build_problem_response(to_api_error(error) or APIException())
        for work in state.kept_work:
            work()
        return response

    def respond_and_roll_back(self, request: HttpRequest) -> HttpResponseBase:
        # No callback of `on_commit` runs, because the outermost block is this one.
        with transaction.atomic():
            response = self.get_response(request)
            if isinstance(response, StreamingHttpResponse):
                response.streaming_content = collect_content(iter(response.streaming_content))  # type: ignore[arg-type] # WSGI
            if response.status_code < 400 and not connection.needs_rollback:
                check_constraints()
            transaction.set_rollback(True)
        return response


def check_constraints() -> None:
    """Check the constraints that PostgreSQL would check on commit. Raises Django's errors."""
    with transaction.atomic():
        connection.check_constraints()


def collect_content(content: Iterator[bytes]) -> list[bytes]:
    """Return the parts of a streamed response, which would otherwise be generated after the transaction. Errors: UnsupportedInTestMode."""
    parts, size = [], 0
    for part in content:
        parts.append(part)
        size += len(part)
        if size > MAX_STREAMED_BYTES:
            raise UnsupportedInTestMode(
                _("The response is larger than %(max)d bytes. Use a live key.") % {"max": MAX_STREAMED_BYTES}
            )
    return parts
