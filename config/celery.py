"""The Celery application. A task declared with ``exclusive=True`` never runs twice at once, and with ``quiet=True`` a second start
of it is nothing to report."""

import logging
import os
from typing import Any

from celery import Celery, Task

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
logger = logging.getLogger(__name__)


class ExclusiveTask(Task):
    """Runs under an advisory lock named after the task; a second start while it runs says so and ends."""

    abstract = True
    exclusive = False
    quiet = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.exclusive:
            return super().__call__(*args, **kwargs)
        from config.foundation.database.advisory_locks import (  # needs loaded apps, which this module is imported before
            AlreadyRunningError,
            exclusive,
        )

        try:
            with exclusive(f"task:{self.name}"):
                return super().__call__(*args, **kwargs)
        except AlreadyRunningError as error:
            logger.log(logging.DEBUG if self.quiet else logging.WARNING, "%s", error)
            return None


app = Celery("perennial", task_cls=ExclusiveTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def return_interrupted_tasks() -> int:
    """Puts tasks that a worker had taken and not finished back into their queues; returns how many.

    For a start at which no other worker runs: else they come back by themselves when the visibility timeout is over.
    """
    with app.connection_for_write() as connection, connection.channel() as channel:
        with channel.conn_or_acquire() as client:
            tags = client.zrange(channel.unacked_index_key, 0, -1)
        for tag in tags:
            channel.qos.restore_by_tag(tag)
    return len(tags)
