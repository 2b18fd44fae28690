"""Checks of the processes: do worker and scheduler run, do queues grow, and did jobs fail?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.models import PeriodicTask

from config.celery import app
from config.foundation.number_formats import format_age, format_count
from config.foundation.processes.background_tasks import BROKER_ERRORS
from config.foundation.valkey import run_pipeline
from config.jobs.error_labels import describe_job_error
from config.jobs.history import list_latest_runs
from config.jobs.lost_runs import ANSWER_SECONDS
from config.jobs.models import ScheduledRun
from config.jobs.overview import INTERNAL, get_job_name
from config.monitoring.doctor.base import Diagnosis, DoctorCheck, report_error, report_ok, report_warning
from config.monitoring.models import MonitoringState
from config.supervisor.worker_lock import find_lock_time

ALIVE = timedelta(minutes=5)
MANY_TASKS = 200


def check_worker() -> Iterator[Diagnosis]:
    """Check that worker and scheduler are alive: every minute, the scheduler makes the worker check the alarm rules."""
    checked_at = MonitoringState.objects.values_list("checked_at", flat=True).first()
    fix = _("Start them with manage.py up, or the services perennial-worker, perennial-frequent and perennial-beat.")
    is_late = checked_at is None or timezone.now() - checked_at > ALIVE
    started_at = find_start() if is_late else None
    now = timezone.now()
    if started_at is not None and now - started_at <= ALIVE:
        yield report_warning(
            _("started %(ago)s, waiting for the first check of the alarms")
            % {"ago": format_age(started_at, as_of=now)},
            _("Run the doctor again in a few minutes."),
        )
    elif started_at is not None:
        text = _("started %(ago)s, but the alarms have not been checked for more than five minutes")
        yield report_error(text % {"ago": format_age(started_at, as_of=now)}, fix)
    elif checked_at is None:
        yield report_error(_("worker and scheduler have never run"), fix)
    elif checked_at - now > ALIVE:
        yield report_error(
            _("the last run of worker and scheduler is dated in the future: the clock was ahead and has been set back"),
            _(
                "Check the clock of every machine, and that worker and scheduler are running; the next run corrects the time."
            ),
        )
    elif is_late:
        yield report_error(_("worker or scheduler last ran %(ago)s") % {"ago": format_age(checked_at, as_of=now)}, fix)
    else:
        yield report_ok(_("worker and scheduler ran %(ago)s") % {"ago": format_age(checked_at, as_of=now)})


def find_start() -> datetime | None:
    """Return when the oldest of the workers that run, or the `manage.py up` that starts them, was started; None if none runs."""
    try:
        answers = app.control.inspect(timeout=ANSWER_SECONDS).stats() or {}
    except BROKER_ERRORS:
        answers = {}
    # after the answers: with an earlier time, a worker that answers late would seem to have started earlier
    now = timezone.now()
    starts = [now - timedelta(seconds=stats["uptime"]) for stats in answers.values()]
    locked_at = find_lock_time(settings.VAR_DIR)
    if locked_at is not None:
        starts.append(datetime.fromtimestamp(locked_at, UTC))
    return min(starts, default=None)


def check_queues() -> Iterator[Diagnosis]:
    names = (settings.LONG_QUEUE, settings.FREQUENT_QUEUE)
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]

    def fill(pipeline: object) -> None:
        for name in names:
            pipeline.llen(f"{prefix}{name}")  # type: ignore[attr-defined]

    lengths = dict(zip(names, run_pipeline(fill), strict=True))
    text = ", ".join(f"{name}: {format_count(length)}" for name, length in lengths.items())
    if max(lengths.values()) > MANY_TASKS:
        yield report_warning(
            _("tasks are waiting: %(queues)s") % {"queues": text},
            _("Check that both workers are running; add workers if they are busy."),
        )
    else:
        yield report_ok(_("waiting tasks: %(queues)s") % {"queues": text})


def check_jobs() -> Iterator[Diagnosis]:
    jobs = {job.task: job for job in PeriodicTask.objects.exclude(task__startswith=INTERNAL)}
    failed = [run for run in list_latest_runs() if run.status == ScheduledRun.Status.FAILED and run.task in jobs]
    for run in failed:
        name = get_job_name(run.task, jobs[run.task])
        yield report_warning(_("the last run of “%(job)s” failed") % {"job": name}, describe_job_error(run))
    if not failed:
        yield report_ok(_("no job failed in its last run"))


PROCESS_CHECKS = (
    DoctorCheck("worker", gettext_lazy("Worker and scheduler"), check_worker),
    DoctorCheck("queues", gettext_lazy("Queues"), check_queues),
    DoctorCheck("jobs", gettext_lazy("Jobs"), check_jobs),
)
