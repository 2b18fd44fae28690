"""Background tasks of webhooks."""

from celery import shared_task
from django.utils import timezone

from recommendations.webhooks import delivering, publishing

# a run frees the worker after this time; the next one continues
MAX_RUN_SECONDS = 8.0


@shared_task(exclusive=True, quiet=True)
def deliver_webhooks() -> int:
    """Collect what happened to messages and deliver what is due; return how many notifications were accepted."""
    publishing.collect_message_events(now=timezone.now())
    return delivering.deliver_until(now=timezone.now(), seconds=MAX_RUN_SECONDS)
