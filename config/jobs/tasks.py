"""The clean-up of the records of jobs."""

from datetime import UTC, datetime

from celery import shared_task

from config.jobs.recording import purge_runs


@shared_task(exclusive=True)
def purge_job_runs() -> None:
    purge_runs(now=datetime.now(UTC))
