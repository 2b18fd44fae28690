"""Starts the repetitions of failed jobs that are due."""

import logging
from datetime import datetime

from django.db import transaction
from django_celery_beat.models import PeriodicTask

from config.jobs.control import QueueError, start_job
from config.jobs.models import ScheduledRun

logger = logging.getLogger(__name__)


def start_due_retries(*, now: datetime) -> int:
    """Put the jobs whose repetition is due into the queue; return how many. Paused and deleted jobs are not repeated."""
    started = 0
    with transaction.atomic():
        due = ScheduledRun.objects.select_for_update(skip_locked=True).filter(retry_at__lte=now).order_by("retry_at")
        runs = {run.task: run for run in due}
        jobs = {job.task: job for job in PeriodicTask.objects.filter(task__in=list(runs), enabled=True)}
        ScheduledRun.objects.filter(pk__in=[run.pk for run in due]).update(retry_at=None)
        for task, run in runs.items():
            if task not in jobs:
                continue
            try:
                start_job(jobs[task], attempt=run.attempt + 1)
                started += 1
            except QueueError:
                logger.warning("%s could not be repeated: the queue does not answer", task)
                ScheduledRun.objects.filter(pk=run.pk).update(retry_at=run.retry_at)
    return started
