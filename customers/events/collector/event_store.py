"""Writes events exactly once: receipt, event and outbox in one statement, refused items beside them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import psycopg
from django.db import DataError, connection, transaction

from config.foundation.database.array_parameters import bigints, jsons, register_arrays, text_list, texts, times
from customers.events.collector.parsing import IMPERSONAL_CONTEXT, PERSON_KEYS, EventRow, Frame, moment_of
from customers.identity.personal_data.encrypted_field import encrypt

# A foreign key would look the source up once a row; the lock taken here keeps it from vanishing just as well (decision 10).
# Receipts are written in one order by everybody: two processes with the same batch then wait for each other instead of
# ending in a deadlock.
RECORD_EVENTS = """
WITH source AS MATERIALIZED (
    SELECT id FROM events_source WHERE id = ANY(%(sources)s) FOR KEY SHARE
), refused AS MATERIALIZED (
    SELECT kind, value, bool_or(purpose = 'analytics') AS analytics
    FROM identity_consentrefusal
    WHERE (kind = 'user_id' AND value = ANY(%(user_ids)s) OR kind = 'anonymous_id' AND value = ANY(%(anonymous_ids)s))
      AND purpose IN ('analytics', 'personalisation')
    GROUP BY kind, value
), input AS MATERIALIZED (
    SELECT row.*, coalesce(u.analytics, false) OR coalesce(a.analytics, false) AS impersonal,
           u.kind IS NOT NULL OR a.kind IS NOT NULL AS unpersonalised
    FROM unnest(
        %(source_id)s, %(message_id)s, %(type)s, %(name)s, %(user_id)s, %(anonymous_id)s, %(occurred_at)s,
        %(received_at)s, %(session_id)s, %(product_ids)s, %(value)s, %(currency)s, %(properties)s, %(context)s,
        %(recommendation_id)s
    ) WITH ORDINALITY AS row (
        source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, session_id, product_ids,
        value, currency, properties, context, recommendation_id, position
    )
    LEFT JOIN refused u ON u.kind = 'user_id' AND u.value = row.user_id
    LEFT JOIN refused a ON a.kind = 'anonymous_id' AND a.value = row.anonymous_id
), receipt AS (
    INSERT INTO events_eventreceipt (source_id, message_id, received_at)
    SELECT source_id, message_id, received_at FROM input
    WHERE source_id IN (SELECT id FROM source)
    ORDER BY source_id, message_id COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING source_id, message_id
), event AS (
    INSERT INTO events_event (
        source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, session_id,
        product_ids, value, currency, properties, context, recommendation_id
    )
    SELECT source_id, message_id, type, name,
           CASE WHEN impersonal THEN '' ELSE user_id END, CASE WHEN impersonal THEN '' ELSE anonymous_id END,
           occurred_at, received_at, CASE WHEN impersonal THEN '' ELSE session_id END,
           product_ids::varchar[], value::numeric, currency,
           CASE WHEN NOT impersonal THEN properties
                WHEN type IN ('identify', 'group', 'alias') THEN '{}'
                ELSE properties - %(person_keys)s END,
           CASE WHEN impersonal THEN context - ARRAY(
                    SELECT key FROM jsonb_object_keys(context) AS key WHERE key <> ALL(%(kept_context)s)
                ) ELSE context END,
           recommendation_id
    FROM input JOIN receipt USING (source_id, message_id)
    ORDER BY position
    RETURNING id, received_at
), waiting AS (
    INSERT INTO events_outbox (event_id, received_at) SELECT id, received_at FROM event
)
SELECT position, unpersonalised FROM input JOIN receipt USING (source_id, message_id)
"""

RECORD_REJECTED = """
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(
        %(source_id)s, %(fingerprint)s, %(payload)s, %(call_type)s, %(sent_at)s, %(opted_out)s, %(code)s, %(reason)s,
        %(received_at)s
    ) AS row (source_id, fingerprint, payload, call_type, sent_at, opted_out, code, reason, received_at)
), receipt AS (
    INSERT INTO events_eventreceipt (source_id, message_id, received_at)
    SELECT source_id, fingerprint, received_at FROM input ORDER BY source_id, fingerprint COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING source_id, message_id
)
INSERT INTO events_rejectedevent (
    source_id, payload, call_type, sent_at, opted_out, code, reason, received_at, status, corrected_payload,
    replay_message_id
)
SELECT source_id, payload, call_type, sent_at, opted_out, code, reason, received_at, 'open', '', ''
FROM input JOIN receipt USING (source_id)
WHERE receipt.message_id = input.fingerprint
"""

MOST_REASON = 500
# classes of SQLSTATE that say a value is wrong, not the server: data exception, program limit exceeded
VALUE_IS_WRONG = ("22", "54")

type Key = tuple[int, str]
type Reason = tuple[str, str]  # code and text
type Atomic = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that can't be taken: kept whole, with its reason. ``index`` is its place in the call."""

    index: int
    payload: str
    code: str
    reason: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a call: ``rows`` were new, ``duplicates`` had been taken before."""

    rows: list[EventRow]
    duplicates: int
    refusals: list[Refusal]


@dataclass(frozen=True, slots=True)
class Call:
    """What one call brought."""

    rows: Sequence[EventRow]
    refusals: Sequence[Refusal] = ()


def record_events(*, rows: Sequence[EventRow], refusals: Sequence[Refusal] = (), keep_refused: bool = True) -> Recorded:
    """Writes all rows and refusals, or none; a message id that the source sent before changes nothing.

    A row that PostgreSQL can't store becomes a refusal and does not spoil the others; ``keep_refused`` says whether
    refusals go to the dead letters. Inside a transaction it takes part in it.
    """
    connection.ensure_connection()
    writer = Writer(connection.connection, transaction.atomic, connection.in_atomic_block, keep_refused)
    with connection.wrap_database_errors:
        return writer.record([Call(rows, refusals)])[0]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes calls by one psycopg connection; ``inside`` says that a transaction is open on it."""

    connection: psycopg.Connection[Any]
    atomic: Atomic
    inside: bool = False
    keep_refused: bool = True

    def record(self, calls: Sequence[Call]) -> list[Recorded]:
        """What became of each call; together they are written or, when the server fails, none of them."""
        # of several with one message id the first counts
        first = {key_of(row): row for call in reversed(calls) for row in reversed(call.rows)}
        rows = list(first.values())[::-1]
        outside = self.inside or not any(call.refusals for call in calls)
        with nullcontext() if outside else self.atomic():
            writer = self if outside else replace(self, inside=True)
            new, wrong = writer.write(rows)
            if len(new) < len(rows):
                wrong |= writer.without_source([row for row in rows if key_of(row) not in new])
            results = [result_of(call, new, wrong) for call in calls]
            if self.keep_refused:
                writer.refuse([refusal for result in results for refusal in result.refusals])
        return results

    def write(self, rows: list[EventRow]) -> tuple[dict[Key, EventRow], dict[Key, Reason]]:
        """The rows that were new, and why PostgreSQL does not take a value of others.

        One statement is a transaction by itself, which saves BEGIN and COMMIT. When it fails because of a value, the rows
        are halved until the wrong ones stand alone.
        """
        if not rows:
            return {}, {}
        try:
            with self.atomic() if self.inside else nullcontext():
                return self.write_at_once(rows), {}
        except psycopg.Error as error:
            if not value_is_wrong(error):
                raise
            if len(rows) == 1:
                reason = f"PostgreSQL can't store a value of this event: {str(error).splitlines()[0]}"
                return {}, {key_of(rows[0]): ("cannot_store", reason)}
        middle = len(rows) // 2
        with self.atomic():
            writer = replace(self, inside=True)
            (left, left_wrong), (right, right_wrong) = writer.write(rows[:middle]), writer.write(rows[middle:])
        return left | right, left_wrong | right_wrong

    def write_at_once(self, rows: list[EventRow]) -> dict[Key, EventRow]:
        new = {}
        with psycopg.Cursor(self.connection) as cursor:
            register_arrays(cursor)
            cursor.execute(RECORD_EVENTS, columns_of(rows), prepare=True, binary=True)
            for position, unpersonalised in cursor.fetchall():
                row = rows[position - 1]
                if unpersonalised:
                    row.personalised = False
                new[key_of(row)] = row
        return new

    def without_source(self, rows: Sequence[EventRow]) -> dict[Key, Reason]:
        """Those of the rows whose source was deleted since the write key was looked up."""
        wanted = {row.stored.source_id for row in rows}
        with psycopg.Cursor(self.connection) as cursor:
            register_arrays(cursor)
            cursor.execute("SELECT id FROM events_source WHERE id = ANY(%s)", [bigints(sorted(wanted))], prepare=True)
            wanted -= {source_id for (source_id,) in cursor.fetchall()}
        return dict.fromkeys((key_of(row) for row in rows if row.stored.source_id in wanted), SOURCE_GONE)

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """A receipt for the payload itself keeps a retried call from filling the dead letters with the same lines."""
        unique = {
            (refusal.frame.source_id, fingerprint_of(refusal.payload)): refusal
            for refusal in refusals
            if (refusal.code, refusal.reason) != SOURCE_GONE  # nobody could read them any more
        }
        if not unique:
            return
        kept = list(unique.values())
        with psycopg.Cursor(self.connection) as cursor:
            register_arrays(cursor)
            cursor.execute(
                RECORD_REJECTED,
                {
                    "source_id": bigints([source_id for source_id, _fingerprint in unique]),
                    "fingerprint": texts([fingerprint for _source_id, fingerprint in unique]),
                    "payload": texts([encrypt(refusal.payload) for refusal in kept]),
                    "call_type": texts([refusal.frame.call_type or "" for refusal in kept]),
                    "sent_at": texts([time_text(refusal.frame.sent_at) for refusal in kept]),
                    "opted_out": [refusal.frame.opted_out for refusal in kept],
                    "code": texts([refusal.code for refusal in kept]),
                    "reason": texts([refusal.reason[:MOST_REASON].replace("\0", "") for refusal in kept]),
                    "received_at": times([refusal.frame.received_at for refusal in kept]),
                },
                prepare=True,
            )


def key_of(row: EventRow) -> Key:
    return row.stored.source_id, row.stored.message_id


def result_of(call: Call, new: dict[Key, EventRow], wrong: dict[Key, Reason]) -> Recorded:
    fresh = [row for row in call.rows if new.get(key_of(row)) is row]
    refused = [
        Refusal(row.index, row.raw.decode(), *why, row.frame)
        for row in (call.rows if wrong else ())
        if (why := wrong.get(key_of(row)))
    ]
    return Recorded(fresh, len(call.rows) - len(fresh) - len(refused), [*call.refusals, *refused])


def columns_of(rows: Sequence[EventRow]) -> dict[str, Any]:
    events = [row.stored for row in rows]
    user_ids, anonymous_ids = [event.user_id for event in events], [event.anonymous_id for event in events]
    sources = [event.source_id for event in events]
    return {
        "sources": bigints(sorted(set(sources))),
        "user_ids": texts(list(set(user_ids))),
        "anonymous_ids": texts(list(set(anonymous_ids))),
        "source_id": bigints(sources),
        "message_id": texts([event.message_id for event in events]),
        "type": texts([event.type for event in events]),
        "name": texts([event.name for event in events]),
        "user_id": texts(user_ids),
        "anonymous_id": texts(anonymous_ids),
        "occurred_at": times([event.occurred_at for event in events]),
        "received_at": times([event.received_at for event in events]),
        "session_id": texts([event.session_id for event in events]),
        "product_ids": texts([text_list(event.product_ids) for event in events]),
        "value": texts([None if event.value is None else str(event.value) for event in events]),
        "currency": texts([event.currency for event in events]),
        "properties": jsons([event.properties for event in events]),
        "context": jsons([event.context for event in events]),
        "recommendation_id": texts([event.recommendation_id for event in events]),
        "person_keys": PERSON_KEY_LIST,
        "kept_context": KEPT_CONTEXT,
    }


def value_is_wrong(error: Exception) -> bool:
    """A value that psycopg or PostgreSQL refuses, and not a server that is gone."""
    if isinstance(error, DataError | psycopg.DataError):
        return True
    state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or ""
    return state.startswith(VALUE_IS_WRONG)


def fingerprint_of(payload: str) -> str:
    return f"rejected:{blake2b(payload.encode(errors='replace'), digest_size=20).hexdigest()}"


def time_text(value: Any) -> str:
    """A time that a client stated, in one form; empty where it can't be read."""
    try:
        return moment_of(value).isoformat()
    except (ValueError, TypeError, OverflowError):
        return ""


SOURCE_GONE = ("unknown_write_key", "The source of this write key was deleted.")
PERSON_KEY_LIST = texts(sorted(PERSON_KEYS))
KEPT_CONTEXT = texts(IMPERSONAL_CONTEXT)
