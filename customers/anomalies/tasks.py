"""Scheduled tasks of anomalies."""

from celery import shared_task
from django.utils import timezone

from customers.anomalies import refresh


@shared_task(exclusive=True)
def find_anomalies() -> str:
    """Evaluate yesterday's metrics every morning; return why nothing was evaluated, if so."""
    return refresh.find_anomalies(as_of=timezone.now()).problem
