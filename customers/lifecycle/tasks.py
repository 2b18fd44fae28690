"""What the schedule starts."""

from celery import shared_task
from django.utils import timezone

from customers.lifecycle.refresh import nightly


@shared_task(exclusive=True)
def refresh_profiles() -> None:
    """Nightly: everybody."""
    now = timezone.now()
    nightly.refresh_profiles(as_of=now, started_at=now)


@shared_task(exclusive=True)
def refresh_due_stages() -> None:
    """Every ten minutes: those for whom time has changed the stage, and the values of those who ordered."""
    now = timezone.now()
    nightly.refresh_due_stages(as_of=now)
    nightly.refresh_outdated_scores(as_of=now)
