"""What runs when. The list is written into django-celery-beat's tables after every migration and edited in the back office from then on."""

from dataclasses import dataclass
from typing import Any

from cron_descriptor import FormatException, MissingFieldException, Options, WrongArgumentException, get_description
from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connections, transaction
from django.db.models.signals import post_migrate
from django.utils.functional import Promise
from django.utils.translation import get_language, ngettext, override
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from config.celery import app


@dataclass(frozen=True)
class Job:
    """A periodic task: its name in Celery, when it runs, and what it does.

    ``cron`` has five fields in the shop's time zone; what runs more often than every minute has ``seconds`` instead. A tick that no
    worker took within those seconds is dropped: the next one does its work, and no queue of them piles up.
    """

    task: str
    title: str | Promise
    does: str | Promise
    cron: str = ""  # minute hour day-of-month month day-of-week
    seconds: int = 0

    @property
    def name(self) -> str:
        """The title in English, under which the job stands in the tables."""
        with override("en"):
            return str(self.title)


SCHEDULE: tuple[Job, ...] = (
    Job(
        task="customers.processing.tasks.process_events",
        seconds=2,
        title=_("Process events"),
        does=_("Makes orders, reviews, consents and profiles of the events that came in."),
    ),
    Job(
        task="customers.lifecycle.tasks.refresh_due",
        cron="*/10 * * * *",
        title=_("Move customers whose stage is due"),
        does=_("Moves the customers whose stage changes by the passing of time alone."),
    ),
    Job(
        task="customers.segments.tasks.evaluate_segments",
        cron="15 * * * *",
        title=_("Count segments"),
        does=_("Counts the members of every segment for the lists."),
    ),
    Job(
        task="recommendations.merchandising.tasks.write_segment_members",
        cron="* * * * *",
        title=_("Write who is in the segments of rules"),
        does=_("Writes the file by which a request knows whether a rule for a segment holds for somebody."),
    ),
    Job(
        task="customers.events.tasks.ensure_partitions",
        cron="5 0 * * *",
        title=_("Make partitions for events"),
        does=_("Makes the tables for the events of the coming months."),
    ),
    Job(
        task="customers.events.tasks.purge_receipts",
        cron="20 0 * * *",
        title=_("Purge event receipts"),
        does=_("Removes old receipts, by which repeated events are known."),
    ),
    Job(
        task="customers.events.tasks.purge_events",
        cron="45 0 * * *",
        title=_("Purge old events"),
        does=_("Removes events that are older than their source keeps them."),
    ),
    Job(
        task="customers.events.tasks.purge_rejected_events",
        cron="25 0 * * *",
        title=_("Purge rejected events"),
        does=_("Removes rejected events that nobody mended for long."),
    ),
    Job(
        task="config.access.tasks.purge_idempotent_answers",
        cron="30 0 * * *",
        title=_("Purge idempotent answers"),
        does=_("Removes answers kept for repeated writes, after a day."),
    ),
    Job(
        task="catalog.tasks.tidy_uploads",
        cron="35 0 * * *",
        title=_("Tidy uploaded feeds"),
        does=_("Removes uploaded product feeds that were taken or left lying."),
    ),
    Job(
        task="customers.orders.tasks.tidy_order_uploads",
        cron="40 0 * * *",
        title=_("Tidy uploaded orders"),
        does=_("Removes uploaded order files that nobody confirmed within a week."),
    ),
    Job(
        task="customers.processing.tasks.purge_runs",
        cron="45 0 * * *",
        title=_("Purge processing runs"),
        does=_("Removes the records of processing runs after 30 days, those of small runs after one."),
    ),
    Job(
        task="customers.warehouse.tasks.export_warehouse",
        cron="0 1 * * *",
        title=_("Export to the warehouse"),
        does=_("Writes what is new or changed to the Parquet files that analysis and training read."),
    ),
    Job(
        task="customers.lifecycle.tasks.refresh_profiles",
        cron="0 2 * * *",
        title=_("Refresh profiles"),
        does=_("Computes every customer's counters, RFM scores and stage anew."),
    ),
    Job(
        task="recommendations.serving.tasks.store_impressions",
        seconds=2,
        title=_("Store impressions"),
        does=_("Stores what was recommended to whom, as it waits in Valkey."),
    ),
    Job(
        task="recommendations.serving.tasks.count_performance",
        cron="*/15 * * * *",
        title=_("Count what followed from recommendations"),
        does=_("Counts the clicks, orders and revenue that followed from what was recommended."),
    ),
    Job(
        task="recommendations.serving.tasks.learn_position_bias",
        cron="30 4 * * *",
        title=_("Learn position bias"),
        does=_("Learns from clicks how far people look down in each place."),
    ),
    Job(
        task="recommendations.serving.tasks.tidy_impressions",
        cron="50 0 * * *",
        title=_("Tidy impressions"),
        does=_("Makes the tables for the impressions of the coming months and removes the old ones."),
    ),
    Job(
        task="recommendations.training.tasks.refresh_model",
        cron="*/15 * * * *",
        title=_("Refresh recommendations"),
        does=_("Adds what has happened since the training to the histories and counts of the model that serves."),
    ),
    Job(
        task="recommendations.training.tasks.train_nightly",
        cron="30 3 * * *",
        title=_("Train recommendations"),
        does=_("Trains and judges the recommendation models, and lets a better one serve."),
    ),
)


def job_of(task_name: str) -> Job | None:
    """The job of our schedule that runs a task."""
    return next((job for job in SCHEDULE if job.task == task_name), None)


def sync_schedule(*, jobs: tuple[Job, ...] = SCHEDULE) -> None:
    """Creates the jobs whose task is not scheduled yet and removes those whose task is gone; what a person edited stays."""
    app.loader.import_default_modules()
    with transaction.atomic():
        gone = PeriodicTask.objects.exclude(task__in=list(app.tasks))
        removed, _counts = gone.delete()
        scheduled = set(PeriodicTask.objects.values_list("task", flat=True))
        missing = [job for job in jobs if job.task not in scheduled]
        for job in missing:
            _create(job)
        if removed or missing:
            PeriodicTasks.update_changed()


def _create(job: Job) -> None:
    if job.seconds:
        interval, _created = IntervalSchedule.objects.get_or_create(every=job.seconds, period=IntervalSchedule.SECONDS)
        PeriodicTask.objects.create(name=job.name, task=job.task, interval=interval, expire_seconds=job.seconds)
        return
    minute, hour, day_of_month, month_of_year, day_of_week = job.cron.split()
    crontab, _created = CrontabSchedule.objects.get_or_create(
        minute=minute,
        hour=hour,
        day_of_month=day_of_month,
        month_of_year=month_of_year,
        day_of_week=day_of_week,
        timezone=settings.TIME_ZONE,
    )
    PeriodicTask.objects.create(name=job.name, task=job.task, crontab=crontab)


def schedule_in_words(task: PeriodicTask) -> str:
    """When a task runs, in the language of the reader."""
    if task.crontab:
        return _crontab_in_words(task.crontab)
    if task.interval:
        return _interval_in_words(task.interval)
    return str(task.scheduler)


def _crontab_in_words(crontab: CrontabSchedule) -> str:
    expression = " ".join(
        str(part).replace(" ", "")
        for part in (crontab.minute, crontab.hour, crontab.day_of_month, crontab.month_of_year, crontab.day_of_week)
    )
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "zh_CN" if (get_language() or "").startswith("zh") else "en_US"
    try:
        words = get_description(expression, options)
    except (FormatException, MissingFieldException, WrongArgumentException):
        words = expression
    return f"{words} ({crontab.timezone})"


def _interval_in_words(interval: IntervalSchedule) -> str:
    every = interval.every
    words = {
        "days": ngettext("every day", "every %(every)d days", every),
        "hours": ngettext("every hour", "every %(every)d hours", every),
        "minutes": ngettext("every minute", "every %(every)d minutes", every),
        "seconds": ngettext("every second", "every %(every)d seconds", every),
        "microseconds": ngettext("every microsecond", "every %(every)d microseconds", every),
    }
    return words[interval.period] % {"every": every}


def sync_after_migrate(using: str, **kwargs: Any) -> None:
    """Not while the tables are away, as after `migrate django_celery_beat zero`."""
    if PeriodicTask._meta.db_table in connections[using].introspection.table_names():
        sync_schedule()


def keep_schedule_in_step() -> None:
    """Called once the apps are loaded."""
    beat: AppConfig = apps.get_app_config("django_celery_beat")
    post_migrate.connect(sync_after_migrate, sender=beat, dispatch_uid="config.schedule")
