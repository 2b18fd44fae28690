"""Counts and times every request in front of all other layers, and gives it an ID that logs and the response carry."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Event
from time import perf_counter
from typing import Any

from prometheus_client import Counter, Histogram

from config.foundation.http.deferred_response import DeferredResponse, Send
from config.foundation.processes.log_context import choose_request_id, clear_log_context, set_request_id
from config.monitoring.metrics.request_classes import classify_path
from config.monitoring.tracing import trace_request

REQUESTS = Counter("perennial_http_requests", "Answered requests.", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "perennial_http_request_seconds",
    "Seconds from the start of the application to its response.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
)
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
HEADER = "X-Request-ID"

type Environ = dict[str, Any]
type Headers = list[tuple[str, str]]
type StartResponse = Callable[..., Any]
type Application = Callable[[Environ, StartResponse], Iterable[bytes]]


@lru_cache(maxsize=128)
def get_counter(route: str, status: int) -> Counter:
    """Return the counter of a request class and a status class, such as 5xx."""
    return REQUESTS.labels(route, STATUSES[min(max(status // 100, 1), 5) - 1])


@lru_cache(maxsize=64)
def get_timer(route: str) -> Histogram:
    return REQUEST_SECONDS.labels(route)


class RequestMeasurement:
    """One request: it remembers the status and adds the request ID to the response."""

    __slots__ = ("request_id", "route", "start_response", "started", "status")

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self.route = classify_path(environ["PATH_INFO"])
        self.request_id = choose_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        self.start_response = start_response
        self.status = 500
        self.started = perf_counter()

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        self.status = int(status[:3])
        return self.start_response(status, [*headers, (HEADER, self.request_id)], exc_info)

    def finish(self) -> None:
        get_timer(self.route).observe(perf_counter() - self.started)
        get_counter(self.route, self.status).inc()


class MeasuredApplication:
    """A WSGI application that measures another one.

    Attributes:
        hsts: the value of Strict-Transport-Security of the application, which the web server reads.
        prepared: an event that is set once the application can give complete answers; None if it always can.
    """

    prepared: Event | None = None

    def __init__(self, application: Application) -> None:
        self._application = trace_request(application)
        self.hsts = getattr(application, "hsts", "")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        measurement = RequestMeasurement(environ, start_response)
        set_request_id(measurement.request_id)
        try:
            result = self._application(environ, measurement.start)
        except BaseException:
            measurement.finish()
            raise
        finally:
            clear_log_context()
        if isinstance(result, DeferredResponse):
            return defer(result, measurement)
        measurement.finish()
        return result


def defer(response: DeferredResponse, measurement: RequestMeasurement) -> DeferredResponse:
    """Return a response whose request is measured when it is sent."""

    def send_later(send: Send) -> None:
        def send_measured(chunks: Iterable[bytes]) -> None:
            measurement.finish()
            send(chunks)

        response.send_later(send_measured)

    return DeferredResponse(send_later)
