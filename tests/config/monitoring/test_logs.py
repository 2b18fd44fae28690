"""The log in both formats: what a line belongs to, and no personal data in it."""

import json
import logging
import sys

import pytest

from config.celery import app, pass_request_id
from config.foundation.processes.log_context import get_log_context, log_context
from config.logs import JsonFormatter, LineFormatter


def make_record(message: str, *arguments: object, error: bool = False, **extra: object) -> logging.LogRecord:
    exc_info = None
    if error:
        try:
            raise ValueError("ada@shop.example is not valid")
        except ValueError:
            exc_info = sys.exc_info()
    record = logging.LogRecord("perennial", logging.WARNING, __file__, 1, message, arguments, exc_info)
    record.__dict__.update(extra)
    return record


def test_json_has_the_context_and_no_personal_data() -> None:
    with log_context(request_id="abc12345"), log_context(task_id="t1", job="refresh"):
        record = make_record("%s wrote +49 151 23456789", "ada@shop.example", error=True, message_id="m1")
        entry = json.loads(JsonFormatter().format(record))
    assert entry["message"] == "••• wrote •••"
    assert (entry["level"], entry["logger"], entry["error"]) == ("warning", "perennial", "ValueError")
    assert {"request_id": "abc12345", "task_id": "t1", "job": "refresh", "message_id": "m1"}.items() <= entry.items()
    assert "ada@" not in entry["traceback"]
    assert entry["traceback"].startswith("Traceback")


def test_a_line_for_people_has_the_same() -> None:
    with log_context(request_id="abc12345"):
        line = LineFormatter().format(make_record("from ada@shop.example", error=True))
    first, _newline, rest = line.partition("\n")
    assert first.endswith("WARNING perennial from ••• [request_id=abc12345]")
    assert "ada@" not in rest
    assert LineFormatter().format(make_record("ready")).endswith("WARNING perennial ready")


def test_a_task_logs_under_the_request_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    headers: dict[str, str] = {}
    with log_context(request_id="abc12345"):
        pass_request_id(headers=headers)
    assert headers == {"request_id": "abc12345"}
    contexts = []

    @app.task(name="tests.note_context")
    def note_context() -> None:
        contexts.append(dict(get_log_context()))

    try:
        note_context.apply(headers=headers, task_id="t1")
    finally:
        app.tasks.unregister("tests.note_context")
    assert contexts == [{"task_id": "t1", "job": "tests.note_context", "request_id": "abc12345"}]
