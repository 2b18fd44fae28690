"""Tasks that are started from web requests."""

from typing import Any

from celery import Celery

from config.foundation.processes.background_tasks import start_task


def test_a_queue_that_does_not_respond_is_reported_and_raises_nothing(settings: Any) -> None:
    app = Celery("unreachable", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert "max_retries" in settings.CELERY_BROKER_TRANSPORT_OPTIONS, (
        "otherwise, the request waits for about six seconds"
    )

    @app.task
    def do_nothing() -> None:
        pass

    assert not start_task(do_nothing)
