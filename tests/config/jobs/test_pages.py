"""The Jobs page: state, history, start and cancellation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from config.jobs.models import ScheduledRun
from config.jobs.overview import build_job_state
from config.jobs.recording import INTERRUPTED, record_scheduled_run
from config.schedule import SCHEDULE, sync_schedule
from customers.lifecycle.models import LifecycleRun
from customers.orders.models import OrderImport
from tests.config.jobs.workers import pretend_active
from tests.customers.events.makers import log_in_as

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]  # which remembers what was put into the queue
PAGE = reverse("jobs:list")
TASK = "customers.lifecycle.tasks.refresh_profiles"


@pytest.fixture
def job() -> PeriodicTask:
    sync_schedule()
    return PeriodicTask.objects.get(task=TASK)


def make_run(status: str, **fields: Any) -> ScheduledRun:
    started_at = datetime.now(UTC) - timedelta(minutes=5)
    values = {"task": TASK, "celery_id": "abc", "started_at": started_at, **fields}
    if status != "running":
        values |= {"finished_at": started_at + timedelta(seconds=90), "seconds": 90.0}
    return ScheduledRun.objects.create(status=status, **values)


@pytest.mark.parametrize(("language", "name"), [("en", "Refresh profiles"), ("zh-hans", "刷新客户画像")])
def test_every_job_has_a_plain_name_a_schedule_and_its_latest_run(
    admin_client: Client, job: PeriodicTask, language: str, name: str
) -> None:
    make_run("done")
    page = admin_client.get(PAGE, headers={"accept-language": language})
    assert name in page.text
    rows = {row["id"]: row for row in page.context["rows"]}
    assert len(rows) == len(SCHEDULE)
    assert rows[job.pk]["duration"] == ("2 minutes" if language == "en" else "2分钟")
    assert all(row["schedule"] and row["next"] for row in rows.values())


def test_a_failed_job_comes_first_with_its_reason_and_its_history(admin_client: Client, job: PeriodicTask) -> None:
    make_run("failed", error_type="MemoryError", started_at=datetime.now(UTC) - timedelta(days=1))
    page = admin_client.get(PAGE)
    assert page.context["verdict"] == "1 job failed in its last run: Refresh profiles."
    assert page.context["rows"][0]["id"] == job.pk
    assert "Give the worker more memory" in page.text
    make_run("done")
    assert admin_client.get(PAGE).context["verdict"] == "No job failed in its last run."
    history = admin_client.get(reverse("jobs:job", args=[job.pk])).context["history"]
    assert [str(row[1].text) for row in history.rows] == ["done", "failed"]


def test_a_job_that_was_interrupted_while_it_was_retried_was_not_given_up(
    admin_client: Client, job: PeriodicTask
) -> None:
    make_run("failed", error_type=INTERRUPTED, attempt=2)
    row = admin_client.get(reverse("jobs:job", args=[job.pk])).context["row"]
    assert (row["retry"], row["details"]) == ("", "")
    assert "The job runs again automatically." in row["error"]


def test_the_next_start_follows_the_schedule_and_a_paused_job_has_none(job: PeriodicTask) -> None:
    now = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
    state = build_job_state(job, None, now=now)
    assert state.next_at is not None
    assert timedelta(0) < state.next_at - now <= timedelta(days=1)
    job.enabled = False
    assert build_job_state(job, None, now=now).next_at is None


def test_run_now_puts_the_job_into_the_queue_and_is_recorded(
    job: PeriodicTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("config.jobs.control.app.send_task", lambda name, **options: sent.append((name, options)))
    page = log_in_as("Operator").post(reverse("jobs:start", args=[job.pk]), follow=True)
    assert "“Refresh profiles” was put into the queue." in page.text
    assert sent[0][0] == TASK
    assert sent[0][1]["headers"] == {"started_by": "Operator"}
    assert LogEntry.objects.filter(additional_data__event="job.started").count() == 1


def test_a_started_job_waits_for_the_worker_until_it_runs(
    admin_client: Client, job: PeriodicTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.jobs.control.app.send_task", lambda _name, **_options: None)
    own_page = reverse("jobs:job", args=[job.pk])
    for _time in range(2):
        page = admin_client.post(reverse("jobs:start", args=[job.pk]), {"page": "job"}, follow=True).text
        assert "Waiting for the worker" in page
        assert "The worker starts it on schedule." not in page
        assert "Run Refresh profiles now" not in page
        assert "Waiting for the worker" in admin_client.get(PAGE).text
        with record_scheduled_run(TASK, celery_id="abc", started_by="admin"):
            assert "Waiting for the worker" not in admin_client.get(own_page).text
        page = admin_client.get(own_page).text
        assert "Waiting for the worker" not in page
        assert "Run Refresh profiles now" in page


def test_a_running_job_can_be_cancelled_and_not_started(
    admin_client: Client, job: PeriodicTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("config.jobs.control.app.control.revoke", lambda id, **options: revoked.append((id, options)))
    pretend_active(monkeypatch, "abc")
    run = make_run("running")
    page = admin_client.get(reverse("jobs:job", args=[job.pk])).text
    assert "Cancel Refresh profiles" in page
    assert "Run Refresh profiles now" not in page
    page = admin_client.post(reverse("jobs:cancel", args=[job.pk]), follow=True).text
    assert "is being canceled" in page
    assert revoked == [("abc", {"terminate": True, "signal": "SIGUSR1"})]
    run.refresh_from_db()
    assert run.cancelled_by == "admin"
    run.delete()
    assert "is not running any more" in admin_client.post(reverse("jobs:cancel", args=[job.pk]), follow=True).text


def test_a_queue_that_does_not_answer_is_reported(
    admin_client: Client, job: PeriodicTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(name: str, **options: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("config.jobs.control.app.send_task", break_down)
    assert "Check Valkey" in admin_client.post(reverse("jobs:start", args=[job.pk]), follow=True).text


def test_only_operators_start_and_cancel(job: PeriodicTask) -> None:
    analyst = log_in_as("Analyst")
    assert analyst.get(PAGE).status_code == 403
    assert analyst.post(reverse("jobs:start", args=[job.pk])).status_code == 403
    assert analyst.post(reverse("jobs:cancel", args=[job.pk])).status_code == 403
    assert log_in_as("Operator").get(reverse("jobs:start", args=[job.pk])).status_code == 405


def test_titles_of_runs_state_the_time_in_the_time_zone_of_the_shop() -> None:
    at = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    runs = [
        ScheduledRun(task=TASK, started_at=at),
        LifecycleRun(as_of=at),
        OrderImport(file_name="orders.csv", started_at=at),
    ]
    with timezone.override("Asia/Shanghai"):
        assert all("2026-11-25 07:30" in str(run) for run in runs)
