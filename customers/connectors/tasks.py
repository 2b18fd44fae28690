"""Background tasks of connectors."""

from celery import shared_task
from django.utils import timezone

from customers.connectors.follow_ups import preparation
from customers.connectors.sync import runs
from customers.connectors.webhooks import processing

# a run frees the worker after this time; the next one continues
MAX_PROCESSING_SECONDS = 8.0


@shared_task(exclusive=True, quiet=True)
def process_shop_webhooks() -> int:
    """Import what webhooks of shops have announced."""
    return processing.process_due(at=timezone.now(), seconds=MAX_PROCESSING_SECONDS)


@shared_task(exclusive=True, quiet=True)
def synchronize_shops() -> int:
    """Start the runs that are due, continue those that are unfinished, and start what follows an imported history."""
    runs.start_due_runs(at=timezone.now())
    count = runs.continue_due_runs(at=timezone.now())
    preparation.continue_follow_ups(at=timezone.now())
    return count
