"""Scheduled tasks of the demo shop."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config.demo.complete_journey import load_due_sales


@shared_task(exclusive=True)
def load_due_demo_orders() -> int:
    """Load the orders of the demo data whose time has come; return the number of lines. Without a demo, there are none."""
    return load_due_sales(at=timezone.now()) if settings.DEMO else 0
