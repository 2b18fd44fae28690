"""Background tasks of segments."""

from celery import shared_task
from django.utils import timezone

from customers.segments import membership


@shared_task(exclusive=True)
def evaluate_segments() -> int:
    return membership.evaluate_segments(as_of=timezone.now())
