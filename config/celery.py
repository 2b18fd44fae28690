"""The Celery application.

A task declared with ``exclusive=True`` never runs twice at the same time. With ``quiet=True``, a second start is only logged for debugging.
"""

import json
import logging
import os
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from celery import Celery, Task, uuid
from celery.signals import beat_init, before_task_publish, celeryd_init, worker_shutting_down
from django.utils import timezone

from config.foundation.files.private_files import keep_new_files_private
from config.foundation.processes.log_context import get_log_context, log_context
from config.foundation.progress import announce_stop
from config.foundation.test_mode import is_test_mode

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
logger = logging.getLogger(__name__)


class ExclusiveTask(Task):
    """A task that can run under an advisory lock named after it; a second start while it runs is logged and does nothing."""

    abstract = True
    exclusive = False
    quiet = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from config.foundation.shop.profile import get_time_zone  # this module is imported before the apps are loaded

        if self.request.called_directly:
            with timezone.override(get_time_zone()):
                return self._run_in_time_zone(*args, **kwargs)
        from config.monitoring.tracing import trace_task

        fields = {"task_id": str(self.request.id or ""), "job": self.name}
        if request_id := str((self.request.headers or {}).get("request_id", "")):
            fields["request_id"] = request_id
        with log_context(**fields), trace_task(self.name, **fields), timezone.override(get_time_zone()):
            return self._run_in_time_zone(*args, **kwargs)

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        if is_test_mode():
            return self.AsyncResult(kwargs.get("task_id") or uuid())
        return super().apply_async(*args, **kwargs)

    def _run_in_time_zone(self, *args: Any, **kwargs: Any) -> Any:
        if not self.exclusive:
            return super().__call__(*args, **kwargs)
        from config.foundation.database.advisory_locks import (  # this module is imported before the apps are loaded
            AlreadyRunningError,
            exclusive_lock,
            name_task_lock,
        )

        try:
            with exclusive_lock(name_task_lock(self.name)), self._record():
                return super().__call__(*args, **kwargs)
        except AlreadyRunningError as error:
            logger.log(logging.DEBUG if self.quiet else logging.WARNING, "%s", error)
            return None

    def _record(self) -> AbstractContextManager[None]:
        """Record a run in a worker for the Jobs page; a task that is called as a function has no run."""
        if self.request.called_directly:
            return nullcontext()
        from config.jobs.recording import record_scheduled_run  # as above

        headers = self.request.headers or {}
        return record_scheduled_run(
            self.name,
            celery_id=self.request.id or "",
            started_by=str(headers.get("started_by", "")),
            attempt=int(headers.get("attempt", 1)),
        )


@celeryd_init.connect
@beat_init.connect
def keep_files_private(**_details: Any) -> None:
    """Withhold the files of a worker or beat from other users, also if ``manage.py up`` did not start it."""
    keep_new_files_private()


@before_task_publish.connect
def pass_request_id(headers: dict[str, Any] | None = None, **_details: Any) -> None:
    """Give the ID of the current request to the task that it starts, so that both appear together in the logs."""
    request_id = get_log_context().get("request_id")
    if headers is not None and request_id:
        headers.setdefault("request_id", request_id)


@worker_shutting_down.connect
def end_tasks_early(**_details: Any) -> None:
    announce_stop()


class PerennialCelery(Celery):
    """A Celery application that starts no tasks for requests in test mode."""

    def send_task(self, name: str, *args: Any, task_id: str | None = None, **kwargs: Any) -> Any:
        if is_test_mode():
            return self.AsyncResult(task_id or uuid())
        return super().send_task(name, *args, task_id=task_id, **kwargs)


app = PerennialCelery("perennial", task_cls=ExclusiveTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def return_interrupted_tasks(queues: Collection[str]) -> int:
    """Put tasks of queues that a worker reserved and did not finish back into their queues; return their number.

    Call this only when no worker of these queues runs, which `lock_workers` ensures: the tasks of a running one would start a second time.
    If it is not called, they return when the visibility timeout is over.
    """
    with app.connection_for_write() as connection, connection.channel() as channel:
        with channel.conn_or_acquire() as client:
            reserved = {
                tag: client.hget(channel.unacked_key, tag) for tag in client.zrange(channel.unacked_index_key, 0, -1)
            }
        tags = [tag for tag, stored in reserved.items() if stored is None or json.loads(stored)[2] in queues]
        for tag in tags:
            channel.qos.restore_by_tag(tag)
    return len(tags)
