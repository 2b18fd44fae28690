"""Background tasks of segments."""

from celery import shared_task
from django.utils import timezone

from customers.segments import changed_customers, membership
from customers.segments.event_counts import counting, recounting


@shared_task(exclusive=True)
def evaluate_segments() -> int:
    return membership.evaluate_segments(as_of=timezone.now())


@shared_task(exclusive=True)
def record_segment_entries() -> int:
    return changed_customers.record_changed_customers(as_of=timezone.now())


@shared_task(exclusive=True)
def recount_changed_orders() -> int:
    return counting.recount_pending_orders() + counting.recount_pending_events()


@shared_task(exclusive=True)
def recount_moved_products() -> int:
    return recounting.request_recount_of_moved_products()
