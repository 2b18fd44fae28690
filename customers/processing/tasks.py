"""What the schedule starts."""

from celery import shared_task
from django.utils import timezone

from customers.processing import conveyor

# a run gives the worker back after this long; the next tick goes on
SECONDS = 20.0


@shared_task(exclusive=True)
def process_events() -> None:
    """Every two seconds."""
    conveyor.process_events(at=timezone.now(), seconds=SECONDS)
