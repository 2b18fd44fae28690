"""Scheduled tasks of events."""

from datetime import UTC, datetime, timedelta

from celery import shared_task

from config.foundation.database import partitions
from customers.events import minute_counts, retention

RECEIPT_DAYS = 30
REJECTED_DAYS = 90


@shared_task(exclusive=True)
def count_minutes() -> None:
    minute_counts.count_day(as_of=datetime.now(UTC))


@shared_task(exclusive=True)
def purge_receipts() -> None:
    retention.purge_receipts(before=datetime.now(UTC) - timedelta(days=RECEIPT_DAYS))


@shared_task(exclusive=True)
def purge_rejected_events() -> None:
    retention.purge_rejected_events(before=datetime.now(UTC) - timedelta(days=REJECTED_DAYS))


@shared_task(exclusive=True)
def ensure_partitions() -> None:
    partitions.ensure_partitions(as_of=datetime.now(UTC))


@shared_task(exclusive=True)
def purge_events() -> None:
    retention.purge_events(as_of=datetime.now(UTC))
