"""What the schedule starts."""

from celery import shared_task
from django.utils import timezone

from customers.lifecycle import refresh


@shared_task(exclusive=True)
def refresh_profiles() -> None:
    """Nightly: everybody."""
    now = timezone.now()
    refresh.refresh_profiles(as_of=now, started_at=now)


@shared_task(exclusive=True)
def refresh_due() -> None:
    """Every ten minutes: those for whom time has changed the stage, and the values of those who ordered."""
    now = timezone.now()
    refresh.refresh_due(as_of=now)
    refresh.refresh_values(as_of=now)
