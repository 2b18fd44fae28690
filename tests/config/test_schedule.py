"""The schedule has every periodic task, no missing ones, and keeps the operator's changes."""

import inspect

import pytest
from django.utils import translation
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from config.celery import app
from config.schedule import AWAITED_TASKS, DEMO_JOBS, SCHEDULE, ScheduledJob, describe_schedule, sync_schedule
from customers.connectors.follow_ups.registry import list_follow_ups

ROOMS = ("catalog.", "customers.", "recommendations.", "config.")
JOB = ScheduledJob(task="celery.backend_cleanup", cron="15 4 * * *", title="Clean up", description="Cleans up.")


def list_project_tasks() -> dict[str, object]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if name.startswith(ROOMS)}


def runs_without_arguments(task: object) -> bool:
    parameters = inspect.signature(task.run).parameters.values()  # type: ignore[attr-defined]
    return all(parameter.default is not inspect.Parameter.empty for parameter in parameters)


def test_every_scheduled_task_exists() -> None:
    assert {job.task for job in (*SCHEDULE, *DEMO_JOBS)} - set(list_project_tasks()) == set()


def test_every_mail_task_exists() -> None:
    assert set(AWAITED_TASKS) - set(list_project_tasks()) == set()


def test_every_task_without_required_arguments_is_scheduled_or_sent_by_an_import() -> None:
    without_arguments = {name for name, task in list_project_tasks().items() if runs_without_arguments(task)}
    sent = {follow_up.warm_up_task for follow_up in list_follow_ups()}
    assert without_arguments - {job.task for job in (*SCHEDULE, *DEMO_JOBS)} - sent == set()


def test_every_scheduled_task_runs_one_at_a_time() -> None:
    tasks = list_project_tasks()
    assert [job.task for job in (*SCHEDULE, *DEMO_JOBS) if not tasks[job.task].exclusive] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("recommendations.sending.tasks.send_due_messages", "frequent"),
        ("recommendations.flows.tasks.run_flows", "frequent"),
        ("recommendations.flows.tasks.find_flow_dates", "frequent"),
        ("customers.processing.tasks.process_events", "frequent"),
        *((task, "frequent") for task in AWAITED_TASKS),
        ("recommendations.training.tasks.train_nightly", "celery"),
        ("customers.lifecycle.tasks.refresh_profiles", "celery"),
        ("a.task.without.schedule", "celery"),
    ],
)
def test_imports_and_trainings_do_not_wait_in_the_queue_of_messages(task: str, queue: str) -> None:
    assert app.amqp.router.route({}, task)["queue"].name == queue


def test_titles_and_tasks_are_unique() -> None:
    assert len({job.name for job in SCHEDULE}) == len({job.task for job in SCHEDULE}) == len(SCHEDULE)


@pytest.mark.django_db
def test_the_migration_creates_every_job() -> None:
    assert set(PeriodicTask.objects.values_list("task", flat=True)) >= {job.task for job in SCHEDULE}


@pytest.mark.django_db
def test_a_job_with_a_short_interval_has_half_a_minute_to_start() -> None:
    task = PeriodicTask.objects.get(task="customers.processing.tasks.process_events")
    assert (task.interval.every, task.interval.period, task.expire_seconds, task.crontab) == (2, "seconds", 30, None)
    with translation.override("en"):
        assert describe_schedule(task) == "every 2 seconds"
    with translation.override("zh-hans"):
        assert describe_schedule(task) == "每 2 秒"


def test_every_job_has_either_a_cron_or_an_interval() -> None:
    assert [job.task for job in SCHEDULE if bool(job.cron) == bool(job.seconds)] == []


@pytest.mark.django_db
def test_an_edited_job_is_kept() -> None:
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
def test_a_job_of_an_earlier_release_that_expires_after_its_interval_gets_more_time_to_start() -> None:
    tasks = PeriodicTask.objects.filter(
        task__in=["customers.processing.tasks.process_events", "config.monitoring.tasks.check_alarms"]
    )
    tasks.filter(task__endswith="process_events").update(expire_seconds=2)
    tasks.filter(task__endswith="check_alarms").update(expire_seconds=7)
    sync_schedule()
    assert list(tasks.order_by("-task").values_list("expire_seconds", flat=True)) == [30, 7]


@pytest.mark.django_db
def test_a_job_that_runs_every_few_minutes_also_runs_in_the_hour_that_the_clocks_repeat() -> None:
    PeriodicTask.objects.filter(task="customers.imports.tasks.fetch_feeds").delete()
    CrontabSchedule.objects.update(timezone="Europe/Berlin")  # as in earlier releases
    sync_schedule()
    zones = {hour: str(zone) for hour, zone in CrontabSchedule.objects.values_list("hour", "timezone")}
    assert zones["*"] == "UTC"
    assert set(zones.values()) == {"UTC", "Europe/Berlin"}, "nightly jobs follow the shop's clocks"
    task = PeriodicTask.objects.get(task="customers.imports.tasks.fetch_feeds")
    assert (task.crontab.hour, str(task.crontab.timezone)) == ("*", "UTC")


@pytest.mark.django_db
def test_a_job_without_a_task_is_removed() -> None:
    crontab = CrontabSchedule.objects.create(minute="0", hour="4")
    PeriodicTask.objects.create(name="Old", task="catalog.removed.refresh", crontab=crontab)
    sync_schedule()
    assert not PeriodicTask.objects.filter(name="Old").exists()


@pytest.mark.django_db
def test_a_second_sync_changes_nothing() -> None:
    sync_schedule()
    before = list(PeriodicTask.objects.order_by("pk").values())
    sync_schedule()
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(("language", "description"), [("en", "Every day at 04:15"), ("zh-hans", "每天 04:15")])
def test_a_crontab_is_described_in_words(language: str, description: str) -> None:
    crontab = CrontabSchedule(minute="15", hour="4", timezone="UTC")
    with translation.override(language):
        assert description in describe_schedule(PeriodicTask(crontab=crontab))


@pytest.mark.parametrize(
    ("crontab", "description"),
    [
        ("*/15 * * * *", "Every 15 minutes"),
        ("20 * * * *", "At 20 minutes past the hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("30 7-17 * * *", "At 30 minutes past the hour, between 07:00 and 17:59 (Asia/Shanghai)"),
        ("0 * * * 1", "Every hour, only on Monday (Asia/Shanghai)"),
        ("0 9,18 * * *", "At 09:00 and 18:00 (Asia/Shanghai)"),
    ],
)
def test_only_a_time_of_day_names_its_time_zone(crontab: str, description: str) -> None:
    minute, hour, _day, _month, weekday = crontab.split()
    schedule = CrontabSchedule(minute=minute, hour=hour, day_of_week=weekday, timezone="Asia/Shanghai")
    with translation.override("en"):
        assert describe_schedule(PeriodicTask(crontab=schedule)) == description


def test_an_interval_is_described_in_words() -> None:
    with translation.override("en"):
        assert (
            describe_schedule(PeriodicTask(interval=IntervalSchedule(every=10, period="minutes"))) == "every 10 minutes"
        )
