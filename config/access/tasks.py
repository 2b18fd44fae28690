"""The periodic jobs of this room."""

from datetime import UTC, datetime, timedelta

from celery import shared_task

from config.access import idempotency

ANSWER_HOURS = 24


@shared_task(exclusive=True)
def purge_idempotent_answers() -> None:
    idempotency.purge_idempotent_answers(before=datetime.now(UTC) - timedelta(hours=ANSWER_HOURS))
