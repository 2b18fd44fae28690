"""Starts background tasks from web requests, which must neither fail nor wait because the job queue does not respond."""

import logging
from functools import partial
from typing import Any

from celery import Task, current_app
from django.db import transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def start_task(task: Task | str, *args: Any) -> bool:
    """Queue a task, given itself or by name; return whether the queue took it. It is not tried again, because a request must not wait."""
    try:
        if isinstance(task, str):
            current_app.send_task(task, args=args, retry=False)
        else:
            task.apply_async(args, retry=False)
    except (KombuError, RedisError, OSError) as error:
        name = task if isinstance(task, str) else task.name
        logger.warning("The job queue did not respond, so the task %s was not started: %s", name, error)
        return False
    return True


def start_task_after_commit(task: Task | str, *args: Any) -> None:
    """Queue a task once the current transaction is committed. Without a queue it is only logged: a job must do what is left."""
    transaction.on_commit(partial(start_task, task, *args))
