"""The doctor asks the workers of all machines when they started; without a database, whose connections a worker closes at its start."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Celery
from django.utils import timezone

from config.monitoring.doctor.process_checks import find_start
from tests.config.jobs.workers import run_worker


def test_a_worker_of_any_machine_says_when_it_started(settings: Any, tmp_path: Path, valkey: Any) -> None:
    settings.VAR_DIR = tmp_path  # where no `up` runs
    worker = Celery("probe", broker=settings.CELERY_BROKER_URL, set_as_current=False)
    worker.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    before = timezone.now()
    assert find_start(now=before) is None
    with run_worker(worker, queues=["probe"]):
        now = timezone.now()
        started_at = find_start(now=now)
    assert started_at is not None
    assert before - timedelta(seconds=1) <= started_at <= now, "the uptime is rounded to seconds"
