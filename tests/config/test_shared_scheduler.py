"""Two schedulers on one database: each start is made once, and none is lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from config import shared_scheduler
from config.celery import app
from config.shared_scheduler import SharedScheduler

pytestmark = pytest.mark.django_db
NAME = "Hourly job of the test"


class Beat(SharedScheduler):
    """A scheduler that notes what it would put into the queue."""

    def __init__(self) -> None:
        super().__init__(app=app)
        self.sent: list[str] = []
        self.is_broken = False

    def apply_async(self, entry: Any, *_arguments: Any, **_options: Any) -> None:
        if self.is_broken:
            raise OperationalError("Valkey is down")
        self.sent.append(entry.name)

    def run_due(self) -> None:
        """Tick until nothing is due."""
        for _tick in range(20):
            if self.tick() > 0:
                return


class QueuingBeat(SharedScheduler):
    """A scheduler that starts jobs as in production, except that it only notes what it sends to Valkey."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        super().__init__(app=app)

    def send_task(self, name: str, *_arguments: Any, **_options: Any) -> None:
        self.sent.append(name)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> PeriodicTask:
    # it would close the connection of the test, with its transaction
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)
    PeriodicTask.objects.all().delete()
    hourly = IntervalSchedule.objects.create(every=1, period="hours")
    return PeriodicTask.objects.create(
        name=NAME, task="some.task", interval=hourly, last_run_at=timezone.now() - timedelta(hours=2)
    )


def test_a_due_job_is_started_by_one_of_two_schedulers(job: PeriodicTask) -> None:
    beats = [Beat(), Beat()]
    for beat in beats:
        assert NAME in beat.schedule  # both have read that it is due
    for beat in beats * 2:
        beat.run_due()
    assert [beat.sent.count(NAME) for beat in beats] == [1, 0]
    job.refresh_from_db()
    assert job.total_run_count == 1
    assert job.last_run_at > timezone.now() - timedelta(minutes=5)


def test_the_other_scheduler_goes_on_when_one_has_died(job: PeriodicTask) -> None:
    dead, alive = Beat(), Beat()
    assert NAME in alive.schedule
    dead.run_due()
    alive.run_due()
    entry = alive._schedule[NAME]
    assert entry.last_run_at == PeriodicTask.objects.get(pk=job.pk).last_run_at
    # an hour later
    shared_scheduler.set_last_run(entry, entry.last_run_at - timedelta(hours=2))
    PeriodicTask.objects.filter(pk=job.pk).update(last_run_at=entry.last_run_at)
    alive._heap = None
    alive.run_due()
    assert (dead.sent.count(NAME), alive.sent.count(NAME)) == (1, 1)


def test_a_start_that_could_not_be_queued_is_tried_again(job: PeriodicTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_scheduler, "RETRY_SECONDS", 0.0)
    beat = Beat()
    beat.is_broken = True
    assert beat.tick() == 0
    job.refresh_from_db()
    assert job.total_run_count == 0, "the claim was undone"
    beat.is_broken = False
    beat.run_due()
    assert beat.sent.count(NAME) == 1


def test_a_job_that_was_switched_off_meanwhile_is_not_started(job: PeriodicTask) -> None:
    beat = Beat()
    assert NAME in beat.schedule
    PeriodicTask.objects.filter(pk=job.pk).update(enabled=False)
    beat.run_due()
    assert NAME not in beat.sent


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_kept_although_celery_synchronizes_within_its_transaction() -> None:
    hourly = IntervalSchedule.objects.create(every=1, period="hours")
    started = timezone.now() - timedelta(hours=2)
    job = PeriodicTask.objects.create(name=NAME, task="some.task", interval=hourly, last_run_at=started)
    beat = QueuingBeat()
    entry = beat.schedule[NAME]
    beat.reserve(entry)
    beat._last_sync = None  # celery's scheduler synchronizes with the next task
    beat.apply_entry(entry)
    assert beat.sent == ["some.task"]
    job.refresh_from_db()
    assert (job.total_run_count, job.last_run_at > started) == (1, True)


def test_a_clock_that_was_ahead_does_not_stop_the_jobs(job: PeriodicTask) -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=1))
    beat = Beat()
    beat.run_due()
    assert beat.sent == [], "an hour after the corrected time"
    job.refresh_from_db()
    assert job.last_run_at is not None
    assert abs(job.last_run_at - timezone.now()) < timedelta(minutes=5)
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(minutes=61))
    later = Beat()
    later.run_due()
    assert later.sent == [NAME]


def test_beat_stops_although_the_signal_comes_within_a_transaction(job: PeriodicTask) -> None:
    class StoppedBeat(Beat):
        def apply_async(self, *_arguments: Any, **_options: Any) -> None:
            try:
                raise SystemExit  # Celery's handler of SIGINT and SIGTERM
            finally:
                raise ProgrammingError("can't change 'autocommit' now: connection in transaction status ACTIVE")

    with pytest.raises(SystemExit):
        StoppedBeat().run_due()
