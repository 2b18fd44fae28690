"""Spans of requests, tasks and statements for OpenTelemetry: an extra, off unless it is installed and has an endpoint.

pip install "perennial[otel]"; OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 python manage.py up
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib.util import find_spec
from typing import Any

from config.foundation.processes.log_context import get_log_context

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "perennial"
MAX_STATEMENT = 2000

type Environ = dict[str, Any]
type Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def is_requested() -> bool:
    """Return whether an endpoint for spans is set."""
    return any(os.environ.get(name) for name in ENDPOINT_VARIABLES)


def is_installed() -> bool:
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None


@cache
def get_tracer() -> Any:
    """Return the tracer of this process; None if tracing is off."""
    if not (is_requested() and is_installed()):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return build_tracer(BatchSpanProcessor(OTLPSpanExporter()))


def build_tracer(processor: Any) -> Any:
    """Return a tracer that passes its spans to a processor."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", SERVICE)})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(processor)
    return provider.get_tracer(SERVICE)


def trace_request(application: Application) -> Application:
    """Return an application with a span around each request; the same one if tracing is off."""
    if not (is_requested() and is_installed()):
        return application

    def serve(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        from config.monitoring.metrics.request_classes import classify_path

        method, route = environ["REQUEST_METHOD"], classify_path(environ["PATH_INFO"])
        attributes = {"http.request.method": method, "perennial.route": route, **get_log_context()}
        with get_tracer().start_as_current_span(f"{method} {route}", attributes=attributes) as span:

            def start(status: str, *rest: Any) -> Any:
                span.set_attribute("http.response.status_code", int(status[:3]))
                return start_response(status, *rest)

            return application(environ, start)

    return serve


def trace_task(name: str, **attributes: str) -> AbstractContextManager[Any]:
    """Return a span around a task; nothing if tracing is off."""
    tracer = get_tracer()
    if tracer is None:
        return nullcontext()
    span: AbstractContextManager[Any] = tracer.start_as_current_span(name, attributes=attributes)
    return span


@contextmanager
def trace_statement(sql: str) -> Iterator[None]:
    """Put a span around a statement, without its values."""
    tracer = get_tracer()
    if tracer is None:
        yield
        return
    from config.monitoring.slow_statements import normalize_statement

    statement = normalize_statement(sql)[:MAX_STATEMENT]
    name = statement.partition(" ")[0].upper() or "SQL"
    with tracer.start_as_current_span(name, attributes={"db.system": "postgresql", "db.query.text": statement}):
        yield
