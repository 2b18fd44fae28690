"""Background tasks of sending."""

from celery import shared_task
from django.utils import timezone

from recommendations.sending import sender
from recommendations.sending.global_holdout.measuring import measure_months
from recommendations.sending.tracking import storing


@shared_task(exclusive=True, quiet=True)
def send_due_messages() -> int:
    """Send the messages that are due; return how many were decided about."""
    return sender.send_due(now=timezone.now()).decided


@shared_task(exclusive=True, quiet=True)
def store_message_opens() -> int:
    """Store opens and clicks of messages; return how many."""
    return storing.store_waiting_entries()


@shared_task(exclusive=True)
def measure_global_holdout() -> int:
    """Measure what marketing causes: the months that are not final yet, and the whole time; return how many months."""
    return measure_months(as_of=timezone.now())
