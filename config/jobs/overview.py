"""The scheduled jobs with their latest run and their next start."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery
from django.utils.text import capfirst
from django_celery_beat.models import PeriodicTask

from config.jobs.models import ScheduledRun
from config.schedule import choose_queue, describe_schedule, find_job

INTERNAL = "celery."  # tasks of Celery itself
LONGEST_RUN = timedelta(days=1)


@dataclass(frozen=True)
class JobState:
    """A job with its name and purpose in the reader's language. next_at: None for a paused job."""

    job: PeriodicTask
    name: str
    purpose: str
    schedule: str
    latest: ScheduledRun | None
    next_at: datetime | None

    @property
    def is_running(self) -> bool:
        return self.latest is not None and self.latest.status == ScheduledRun.Status.RUNNING

    @property
    def has_failed(self) -> bool:
        return self.latest is not None and self.latest.status == ScheduledRun.Status.FAILED


@dataclass(frozen=True)
class RunningJob:
    """A job that is running, with its name in the reader's language."""

    name: str
    started_at: datetime


def list_running_long_jobs(*, now: datetime) -> list[RunningJob]:
    """Return the running jobs for which other long work waits, such as an import, the longest-running first."""
    jobs = {
        job.task: job
        for job in PeriodicTask.objects.exclude(task__startswith=INTERNAL).only("task", "name")
        if choose_queue(job.task) is None
    }
    # the index has no status: only the runs of the last day are read
    runs = ScheduledRun.objects.filter(
        task__in=list(jobs), status=ScheduledRun.Status.RUNNING, started_at__gte=now - LONGEST_RUN
    ).order_by("started_at")
    return [RunningJob(get_job_name(run.task, jobs[run.task]), run.started_at) for run in runs]


def list_job_states(*, now: datetime) -> list[JobState]:
    """Return all jobs by name, after those whose last run failed and those that are running."""
    latest = ScheduledRun.objects.filter(task=OuterRef("task")).order_by("-started_at").values("pk")[:1]
    jobs = list(
        PeriodicTask.objects.exclude(task__startswith=INTERNAL)
        .select_related("interval", "crontab", "solar", "clocked")
        .annotate(latest_run_id=Subquery(latest))
    )
    runs = ScheduledRun.objects.in_bulk([job.latest_run_id for job in jobs if job.latest_run_id])
    states = [build_job_state(job, runs.get(job.latest_run_id), now=now) for job in jobs]
    return sorted(states, key=lambda state: (not state.has_failed, not state.is_running, state.name))


def build_job_state(job: PeriodicTask, latest: ScheduledRun | None, *, now: datetime) -> JobState:
    """Return a job with the names of the schedule unless an operator renamed it."""
    known = find_job(job.task)
    return JobState(
        job=job,
        name=get_job_name(job.task, job),
        purpose=job.description or (str(known.description) if known else ""),
        schedule=capfirst(describe_schedule(job)),
        latest=latest,
        next_at=compute_next_start(job, now=now),
    )


def get_job_name(task: str, job: PeriodicTask | None) -> str:
    """Return the name of a job in the reader's language, unless an operator renamed it."""
    known = find_job(task)
    if known is not None and (job is None or known.name == job.name):
        return str(known.title)
    return str(job.name) if job is not None else task


def compute_next_start(job: PeriodicTask, *, now: datetime) -> datetime | None:
    """Return when beat starts the job next, not before now; None for a paused job."""
    if not job.enabled or job.schedule is None:
        return None
    schedule = job.schedule
    schedule.nowfun = lambda: now.astimezone(schedule.tz)  # Celery would read the clock
    return max(now, now + schedule.remaining_estimate(job.last_run_at or now))
