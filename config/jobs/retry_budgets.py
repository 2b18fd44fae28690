"""How often a failed job is repeated before its next start by the schedule, and when."""

from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.schedule import ScheduledJob, find_job

NIGHTLY_PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
HOURLY_PAUSES = (timedelta(minutes=5),)
# Errors that recur until a person changes something: repeating the run would only delay the alarm.
PERMANENT_ERRORS = frozenset({"ProgrammingError", "UnreadableFieldError", "ImproperlyConfigured"})


def get_pauses(job: ScheduledJob) -> tuple[timedelta, ...]:
    """Return the pause before each repetition: the longer the time until the next start, the more repetitions.

    A job that starts several times an hour is not repeated, because its next start does the same work.
    """
    if job.seconds:
        return ()
    minute, hour, *_rest = job.cron.split()
    if not minute.isdecimal():
        return ()
    return HOURLY_PAUSES if not hour.isdecimal() else NIGHTLY_PAUSES


def plan_retry(task: str, *, attempt: int, failed_at: datetime, error_type: str = "") -> datetime | None:
    """Return when a failed run is repeated; None if the budget is used up or a repetition would not help."""
    job = find_job(task)
    if job is None or error_type in PERMANENT_ERRORS:
        return None
    pauses = get_pauses(job)
    return failed_at + pauses[attempt - 1] if attempt <= len(pauses) else None


def describe_budget(job: ScheduledJob | None) -> str | Promise:
    """Return in words how often a failed run of a job is repeated."""
    pauses = get_pauses(job) if job is not None else ()
    if pauses == NIGHTLY_PAUSES:
        return _("Retried after a failure: 5 minutes, 30 minutes and 2 hours later.")
    if pauses == HOURLY_PAUSES:
        return _("Retried once after a failure, 5 minutes later.")
    return _("Not retried after a failure: the next run does the same work.")
