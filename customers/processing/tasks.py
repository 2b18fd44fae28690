"""Scheduled tasks of event processing."""

from celery import shared_task
from django.utils import timezone

from customers.processing import pipeline

# a run frees the worker after this time; the next tick continues
MAX_RUN_SECONDS = 20.0


# quiet: while a long run is in progress, the lock is regularly held when the next run is due
@shared_task(exclusive=True, quiet=True)
def process_events() -> None:
    """Process waiting events; runs every two seconds."""
    pipeline.process_events(at=timezone.now(), seconds=MAX_RUN_SECONDS)
