"""The collector's addresses in front of Django's middleware, which does nothing for them and takes longer than they do."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpResponse

from customers.events.collector.group_commit import GroupCommit
from customers.events.collector.views import error_response
from customers.events.rest.urls import collector_views

logger = logging.getLogger(__name__)

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def take_events_first(application: Application) -> Application:
    """A WSGI application that calls the collector's views directly, storing by group commit; all else goes to Django."""
    views = {f"/{address}": view for address, view in collector_views(record=GroupCommit().record).items()}

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        view = views.get(path.removesuffix("/"))
        if view is None:
            return application(environ, start_response)
        response = answer(view, WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]

    return serve


def answer(view: Callable[..., Any], request: WSGIRequest) -> HttpResponse:
    try:
        response: HttpResponse = view(request)
    except Exception:
        logger.exception("Collector: %s %s", request.method, request.path)
        response = error_response(500, "internal_error", "Something is wrong here; send the events again later.")
    finally:
        if connection.connection is not None:
            connection.close()  # a key was looked up; back to the pool
    response["Content-Length"] = str(len(response.content))
    return response
