"""Sets the caller of each request as the actor of its audit entries, and records which personal data the response shows."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from config.foundation.audit_log import audit_request, write_collected_reads


class AuditMiddleware:
    """Replaces the middleware of django-auditlog, which does not support API keys and trusts any X-Forwarded-For."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with audit_request(request) as audit:
            response = self.get_response(request)
            write_collected_reads(audit, status=response.status_code)
        return response
