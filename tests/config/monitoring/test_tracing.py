"""Spans of requests, tasks and statements; skipped without the extra, without which everything works."""

from typing import Any

import pytest
from django.db import connection

from config.monitoring import tracing
from config.monitoring.slow_statements import measure_connection


def test_tracing_is_off_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def application(environ: Any, start_response: Any) -> list[bytes]:
        return []

    assert tracing.trace_request(application) is application
    with tracing.trace_task("job"), tracing.trace_statement("SELECT 1"):
        pass


@pytest.mark.django_db
def test_a_request_a_task_and_a_statement_have_spans_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    tracer = tracing.build_tracer(SimpleSpanProcessor(exporter))
    monkeypatch.setenv(tracing.ENDPOINT_VARIABLES[0], "http://localhost:4318")
    monkeypatch.setattr(tracing, "get_tracer", lambda: tracer)
    monkeypatch.setattr("config.monitoring.slow_statements.get_tracer", lambda: tracer)
    measure_connection(sender=None, connection=connection)

    def application(environ: Any, start_response: Any) -> list[bytes]:
        with tracing.trace_task("refresh", task_id="t1"), connection.cursor() as cursor:
            cursor.execute("SELECT 'ada@shop.example'")
        start_response("200 OK", [])
        return [b""]

    measured = tracing.trace_request(application)
    measured({"REQUEST_METHOD": "GET", "PATH_INFO": "/admin/"}, lambda status, headers: None)
    statement, task, request = exporter.get_finished_spans()
    assert (request.name, task.name, statement.name) == ("GET back_office", "refresh", "SELECT")
    assert request.attributes["http.response.status_code"] == 200
    assert statement.attributes["db.query.text"] == "SELECT ?"
    assert statement.parent.span_id == task.context.span_id
    assert task.parent.span_id == request.context.span_id
