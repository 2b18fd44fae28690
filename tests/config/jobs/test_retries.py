"""Automatic retries of failed jobs: their budget, their start, and what the page shows."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.jobs.models import ScheduledRun
from config.jobs.recording import record_scheduled_run
from config.jobs.retries import start_due_retries
from config.schedule import sync_schedule

pytestmark = pytest.mark.django_db
NIGHTLY, HOURLY = "customers.lifecycle.tasks.refresh_profiles", "recommendations.experiments.tasks.update_bandits"
FREQUENT, QUARTERLY = "customers.processing.tasks.process_events", "recommendations.training.tasks.refresh_model"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    sync_schedule()
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("config.jobs.control.app.send_task", lambda name, **options: calls.append((name, options)))
    return calls


def fail(task: str, attempt: int = 1, error: type[Exception] = OSError) -> ScheduledRun:
    with pytest.raises(error), record_scheduled_run(task, celery_id="abc", attempt=attempt):
        raise error("ada@shop.example was not written")
    return ScheduledRun.objects.filter(task=task).latest("pk")


@pytest.mark.parametrize(
    ("task", "attempt", "minutes"),
    [
        *((NIGHTLY, 1, 5), (NIGHTLY, 2, 30), (NIGHTLY, 3, 120), (NIGHTLY, 4, None)),
        *((HOURLY, 1, 5), (HOURLY, 2, None), (FREQUENT, 1, None), (QUARTERLY, 1, None)),
    ],
)
def test_the_budget_follows_the_schedule(task: str, attempt: int, minutes: int | None) -> None:
    run = fail(task, attempt)
    assert run.error == "••• was not written"
    assert (run.retry_at is None) is (minutes is None)
    if run.retry_at is not None and minutes is not None:
        assert run.finished_at is not None
        assert run.retry_at - run.finished_at == timedelta(minutes=minutes)


def test_a_due_repetition_starts_once_with_the_next_attempt(sent: list[tuple[str, dict[str, Any]]]) -> None:
    fail(NIGHTLY, 2)
    now = timezone.now()
    assert start_due_retries(now=now) == 0
    assert start_due_retries(now=now + timedelta(minutes=31)) == 1
    assert start_due_retries(now=now + timedelta(minutes=31)) == 0
    assert [(task, options["headers"]) for task, options in sent] == [(NIGHTLY, {"started_by": "", "attempt": 3})]


def test_a_paused_job_and_one_that_ran_meanwhile_are_not_repeated(sent: list[tuple[str, dict[str, Any]]]) -> None:
    fail(NIGHTLY)
    with record_scheduled_run(NIGHTLY, celery_id="abc"):
        pass
    fail(HOURLY)
    PeriodicTask.objects.filter(task=HOURLY).update(enabled=False)
    assert start_due_retries(now=timezone.now() + timedelta(hours=3)) == 0
    assert sent == []


def test_a_permanent_error_is_not_repeated() -> None:
    class UnreadableFieldError(Exception):
        pass

    assert fail(NIGHTLY, error=UnreadableFieldError).retry_at is None


def test_the_page_tells_of_the_repetition_and_of_giving_up(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_schedule()
    page = reverse("jobs:job", args=[PeriodicTask.objects.get(task=NIGHTLY).pk])
    failed_at = fail(NIGHTLY).finished_at
    assert failed_at is not None
    with monkeypatch.context() as context:
        context.setattr("config.jobs.backoffice.pages.timezone", SimpleNamespace(now=lambda: failed_at))
        text = admin_client.get(page).text
    assert "Attempt 1 failed. It is retried automatically in 5 minutes." in text
    assert "Run again" in text
    assert "Check the free space and the permissions" in text
    fail(NIGHTLY, 4)
    assert "Gave up after 4 attempts." in admin_client.get(page).text
    fail(NIGHTLY, 4)
    response = admin_client.get(page, headers={"accept-language": "zh-hans"})
    assert "尝试 4 次后已放弃" in response.text
    assert len(response.context["chart"]["traces"][0]["y"]) == 3
