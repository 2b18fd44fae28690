"""Scheduled tasks of on-site offers."""

from datetime import UTC, datetime

from celery import shared_task

from recommendations.offers import retention


@shared_task(exclusive=True)
def end_offers() -> None:
    retention.end_offers(now=datetime.now(UTC))
