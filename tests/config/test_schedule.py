"""The schedule names tasks that exist, leaves nothing periodic out, and respects what people edited."""

import inspect

import pytest
from django.utils import translation
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from config.celery import app
from config.schedule import SCHEDULE, ScheduledJob, describe_schedule, sync_schedule

ROOMS = ("catalog.", "customers.", "recommendations.", "config.")
JOB = ScheduledJob(task="celery.backend_cleanup", cron="15 4 * * *", title="Clean up", does="Cleans up.")


def our_tasks() -> dict[str, object]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if name.startswith(ROOMS)}


def needs_no_argument(task: object) -> bool:
    parameters = inspect.signature(task.run).parameters.values()  # type: ignore[attr-defined]
    return all(parameter.default is not inspect.Parameter.empty for parameter in parameters)


def test_every_scheduled_task_exists() -> None:
    assert {job.task for job in SCHEDULE} - set(our_tasks()) == set()


def test_every_task_that_can_run_by_itself_is_scheduled() -> None:
    alone = {name for name, task in our_tasks().items() if needs_no_argument(task)}
    assert alone - {job.task for job in SCHEDULE} == set()


def test_every_scheduled_task_runs_one_at_a_time() -> None:
    tasks = our_tasks()
    assert [job.task for job in SCHEDULE if not tasks[job.task].exclusive] == []  # type: ignore[attr-defined]


def test_titles_and_tasks_are_unique() -> None:
    assert len({job.name for job in SCHEDULE}) == len({job.task for job in SCHEDULE}) == len(SCHEDULE)


@pytest.mark.django_db
def test_migration_leaves_every_job_in_the_tables() -> None:
    assert set(PeriodicTask.objects.values_list("task", flat=True)) >= {job.task for job in SCHEDULE}


@pytest.mark.django_db
def test_what_runs_every_few_seconds_leaves_no_queue_of_missed_ticks() -> None:
    task = PeriodicTask.objects.get(task="customers.processing.tasks.process_events")
    assert (task.interval.every, task.interval.period, task.expire_seconds, task.crontab) == (2, "seconds", 2, None)
    with translation.override("en"):
        assert describe_schedule(task) == "every 2 seconds"
    with translation.override("zh-hans"):
        assert describe_schedule(task) == "每 2 秒"


def test_every_job_says_when_it_runs_in_one_way() -> None:
    assert [job.task for job in SCHEDULE if bool(job.cron) == bool(job.seconds)] == []


@pytest.mark.django_db
def test_job_that_was_edited_stays_as_it_is() -> None:
    sync_schedule(jobs=(JOB,))
    task = PeriodicTask.objects.get(task=JOB.task)
    task.name, task.enabled = "Renamed", False
    task.crontab = None
    task.interval = IntervalSchedule.objects.create(every=3, period="hours")
    task.save()
    sync_schedule(jobs=(JOB,))
    task = PeriodicTask.objects.get(task=JOB.task)
    assert (task.name, task.enabled, task.interval.every) == ("Renamed", False, 3)


@pytest.mark.django_db
def test_job_whose_task_is_gone_is_removed() -> None:
    crontab = CrontabSchedule.objects.create(minute="0", hour="4")
    PeriodicTask.objects.create(name="Old", task="catalog.tasks.no_longer_there", crontab=crontab)
    sync_schedule()
    assert not PeriodicTask.objects.filter(name="Old").exists()


@pytest.mark.django_db
def test_second_sync_changes_nothing() -> None:
    sync_schedule()
    before = list(PeriodicTask.objects.order_by("pk").values())
    sync_schedule()
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(("language", "words"), [("en", "At 04:15"), ("zh-hans", "04:15")])
def test_schedule_reads_in_words(language: str, words: str) -> None:
    crontab = CrontabSchedule(minute="15", hour="4", timezone="UTC")
    with translation.override(language):
        assert words in describe_schedule(PeriodicTask(crontab=crontab))


def test_interval_reads_in_words() -> None:
    with translation.override("en"):
        assert (
            describe_schedule(PeriodicTask(interval=IntervalSchedule(every=10, period="minutes"))) == "every 10 minutes"
        )
