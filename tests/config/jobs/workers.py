"""Workers in tests: one that runs in a thread, and answers that stand in for those of busy ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from config.celery import app as perennial
from tests.waiting import DEADLINE_SECONDS


@contextmanager
def run_worker(app: Celery, **options: Any) -> Iterator[None]:
    """Run a worker of the application, and restore the default application, which Celery's test worker replaces."""
    try:
        # the worker sets environment variables
        with (
            patch.dict(os.environ),
            start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=DEADLINE_SECONDS, **options),
        ):
            yield
    finally:
        perennial.set_current()
        perennial.set_default()


def pretend_active(monkeypatch: pytest.MonkeyPatch, *ids: str, error: Exception | None = None) -> None:
    """Let one worker report the tasks that it is busy with, or let the question fail."""

    def active() -> dict[str, list[dict[str, str]]]:
        if error is not None:
            raise error
        return {"celery@shop": [{"id": celery_id} for celery_id in ids]}

    monkeypatch.setattr("config.jobs.lost_runs.app.control.inspect", lambda **_options: SimpleNamespace(active=active))
