"""Scheduled tasks of demand."""

from celery import shared_task
from django.utils import timezone

from customers.demand import refresh


@shared_task(exclusive=True)
def refresh_demand() -> str:
    """Forecast the demand of the next four weeks and compute the restock list, every night; return why there is none."""
    return refresh.refresh_demand(as_of=timezone.now()).problem
