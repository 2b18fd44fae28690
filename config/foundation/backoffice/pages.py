"""Renders a page of the back office in its layout, or only a part of it for htmx."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise


def is_partial_request(request: HttpRequest) -> bool:
    """Return whether htmx asks for a part of the page; a restored history entry needs the whole page."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def render_page(
    request: HttpRequest,
    template: str,
    *,
    title: str | Promise,
    verdict: str | Promise = "",
    as_of: datetime | None = None,
    partial: str = "",
    status: int | None = None,
    **context: Any,
) -> TemplateResponse:
    """Render a template that extends `backoffice/page.html`.

    Args:
        verdict: one sentence that answers the question of the page. as_of: the moment of its figures. partial: the template
        that htmx requests get instead, with the same context.
    """
    values = {"title": title, "verdict": verdict, "page_as_of": as_of, **context}
    if partial and is_partial_request(request):
        response = TemplateResponse(request, partial, values, status=status)
    else:
        response = TemplateResponse(request, template, {**admin.site.each_context(request), **values}, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response
