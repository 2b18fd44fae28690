"""Scheduled tasks of lifecycle."""

from celery import shared_task
from django.utils import timezone

from customers.lifecycle.refresh import nightly
from customers.lifecycle.summary import count_figures


@shared_task(exclusive=True)
def refresh_profiles() -> None:
    """Refresh all profiles, every night, and compute the figures of the Lifecycle pages in advance."""
    now = timezone.now()
    nightly.refresh_profiles(as_of=now, started_at=now)
    count_figures(as_of=now)


@shared_task(exclusive=True)
def refresh_due_stages() -> None:
    """Update due stages, and the scores of customers who ordered, every ten minutes."""
    now = timezone.now()
    nightly.refresh_due_stages(as_of=now)
    nightly.refresh_outdated_scores(as_of=now)
