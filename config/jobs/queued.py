"""Remembers in Valkey, as long as the queue itself is there, when people put jobs into the queue."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from config.foundation.valkey import ValkeyDownError, run_pipeline
from config.schedule import find_job

KEPT_SECONDS = 3600  # a job that was lost with the queue can then be started again


def note_queued_job(task: str, *, at: datetime) -> None:
    """Remember that a job was put into the queue. Only jobs of the schedule record their runs, which end the wait."""
    if find_job(task) is not None:
        with suppress(ValkeyDownError):
            run_pipeline(lambda pipe: pipe.set(build_key(task), at.timestamp(), ex=KEPT_SECONDS))


def find_queued_jobs(tasks: Sequence[str]) -> dict[str, datetime]:
    """Return when those of the tasks that people started in the last hour were put into the queue; none if Valkey is down."""
    if not tasks:
        return {}
    try:
        [values] = run_pipeline(lambda pipe: pipe.mget([build_key(task) for task in tasks]))
    except ValkeyDownError:
        return {}
    return {task: datetime.fromtimestamp(float(value), UTC) for task, value in zip(tasks, values, strict=True) if value}


def build_key(task: str) -> str:
    return f"jobs:queued:{task}"
