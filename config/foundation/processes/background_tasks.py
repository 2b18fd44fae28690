"""Starts background tasks from web requests, which must neither fail nor wait because the job queue does not respond."""

import logging
from functools import partial
from typing import Any

from celery import Task, current_app
from django.db import transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

# Celery's own options wait for about six seconds. Workers keep them: a task that cannot be queued for its next try would be lost.
IMPATIENT = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
BROKER_ERRORS = (
    KombuError,
    RedisError,
    OSError,
)  # Kombu does not wrap errors of the Redis client while it waits for answers
logger = logging.getLogger(__name__)


def start_task(task: Task | str, *args: Any) -> bool:
    """Queue a task, given itself or by name; return whether the queue took it. It is not tried again, because a request must not wait."""
    app = current_app if isinstance(task, str) else task.app
    options = {**app.conf.broker_transport_options, **IMPATIENT}
    try:
        with app.connection_for_write(transport_options=options) as connection:
            if isinstance(task, str):
                app.send_task(task, args=args, retry=False, connection=connection)
            else:
                task.apply_async(args, retry=False, connection=connection)
    except BROKER_ERRORS as error:
        name = task if isinstance(task, str) else task.name
        logger.warning("The job queue did not respond, so the task %s was not started: %s", name, error)
        return False
    return True


def start_task_after_commit(task: Task | str, *args: Any) -> None:
    """Queue a task once the current transaction is committed. Without a queue it is only logged: a job must do what is left."""
    transaction.on_commit(partial(start_task, task, *args))
