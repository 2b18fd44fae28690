"""Alarms about scheduled jobs: a job that fails again and again, and a job that does not run."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_celery_beat.models import PeriodicTask

from config.foundation.number_formats import format_count, format_moment
from config.jobs.error_labels import describe_error
from config.jobs.history import find_due_start, list_last_activity, list_recent_failures
from config.jobs.overview import INTERNAL, get_job_name
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmMessage, AlarmRule, Details
from config.monitoring.models import Severity


def list_enabled_jobs() -> list[PeriodicTask]:
    jobs = PeriodicTask.objects.filter(enabled=True).exclude(task__startswith=INTERNAL)
    return list(jobs.select_related("interval", "crontab"))


def find_failed_jobs(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield jobs whose last runs failed, with the number of failed runs and the last error."""
    jobs = {job.task for job in list_enabled_jobs()}
    for failure in list_recent_failures(jobs, limit=max(int(context.threshold), 1)):
        yield AlarmFinding(
            failure.task,
            {
                "runs": failure.runs,
                "error_type": failure.last.error_type,
                "at": (failure.last.finished_at or failure.last.started_at).isoformat(),
            },
        )


def describe_failed_job(task: str, details: Details) -> AlarmMessage:
    job = PeriodicTask.objects.filter(task=task).first()
    runs = int(details.get("runs", 1))
    title = ngettext("“%(job)s” failed in its last run", "“%(job)s” failed in its last %(count)s runs", runs) % {
        "job": get_job_name(task, job),
        "count": format_count(runs),
    }
    advice = describe_error(str(details.get("error_type", "")))
    return AlarmMessage(title, advice, reverse("jobs:job", args=[job.pk]) if job else reverse("jobs:list"))


def find_late_jobs(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield jobs whose start is overdue by more than the threshold, if checks have run for at least that long without a break."""
    grace = timedelta(minutes=context.threshold)
    if context.has_watched_for < grace:
        return
    jobs = list_enabled_jobs()
    activity = list_last_activity([job.task for job in jobs])
    for job in jobs:
        reference = activity.get(job.task) or job.date_changed
        due_at = find_due_start(job, after=reference)
        if due_at is not None and context.now - due_at > grace:
            yield AlarmFinding(job.task, {"due_at": due_at.isoformat()})


def describe_late_job(task: str, details: Details) -> AlarmMessage:
    job = PeriodicTask.objects.filter(task=task).first()
    title = _("“%(job)s” did not run on time") % {"job": get_job_name(task, job)}
    due_at = format_moment(datetime.fromisoformat(details["due_at"])) if details.get("due_at") else ""
    advice = _(
        "It was due at %(due)s. Check that the worker and the scheduler are running, and whether another job is keeping the worker busy."
    ) % {"due": due_at}
    return AlarmMessage(title, advice, reverse("jobs:job", args=[job.pk]) if job else reverse("jobs:list"))


JOB_RULES = (
    AlarmRule(
        key="job_failed",
        label=gettext_lazy("A job failed several times in a row"),
        find=find_failed_jobs,
        describe=describe_failed_job,
        severity=Severity.CRITICAL,
        threshold=2,
        unit=gettext_lazy("failures in a row"),
    ),
    AlarmRule(
        key="job_late",
        label=gettext_lazy("A job did not run on time"),
        find=find_late_jobs,
        describe=describe_late_job,
        threshold=60,
        unit=gettext_lazy("minutes late"),
    ),
)
