"""Tasks that are started from web requests."""

from typing import Any

import pytest
from celery import Celery

from config.foundation.processes.background_tasks import start_task


def test_a_queue_that_does_not_respond_is_reported_and_raises_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Celery("unreachable", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    used: list[Any] = []
    connect = app.connection_for_write

    def connect_with(**options: Any) -> Any:
        used.append(options)
        return connect(**options)

    monkeypatch.setattr(app, "connection_for_write", connect_with)

    @app.task
    def do_nothing() -> None:
        pass

    assert not start_task(do_nothing)
    assert used[0]["transport_options"]["max_retries"] < 5, "otherwise, the request waits for about six seconds"
    assert "max_retries" not in settings.CELERY_BROKER_TRANSPORT_OPTIONS, "workers wait, so that no task is lost"
