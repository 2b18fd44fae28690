"""Background tasks of destinations; they run in the worker for frequent jobs, never in the process that receives events."""

from celery import shared_task
from django.utils import timezone

from customers.destinations.outbox import audiences, collecting, removals, sending

# a run frees the worker after this time; the next one continues
MAX_RUN_SECONDS = 8.0


@shared_task(exclusive=True, quiet=True)
def send_to_destinations() -> int:
    """Collect what destinations are to receive, and send what is due; return how many records were accepted."""
    now = timezone.now()
    collecting.collect_records(at=now)
    removals.send_removals(at=now)
    return sending.send_due(at=now, seconds=MAX_RUN_SECONDS)


@shared_task(exclusive=True)
def synchronize_audiences() -> int:
    """Bring the audiences of advertising accounts in line with segments and consents; return how many people changed."""
    sending.read_notices(at=timezone.now())
    return audiences.synchronize_audiences(at=timezone.now())
