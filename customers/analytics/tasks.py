"""Background tasks of analytics."""

from celery import shared_task
from django.utils import timezone

from customers.analytics import results


@shared_task
def compute_result(result_id: int) -> None:
    """Answer a question that a page asked."""
    results.compute_result(result_id=result_id, now=timezone.now())
