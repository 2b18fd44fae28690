"""Scheduled tasks of the warehouse."""

from celery import shared_task
from django.utils import timezone

from customers.warehouse.export import export_warehouse as export


@shared_task(exclusive=True)
def export_warehouse() -> None:
    export(started_at=timezone.now())
