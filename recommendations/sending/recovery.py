"""Cleans up after a killed worker: records what its journal says, and puts messages that were never handed over back in the queue."""

import logging
from datetime import datetime, timedelta

from django.db import connection

from recommendations.sending.channels.registry import CHANNELS, understand
from recommendations.sending.models import Delivery
from recommendations.sending.recording import write_results
from recommendations.sending.transport.client import get_journal_folder
from recommendations.sending.transport.journal import SUFFIX, Journal, SendResult, read_abandoned_journals

logger = logging.getLogger(__name__)

# The journal of another machine cannot be read here: after this time, the worker of its claim is considered dead.
FOREIGN_CLAIM_AGE = timedelta(minutes=30)

RETURN_TO_QUEUE = """
UPDATE sending_delivery SET status = 'pending', claim = '', claimed_at = NULL, attempts = attempts - 1
WHERE id = ANY(%s) AND status = 'sending' AND claim = %s
"""


def recover_interrupted(*, now: datetime) -> int:
    """Settle the deliveries of workers that have ended; return how many."""
    settled = 0
    for claim, journal in read_abandoned_journals(get_journal_folder()):
        settled += settle_claim(claim, journal, now=now)
    return settled + settle_foreign_claims(now=now)


def settle_claim(claim: str, journal: Journal, *, now: datetime) -> int:
    """Settle the deliveries of one claim from its journal."""
    rows = Delivery.objects.filter(status=Delivery.Status.SENDING, claim=claim)
    claimed = list(rows.values_list("pk", "attempts", "channel"))
    results = [find_result(journal, *row) for row in claimed]
    known = [result for result in results if result is not None]
    unsent = [pk for (pk, _attempt, _channel), result in zip(claimed, results, strict=True) if result is None]
    write_results(known, now=now)
    with connection.cursor() as cursor:
        cursor.execute(RETURN_TO_QUEUE, [unsent, claim])
    if claimed:
        logger.warning(
            "A worker ended while it was sending: %d deliveries were settled from its journal, %d return to the queue.",
            len(known),
            len(unsent),
        )
    return len(claimed)


def find_result(journal: Journal, delivery_id: int, attempt: int, channel: str) -> SendResult | None:
    result = journal.find_result(delivery_id, attempt)
    return understand(result, CHANNELS[channel]) if result is not None and channel in CHANNELS else result


def settle_foreign_claims(*, now: datetime) -> int:
    """Settle old claims without a journal on this machine: whether they were sent is uncertain."""
    old = Delivery.objects.filter(status=Delivery.Status.SENDING, claimed_at__lt=now - FOREIGN_CLAIM_AGE)
    rows = [row for row in old.values_list("pk", "attempts", "claim") if not _has_journal(row[2])]
    text = "The worker ended, and its journal is missing."
    return write_results([SendResult(pk, attempt, "uncertain", text=text) for pk, attempt, _claim in rows], now=now)


def _has_journal(claim: str) -> bool:
    return (get_journal_folder() / f"{claim}{SUFFIX}").exists()
