"""Scheduled tasks of event processing."""

from datetime import datetime, timedelta

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from customers.processing import pipeline
from customers.processing.models import ProcessingRun

# a run frees the worker after this time; the next tick continues
MAX_RUN_SECONDS = 20.0
SMALL_RUN_EVENTS = 1_000


# quiet: while a long run is in progress, the lock is regularly held when the next run is due
@shared_task(exclusive=True, quiet=True)
def process_events() -> None:
    """Process waiting events; runs every two seconds."""
    pipeline.process_events(at=timezone.now(), seconds=MAX_RUN_SECONDS)


@shared_task(exclusive=True)
def purge_runs() -> None:
    """Delete old records of processing runs; there may be one every two seconds."""
    now = timezone.now()
    delete_old_runs(before=now - timedelta(days=30), small_before=now - timedelta(days=1))


def delete_old_runs(*, before: datetime, small_before: datetime) -> int:
    """Delete runs older than ``before``, and small successful ones older than ``small_before``.

    Return their number.
    """
    small = Q(started_at__lt=small_before, events__lt=SMALL_RUN_EVENTS, status=ProcessingRun.Status.DONE, error="")
    deleted, _of_each_model = ProcessingRun.objects.filter(Q(started_at__lt=before) | small).delete()
    return deleted
