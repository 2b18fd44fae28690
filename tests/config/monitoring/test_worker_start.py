"""The doctor asks the workers of all machines when they started; without a database, whose connections a worker closes at its start."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from celery import Celery
from django.utils import timezone

from config.monitoring.doctor.process_checks import find_start
from tests.config.jobs.workers import run_worker
from tests.waiting import wait_until


def test_a_worker_of_any_machine_says_when_it_started(settings: Any, tmp_path: Path, valkey: Any) -> None:
    settings.VAR_DIR = tmp_path  # where no `up` runs
    worker = Celery("probe", broker=settings.CELERY_BROKER_URL, set_as_current=False)
    worker.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    before = timezone.now()
    assert find_start() is None
    answers: list[datetime] = []

    def ask() -> bool:
        started_at = find_start()
        if started_at is not None:
            answers.append(started_at)
        return bool(answers)

    with run_worker(worker, queues=["probe"]):
        wait_until(ask, what="the answer of a worker, which a busy machine may delay")
    assert before - timedelta(seconds=1) <= answers[0] <= timezone.now(), "the uptime is rounded to seconds"
