"""Scheduled tasks of on-site offers."""

from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.conf import settings

from recommendations.offers import retention


@shared_task(exclusive=True)
def end_offers() -> None:
    retention.end_offers(now=datetime.now(UTC))


@shared_task(exclusive=True)
def purge_exposures() -> None:
    now = datetime.now(UTC)
    retention.purge_exposures(before=now - timedelta(days=settings.IMPRESSION_RETENTION_DAYS))
    retention.purge_queued_offers(now=now)
