"""Writes events exactly once: receipt, event and outbox in one statement, refused items beside them."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec
from django.db import DataError, OperationalError, connection, transaction

from customers.events.decoding import EventRow

# Receipts are written in one order by everybody: two processes with the same batch then wait for each other instead of
# ending in a deadlock.
RECORD_EVENTS = """
WITH input AS (
    SELECT * FROM ROWS FROM (
        json_to_recordset(%(rows)s) AS (
            message_id text, type text, name text, user_id text, anonymous_id text, occurred_at timestamptz,
            session_id text, product_ids varchar[], value numeric, currency text, properties jsonb, context jsonb,
            recommendation_id text
        )
    ) WITH ORDINALITY AS row (
        message_id, type, name, user_id, anonymous_id, occurred_at, session_id,
        product_ids, value, currency, properties, context, recommendation_id, position
    )
), receipt AS (
    INSERT INTO events_eventreceipt (source_id, message_id, received_at)
    SELECT %(source_id)s, message_id, %(received_at)s FROM input ORDER BY message_id COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING message_id
), event AS (
    INSERT INTO events_event (
        source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, session_id,
        product_ids, value, currency, properties, context, recommendation_id
    )
    SELECT %(source_id)s, message_id, type, name, user_id, anonymous_id, occurred_at, %(received_at)s, session_id,
           product_ids, value, currency, properties, context, recommendation_id
    FROM input JOIN receipt USING (message_id)
    ORDER BY position
    RETURNING id, received_at
), waiting AS (
    INSERT INTO events_outbox (event_id, received_at) SELECT id, received_at FROM event
)
SELECT message_id FROM receipt
"""

RECORD_REJECTED = """
WITH input AS (
    SELECT * FROM unnest(%(fingerprint)s::text[], %(payload)s::text[], %(code)s::text[], %(reason)s::text[])
    AS row (fingerprint, payload, code, reason)
), receipt AS (
    INSERT INTO events_eventreceipt (source_id, message_id, received_at)
    SELECT %(source_id)s, fingerprint, %(received_at)s FROM input ORDER BY fingerprint COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING message_id
)
INSERT INTO events_rejectedevent (source_id, payload, code, reason, received_at)
SELECT %(source_id)s, payload, code, reason, %(received_at)s
FROM input JOIN receipt ON receipt.message_id = input.fingerprint
"""

MOST_REASON = 500
# classes of SQLSTATE that say a value is wrong, not the server: data exception, program limit exceeded
VALUE_IS_WRONG = ("22", "54")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that can't be taken: kept whole, with its reason. ``index`` is its place in the call."""

    index: int
    payload: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a call: ``rows`` were new, ``duplicates`` had been taken before."""

    rows: list[EventRow]
    duplicates: int
    refusals: list[Refusal]


def record_events(
    *, source_id: int, rows: Sequence[EventRow], refusals: Sequence[Refusal], received_at: datetime
) -> Recorded:
    """Writes all rows and refusals, or none; a message id that the source sent before changes nothing.

    A row that PostgreSQL can't store becomes a refusal and does not spoil the others.
    """
    # of several with one message id the first counts
    unique = list({row.stored.message_id: row for row in reversed(rows)}.values())[::-1]
    writer = Writer(source_id, received_at)
    with nullcontext() if not refusals and not connection.in_atomic_block else transaction.atomic():
        new, refused = writer.write(unique)
        writer.refuse([*refusals, *refused])
    fresh = [row for row in unique if row.stored.message_id in new]
    return Recorded(rows=fresh, duplicates=len(rows) - len(fresh) - len(refused), refusals=[*refusals, *refused])


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what one call brought."""

    source_id: int
    received_at: datetime

    def write(self, rows: list[EventRow]) -> tuple[set[str], list[Refusal]]:
        """The message ids that were new, and refusals for rows with a value that PostgreSQL does not take.

        One statement is a transaction by itself, which saves BEGIN and COMMIT. When it fails because of a value, the rows
        are halved until the wrong ones stand alone.
        """
        if not rows:
            return set(), []
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                return self.write_at_once(rows), []
        except (DataError, OperationalError) as error:
            if not value_is_wrong(error):
                raise
            if len(rows) == 1:
                reason = f"PostgreSQL can't store a value of this event: {str(error).splitlines()[0]}"
                return set(), [Refusal(rows[0].index, rows[0].raw, "cannot_store", reason)]
        middle = len(rows) // 2
        with transaction.atomic():
            (left, left_refused), (right, right_refused) = self.write(rows[:middle]), self.write(rows[middle:])
        return left | right, left_refused + right_refused

    def write_at_once(self, rows: list[EventRow]) -> set[str]:
        # One JSON text instead of an array for each column: psycopg would quote every element by itself.
        text = msgspec.json.encode([row.stored for row in rows]).decode()
        with connection.cursor() as cursor:
            cursor.execute(RECORD_EVENTS, {"rows": text, "source_id": self.source_id, "received_at": self.received_at})
            return {message_id for (message_id,) in cursor.fetchall()}

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """A receipt for the payload itself keeps a retried call from filling the dead letters with the same lines."""
        if not refusals:
            return
        unique = {fingerprint_of(refusal.payload): refusal for refusal in refusals}
        with connection.cursor() as cursor:
            cursor.execute(
                RECORD_REJECTED,
                {
                    "source_id": self.source_id,
                    "received_at": self.received_at,
                    "fingerprint": list(unique),
                    "payload": [refusal.payload for refusal in unique.values()],
                    "code": [refusal.code for refusal in unique.values()],
                    "reason": [refusal.reason[:MOST_REASON] for refusal in unique.values()],
                },
            )


def value_is_wrong(error: Exception) -> bool:
    """A value that psycopg or PostgreSQL refuses, and not a server that is gone."""
    if isinstance(error, DataError):
        return True
    return (getattr(error.__cause__, "sqlstate", None) or "").startswith(VALUE_IS_WRONG)


def fingerprint_of(payload: str) -> str:
    return f"rejected:{blake2b(payload.encode(errors='replace'), digest_size=20).hexdigest()}"
