"""Serves the collector's URLs before Django's middleware, which does nothing for them and costs more than they do."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from config.foundation.http.deferred_response import DEFERRED_RESPONSES, DeferredResponse, Send
from customers.events.collector.group_commit import GroupCommit
from customers.events.collector.scanning.scanned_events import event_scanner
from customers.events.collector.views import PendingResponse, build_error_response
from customers.events.rest.urls import build_collector_views

logger = logging.getLogger(__name__)

type Environ = dict[str, Any]
type StartResponse = Callable[..., Any]
type Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def route_collector_calls(application: Application) -> Application:
    """Return a WSGI application that calls the collector's views directly and passes everything else to Django.

    The views store events by group commit, and the thread of a call is free until they are stored if the server can send a
    response later.
    """
    event_scanner.load_in_background()
    views = {f"/{path}": view for path, view in build_collector_views(store=GroupCommit().submit).items()}

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        view = views.get(path.removesuffix("/"))
        if view is None:
            return application(environ, start_response)
        request = WSGIRequest(environ)
        response = get_response(request, partial(view, request))
        if not isinstance(response, PendingResponse):
            return [start(response, start_response)]
        if not environ.get(DEFERRED_RESPONSES):
            with suppress(Exception):  # `complete` returns the response for it
                response.pending.wait()
            return [start(get_response(request, response.complete), start_response)]
        return DeferredResponse(partial(send_later, request, response, start_response))

    return serve


def send_later(request: WSGIRequest, pending: PendingResponse, start_response: StartResponse, send: Send) -> None:
    """Send the response to a call when it is stored."""
    pending.pending.when_finished(lambda: send([start(get_response(request, pending.complete), start_response)]))


def get_response(request: WSGIRequest, call: Callable[[], HttpResponseBase]) -> HttpResponse:
    """Return the response of a view; an unexpected error becomes a 500 that SDKs retry."""
    try:
        response = call()
        assert isinstance(response, HttpResponse)
    except Exception:
        logger.exception("Collector: %s %s", request.method, request.path)
        response = build_error_response(
            500, "internal_error", "The server had an internal error; send the events again later."
        )
    finally:
        if connection.connection is not None:
            connection.close()  # a write key was looked up: return the connection to the pool
    return response


def start(response: HttpResponse, start_response: StartResponse) -> bytes:
    """Start a response and return its body."""
    content = response.content
    response["Content-Length"] = str(len(content))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return content
