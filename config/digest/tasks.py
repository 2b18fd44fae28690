"""Scheduled tasks of the weekly digest."""

from celery import shared_task
from django.utils import timezone

from config.digest.sending import send_due_digests


@shared_task(exclusive=True)
def send_digests() -> int:
    """Send the weekly digest to subscribers who have not received it yet; return how many were sent."""
    return send_due_digests(now=timezone.now())
