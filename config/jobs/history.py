"""Reads the history of jobs: failures in a row, the last success, and when a start is due."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.db.models.functions import Greatest
from django_celery_beat.models import PeriodicTask

from config.jobs.models import ScheduledRun

MAX_RUNS = 20  # that are looked at for each job
# the last ended runs of each job, from the index of (task, started_at)
SELECT_ENDED = """
SELECT run.* FROM unnest(%s::text[]) AS job (task)
CROSS JOIN LATERAL (
    SELECT * FROM jobs_scheduledrun WHERE task = job.task AND status <> 'running' ORDER BY started_at DESC LIMIT %s
) run
ORDER BY run.task, run.started_at DESC
"""
# A recursive search of the index instead of reading all runs: one step per job.
SELECT_LATEST = """
WITH RECURSIVE job AS (
    (SELECT task FROM jobs_scheduledrun ORDER BY task LIMIT 1)
    UNION ALL
    SELECT (SELECT task FROM jobs_scheduledrun WHERE task > job.task ORDER BY task LIMIT 1) FROM job WHERE job.task IS NOT NULL
)
SELECT run.* FROM job CROSS JOIN LATERAL (
    SELECT * FROM jobs_scheduledrun WHERE task = job.task AND status <> 'running' ORDER BY started_at DESC LIMIT 1
) run
"""


@dataclass(frozen=True)
class FailureStreak:
    """The failed runs of a job since its last success: their number, and the latest."""

    task: str
    runs: int
    last: ScheduledRun


def list_recent_failures(tasks: Collection[str], *, limit: int) -> list[FailureStreak]:
    """Return the jobs whose last ``limit`` runs or more failed. Canceled runs do not count."""
    streaks: dict[str, list[ScheduledRun]] = {}
    ended: set[str] = set()
    for run in ScheduledRun.objects.raw(SELECT_ENDED, [sorted(tasks), max(limit, MAX_RUNS)]):
        if run.task in ended or run.status == ScheduledRun.Status.CANCELLED:
            continue
        if run.status == ScheduledRun.Status.FAILED:
            streaks.setdefault(run.task, []).append(run)
        else:
            ended.add(run.task)
    return [FailureStreak(task, len(runs), runs[0]) for task, runs in streaks.items() if len(runs) >= limit]


def list_last_success() -> dict[str, datetime]:
    """Return when each job last completed a run successfully; a job without such a run is left out."""
    runs = ScheduledRun.objects.filter(status=ScheduledRun.Status.DONE)
    return dict(runs.order_by().values("task").annotate(at=Max("finished_at")).values_list("task", "at"))


def list_last_activity(tasks: Collection[str]) -> dict[str, datetime]:
    """Return when each job last started or finished; short runs share a row, whose end is that of the last one."""
    runs = ScheduledRun.objects.filter(task__in=list(tasks)).order_by().values("task")
    return dict(runs.annotate(at=Max(Greatest("started_at", "finished_at"))).values_list("task", "at"))


def list_latest_runs() -> list[ScheduledRun]:
    """Return the latest ended run of each job that has run."""
    return list(ScheduledRun.objects.raw(SELECT_LATEST))


def list_last_runs(task: str, *, limit: int) -> Sequence[ScheduledRun]:
    """Return the last ended runs of a job, oldest first."""
    runs = ScheduledRun.objects.filter(task=task).exclude(status=ScheduledRun.Status.RUNNING)
    return list(runs.order_by("-started_at")[:limit])[::-1]


def find_due_start(job: PeriodicTask, *, after: datetime) -> datetime | None:
    """Return the first start by the schedule after a moment; None for a paused job."""
    if not job.enabled or job.schedule is None:
        return None
    schedule = job.schedule
    schedule.nowfun = lambda: after.astimezone(schedule.tz)  # Celery would read the clock
    due: datetime = after + schedule.remaining_estimate(after)
    return due
