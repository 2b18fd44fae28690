"""Writes decisions and results of deliveries, in one statement for any number."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from recommendations.messaging.coupons.releases import keep_codes
from recommendations.sending.bounces.refusals import record_refused_recipients
from recommendations.sending.changes import announce, begin_announcing
from recommendations.sending.checks.candidates import DueDelivery
from recommendations.sending.transport.journal import SendResult

RETRY_MINUTES = (1, 5, 15, 60, 240)  # after temporary errors; then a delivery fails
UNREACHABLE_WAIT = timedelta(minutes=1)
MAX_ERROR = 500

WRITE_DECISIONS = """
UPDATE sending_delivery d
SET status = row.status, skip_reason = row.reason, due_at = coalesce(row.due_at, d.due_at), reserved = row.reserved,
    claimed_at = CASE WHEN row.status = 'sending' THEN %s END,
    claim = CASE WHEN row.status = 'sending' THEN %s ELSE '' END,
    attempts = d.attempts + CASE WHEN row.status = 'sending' THEN 1 ELSE 0 END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::smallint[])
     AS row (id, status, reason, due_at, reserved)
WHERE d.id = row.id
"""
WRITE_CHOICES = """
UPDATE sending_delivery d SET choices = row.choices, language = row.language
FROM unnest(%s::bigint[], %s::text[], %s::jsonb[]) AS row (id, language, choices)
WHERE d.id = row.id AND (d.choices <> row.choices OR d.language <> row.language)
"""
# Feedback may arrive before the result: a delivery that is known to be delivered stays so.
WRITE_RESULTS = """
UPDATE sending_delivery d
SET status = CASE WHEN row.status <> 'sent' THEN row.status WHEN d.bounced_at IS NOT NULL THEN 'bounced'
                  WHEN d.delivered_at IS NOT NULL THEN 'delivered' ELSE 'sent' END,
    skip_reason = row.reason, sent_at = CASE WHEN row.status = 'sent' THEN %s ELSE d.sent_at END,
    error = row.error, provider_id = row.provider_id, due_at = coalesce(row.due_at, d.due_at), claim = '',
    claimed_at = CASE WHEN row.status IN ('sent', 'uncertain') THEN d.claimed_at END,
    attempts = d.attempts - row.uncounted
FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::smallint[])
     AS row (id, attempt, status, reason, error, provider_id, due_at, uncounted)
WHERE d.id = row.id AND d.status = 'sending' AND d.attempts = row.attempt
RETURNING d.id, row.status
"""
type ResultRow = tuple[int, int, str, str, str, str, datetime | None, int]


def write_decisions(candidates: Sequence[DueDelivery], *, claim: str, now: datetime) -> None:
    """Write the decisions, in the caller's transaction; deliveries to be sent are claimed by the journal ``claim``."""
    columns: list[Any] = [
        [candidate.id for candidate in candidates],
        [candidate.status for candidate in candidates],
        [candidate.skip_reason for candidate in candidates],
        [candidate.postponed_to for candidate in candidates],
        [candidate.reserved for candidate in candidates],
    ]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_DECISIONS, [now, claim, *columns])
    announce([(candidate.id, candidate.status) for candidate in candidates], at=now)


def write_choices(choices: Mapping[int, Mapping[str, Any]]) -> None:
    """Store what was chosen for each delivery before it is sent, so that its page in the browser shows the same."""
    if not choices:
        return
    columns: list[Any] = [
        list(choices),
        [str(chosen["language"]) for chosen in choices.values()],
        [
            json.dumps({name: value for name, value in chosen.items() if name != "language"})
            for chosen in choices.values()
        ],
    ]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_CHOICES, columns)


def write_results(results: Sequence[SendResult], *, now: datetime) -> int:
    """Record results of claimed deliveries; return how many were recorded. A result that is recorded already changes nothing."""
    with transaction.atomic():
        keep_codes([result.delivery_id for result in results if result.outcome != "unreachable"])
        written = write_rows([plan_row(result, now=now) for result in results], now=now)
        refused = {
            result.delivery_id: f"{result.code} {result.text}"
            for result in results
            if result.is_gone and result.delivery_id in written
        }
        record_refused_recipients(refused, now=now)
    return len(written)


def write_rows(rows: Sequence[ResultRow], *, now: datetime) -> set[int]:
    """Write the rows of claimed deliveries; return the IDs of those that were written."""
    if not rows:
        return set()
    with begin_announcing(), connection.cursor() as cursor:
        cursor.execute(WRITE_RESULTS, [now, *map(list, zip(*rows, strict=True))])
        written = cursor.fetchall()
        announce(written, at=now)
    return {delivery_id for delivery_id, _status in written}


def plan_row(result: SendResult, *, now: datetime) -> ResultRow:
    """Return the delivery's new values after a result: temporary errors are tried again later, with growing waits."""
    error = f"{result.code} {result.text}".strip()[:MAX_ERROR] if result.outcome != "sent" else ""
    status, due_at, uncounted = "sent", None, 0
    if result.outcome == "uncertain":
        status = "uncertain"
    elif result.outcome == "unreachable":
        status, due_at, uncounted = "pending", now + UNREACHABLE_WAIT, 1
    elif result.outcome == "temporary" and result.attempt <= len(RETRY_MINUTES):
        status, due_at = "pending", now + timedelta(minutes=RETRY_MINUTES[result.attempt - 1])
    elif result.outcome in ("temporary", "permanent"):
        status = "failed"
    return (result.delivery_id, result.attempt, status, "", error, result.provider_id[:255], due_at, uncounted)
