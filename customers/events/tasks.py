"""Scheduled tasks of events."""

from datetime import UTC, datetime

from celery import shared_task

from config.foundation.database import partitions
from customers.events import minute_counts


@shared_task(exclusive=True)
def count_minutes() -> None:
    minute_counts.count_day(as_of=datetime.now(UTC))


@shared_task(exclusive=True)
def ensure_partitions() -> None:
    partitions.ensure_partitions(as_of=datetime.now(UTC))
