"""What the schedule starts."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from customers.processing import pipeline, retention

# a run gives the worker back after this long; the next tick goes on
SECONDS = 20.0


# while a run goes on, ticks find it at work: that is how it is meant
@shared_task(exclusive=True, quiet=True)
def process_events() -> None:
    """Every two seconds."""
    pipeline.process_events(at=timezone.now(), seconds=SECONDS)


@shared_task(exclusive=True)
def purge_runs() -> None:
    now = timezone.now()
    retention.purge_runs(before=now - timedelta(days=30), small_before=now - timedelta(days=1))
