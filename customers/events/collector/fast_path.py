"""Serves the collector's URLs before Django's middleware, which does nothing for them and costs more than they do."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpResponse

from customers.events.collector.group_commit import GroupCommit
from customers.events.collector.views import build_error_response
from customers.events.rest.urls import build_collector_views

logger = logging.getLogger(__name__)

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def route_collector_calls(application: Application) -> Application:
    """Return a WSGI application that calls the collector's views directly and passes everything else to Django.

    The views store events by group commit.
    """
    views = {f"/{path}": view for path, view in build_collector_views(store=GroupCommit().store).items()}

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        view = views.get(path.removesuffix("/"))
        if view is None:
            return application(environ, start_response)
        response = call_view(view, WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]

    return serve


def call_view(view: Callable[..., Any], request: WSGIRequest) -> HttpResponse:
    """Return the response of a view; an unexpected error becomes a 500 that SDKs retry."""
    try:
        response: HttpResponse = view(request)
    except Exception:
        logger.exception("Collector: %s %s", request.method, request.path)
        response = build_error_response(
            500, "internal_error", "The server had an internal error; send the events again later."
        )
    finally:
        if connection.connection is not None:
            connection.close()  # a write key was looked up: return the connection to the pool
    response["Content-Length"] = str(len(response.content))
    return response
