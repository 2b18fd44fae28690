"""Scheduled tasks of access to the REST API."""

from datetime import UTC, datetime, timedelta

from celery import shared_task

from config.access import idempotency
from config.access.audit import seals

RESPONSE_RETENTION_HOURS = 24


@shared_task(exclusive=True)
def purge_idempotent_responses() -> None:
    idempotency.purge_idempotent_responses(before=datetime.now(UTC) - timedelta(hours=RESPONSE_RETENTION_HOURS))


@shared_task(exclusive=True)
def seal_audit_log() -> None:
    seals.seal_entries(now=datetime.now(UTC))
