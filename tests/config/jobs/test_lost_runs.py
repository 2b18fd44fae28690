"""Runs whose process or database connection was lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from config.foundation.database.advisory_locks import exclusive_lock, name_task_lock
from config.jobs.lost_runs import end_lost_runs
from config.jobs.models import ScheduledRun
from config.jobs.recording import INTERRUPTED
from config.schedule import sync_schedule
from tests.config.jobs.workers import pretend_active

pytestmark = pytest.mark.django_db
NIGHTLY = "customers.lifecycle.tasks.refresh_profiles"
NOW = datetime(2026, 11, 27, 3, 50, tzinfo=UTC)


def make_run(**fields: Any) -> ScheduledRun:
    values = {"task": NIGHTLY, "celery_id": "abc", "started_at": NOW - timedelta(minutes=13), **fields}
    return ScheduledRun.objects.create(status="running", **values)


def test_a_lost_run_is_marked_and_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_active(monkeypatch, "another")
    run = make_run(attempt=2)
    assert end_lost_runs(now=NOW) == 1
    run.refresh_from_db()
    assert (run.status, run.error_type, run.finished_at) == ("failed", INTERRUPTED, NOW)
    assert run.retry_at == NOW + timedelta(minutes=30)
    assert end_lost_runs(now=NOW) == 0


def test_a_lost_run_that_somebody_canceled_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_active(monkeypatch)
    run = make_run(cancelled_by="olga")
    assert end_lost_runs(now=NOW) == 1
    run.refresh_from_db()
    assert (run.status, run.retry_at) == ("cancelled", None)


def test_a_run_goes_on_while_its_lock_is_held_or_a_worker_is_busy_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_active(monkeypatch)
    run = make_run()
    with exclusive_lock(name_task_lock(NIGHTLY)):
        assert end_lost_runs(now=NOW) == 0
    pretend_active(monkeypatch, "abc")
    assert end_lost_runs(now=NOW) == 0
    for error in (OperationalError("connection refused"), redis.ConnectionError("Connection closed by server.")):
        pretend_active(monkeypatch, error=error)
        assert end_lost_runs(now=NOW) == 0
    run.refresh_from_db()
    assert run.status == "running"


@pytest.mark.usefixtures("valkey")  # which remembers what was put into the queue
def test_a_lost_run_cannot_be_canceled_and_its_job_can_be_started(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_schedule()
    job = PeriodicTask.objects.get(task=NIGHTLY)
    pretend_active(monkeypatch)
    make_run(started_at=datetime.now(UTC) - timedelta(days=30))
    page = admin_client.post(reverse("jobs:cancel", args=[job.pk]), {"page": "job"}, follow=True).text
    assert "is not running any more" in page
    assert "Run Refresh profiles again" in page
