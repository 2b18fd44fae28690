"""The Jobs page, the history of one job, and the buttons that start and cancel it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from django_celery_beat.models import PeriodicTask

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.charts.bars import build_bar_chart
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import NO_VALUE, format_age, format_count, format_duration, format_moment
from config.jobs.control import NotRunningError, QueueError, cancel_job, start_job
from config.jobs.error_labels import describe_job_error
from config.jobs.history import list_last_runs
from config.jobs.models import ScheduledRun
from config.jobs.overview import JobState, build_job_state, list_job_states
from config.jobs.queued import find_queued_jobs, note_queued_job
from config.jobs.recording import INTERRUPTED
from config.jobs.retry_budgets import describe_budget
from config.schedule import find_job

VIEW = "django_celery_beat.view_periodictask"
CHANGE = "django_celery_beat.change_periodictask"
DUE = timedelta(seconds=2)
BADGES = {"running": "", "done": "good", "failed": "bad", "cancelled": "warns"}
COLORS = {"done": "theme:main", "failed": "#b42318"}
CHART_RUNS, MIN_CHART_RUNS = 40, 3
COLUMNS = (
    Column(key="started", label=gettext_lazy("started at"), sort="started_at", align="text"),
    Column(key="status", label=gettext_lazy("status"), sort="status", align="text"),
    Column(key="duration", label=gettext_lazy("duration"), sort="seconds"),
    Column(key="runs", label=gettext_lazy("number of runs"), sort="runs"),
    Column(key="by", label=gettext_lazy("started by"), align="text"),
    Column(key="error", label=gettext_lazy("what happened"), align="text"),
)


def show_jobs(request: HttpRequest) -> HttpResponse:
    """Show all jobs with their latest run, and what to do with them."""
    check_permissions(request, VIEW)
    now = timezone.now()
    states = list_job_states(now=now)
    queued = find_queued_jobs([state.job.task for state in states])
    return render_page(
        request,
        "admin/jobs/jobs.html",
        title=_("Jobs"),
        verdict=describe_jobs(states),
        as_of=now,
        rows=[format_job(state, now=now, queued_at=queued.get(state.job.task)) for state in states],
        may_change=request.user.has_perm(CHANGE),
    )


def show_job(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show what a job does, its next run and its history."""
    check_permissions(request, VIEW)
    now = timezone.now()
    job = get_object_or_404(PeriodicTask, pk=job_id)
    latest = ScheduledRun.objects.filter(task=job.task).order_by("-started_at").first()
    state = build_job_state(job, latest, now=now)
    history = build_table(
        request,
        ScheduledRun.objects.filter(task=job.task),
        id="runs",
        label=_("Runs"),
        columns=COLUMNS,
        format_row=format_run,
        default_sort="-started",
    )
    return render_page(
        request,
        "admin/jobs/job.html",
        title=state.name,
        as_of=now,
        row=format_job(state, now=now, queued_at=find_queued_jobs([job.task]).get(job.task)),
        history=history,
        chart=build_duration_chart(list_last_runs(job.task, limit=CHART_RUNS)),
        budget=describe_budget(find_job(job.task)),
        may_change=request.user.has_perm(CHANGE),
    )


@require_POST
def start(request: HttpRequest, job_id: int) -> HttpResponse:
    """Put a job into the queue now."""
    check_permissions(request, CHANGE)
    job = get_object_or_404(PeriodicTask, pk=job_id)
    now = timezone.now()
    name = build_job_state(job, None, now=now).name
    try:
        start_job(job, started_by=request.user.get_username())
    except QueueError:
        messages.error(
            request, _("The job was not started, because the queue did not respond. Check Valkey, then try again.")
        )
    else:
        note_queued_job(job.task, at=now)
        record_action("job.started", instance=job, label=job.name)
        messages.success(
            request, _("“%(job)s” was put into the queue. It starts as soon as the worker is free.") % {"job": name}
        )
    return HttpResponseRedirect(find_way_back(request, job_id))


@require_POST
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask the worker to stop the running job."""
    check_permissions(request, CHANGE)
    job = get_object_or_404(PeriodicTask, pk=job_id)
    now = timezone.now()
    name = build_job_state(job, None, now=now).name
    try:
        cancel_job(job.task, cancelled_by=request.user.get_username(), at=now)
    except NotRunningError:
        messages.info(request, _("“%(job)s” is not running any more.") % {"job": name})
    except QueueError:
        messages.error(
            request, _("The job was not canceled, because the queue did not respond. Check Valkey, then try again.")
        )
    else:
        record_action("job.cancelled", instance=job, label=job.name)
        messages.success(
            request,
            _("“%(job)s” is being canceled. Unfinished work is rolled back, or completed by the next run.")
            % {"job": name},
        )
    return HttpResponseRedirect(find_way_back(request, job_id))


def find_way_back(request: HttpRequest, job_id: int) -> str:
    match request.POST.get("page"):
        case "job":
            return reverse("jobs:job", args=[job_id])
        case "home":
            return reverse("admin:index")
    return reverse("jobs:list")


def describe_jobs(states: list[JobState]) -> str:
    """Return how many jobs run or failed, in one sentence."""
    failed = [state.name for state in states if state.has_failed]
    if failed:
        return ngettext(
            "%(count)s job failed in its last run: %(names)s.",
            "%(count)s jobs failed in their last run: %(names)s.",
            len(failed),
        ) % {"count": format_count(len(failed)), "names": ", ".join(failed)}
    running = sum(state.is_running for state in states)
    if running:
        return ngettext(
            "No job failed in its last run; %(count)s is running now.",
            "No job failed in its last run; %(count)s are running now.",
            running,
        ) % {"count": format_count(running)}
    if not any(state.latest for state in states):
        return _("No job has run yet. Start the worker with “manage.py up”.")
    return _("No job failed in its last run.")


def format_job(state: JobState, *, now: datetime, queued_at: datetime | None) -> dict[str, Any]:
    """Return a job as a row of the page. queued_at: when somebody last put it into the queue."""
    latest = state.latest
    return {
        "id": state.job.pk,
        "url": reverse("jobs:job", args=[state.job.pk]),
        "name": state.name,
        "purpose": state.purpose,
        "schedule": state.schedule,
        "is_enabled": state.job.enabled,
        "is_running": state.is_running,
        "is_queued": is_queued(latest, queued_at=queued_at),
        "can_cancel": state.is_running and bool(latest and latest.celery_id and not latest.cancelled_by),
        "status": latest.get_status_display() if latest else "",
        "badge": BADGES[latest.status] if latest else "",
        "last": format_age(latest.finished_at or latest.started_at, as_of=now) if latest else NO_VALUE,
        "last_at": format_moment(latest.finished_at or latest.started_at) if latest else "",
        "duration": format_seconds(latest.seconds if latest and not state.is_running else None),
        "running_for": format_duration((now - latest.started_at).total_seconds())
        if latest and state.is_running
        else "",
        "next": format_next(state.next_at, now=now),
        "next_at": format_moment(state.next_at) if state.next_at else "",
        "has_failed": state.has_failed,
        "error": describe_job_error(latest) if latest else "",
        "retry": describe_retry(latest, now=now) if latest and state.has_failed else "",
        "details": describe_details(latest) if latest and state.has_failed else "",
    }


def is_queued(latest: ScheduledRun | None, *, queued_at: datetime | None) -> bool:
    """Return whether a job still waits for the worker: no run of it is in progress or has ended since it was put into the queue."""
    if queued_at is None or latest is None:
        return queued_at is not None
    return latest.finished_at is not None and latest.finished_at < queued_at


def describe_details(run: ScheduledRun) -> str:
    """Return the error of a failed run as Python names it; "" for an interrupted one, which has none."""
    return f"{run.error_type}: {run.error}".strip(": ") if run.error_type != INTERRUPTED else ""


def describe_retry(run: ScheduledRun, *, now: datetime) -> str:
    """Return when a failed run is repeated, or after how many attempts it was given up."""
    if run.retry_at is not None:
        return _("Attempt %(attempt)s failed. It is retried automatically %(when)s.") % {
            "attempt": format_count(run.attempt),
            "when": format_age(run.retry_at, as_of=now) if run.retry_at > now else _("in a moment"),
        }
    if run.attempt > 1 and run.error_type != INTERRUPTED:
        return _("Gave up after %(count)s attempts. The job starts again on schedule, or manually.") % {
            "count": format_count(run.attempt)
        }
    return ""


def build_duration_chart(runs: Sequence[ScheduledRun]) -> ChartSpec | None:
    """Return the duration of the last runs as bars, the failed ones in red; None for a job that has hardly run."""
    timed = [run for run in runs if run.seconds is not None]
    if len(timed) < MIN_CHART_RUNS:
        return None
    return build_bar_chart(
        labels=[format_moment(run.started_at) for run in timed],
        values=[round(run.seconds or 0.0, 1) for run in timed],
        texts=[f"{run.get_status_display()}, {format_seconds(run.seconds)}" for run in timed],
        colors=[COLORS.get(run.status, "theme:before") for run in timed],
        x_title=_("Start"),
        y_title=_("Seconds"),
    )


def format_next(next_at: datetime | None, *, now: datetime) -> str:
    """Return the time until the next start in words; "" for a paused job."""
    if next_at is None:
        return ""
    return _("due now") if next_at - now < DUE else format_age(next_at, as_of=now)


def format_run(run: ScheduledRun) -> dict[str, Any]:
    return {
        "started": Cell(format_moment(run.started_at)),
        "status": run.get_status_display(),
        "duration": format_seconds(run.seconds),
        "runs": format_count(run.runs),
        "by": run.started_by or (_("automatic retry") if run.attempt > 1 else _("schedule")),
        "error": Cell(describe_job_error(run) or NO_VALUE, title=f"{run.error_type}: {run.error}" if run.error else ""),
    }


def format_seconds(seconds: float | None) -> str:
    if seconds is None:
        return NO_VALUE
    return _("under 1 second") if seconds < 1 else format_duration(seconds)
