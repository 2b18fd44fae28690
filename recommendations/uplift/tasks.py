"""Scheduled tasks of uplift."""

from celery import shared_task
from django.utils import timezone

from recommendations.uplift.refresh import refresh_actions as refresh


@shared_task(exclusive=True)
def refresh_actions() -> str:
    """Learn from past campaigns and choose the next best action of every customer, every night; return which evidence is missing."""
    return refresh(as_of=timezone.now()).problem
