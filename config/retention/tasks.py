"""The nightly deletion of old data."""

from celery import shared_task
from django.utils import timezone

from config.retention import purging


@shared_task(exclusive=True)
def purge_old_data() -> None:
    """Delete what is older than its retention."""
    purging.purge_old_data(now=timezone.now())
