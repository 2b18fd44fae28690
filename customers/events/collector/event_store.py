"""Stores events exactly once: receipt, event and outbox row in one statement, and rejected items with them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import psycopg
from django.db import DataError, connection, transaction
from prometheus_client import Counter

from config.foundation.database.array_parameters import (
    encode_bigints,
    encode_jsons,
    encode_repeated_texts,
    encode_repeated_times,
    encode_texts,
    encode_times,
    format_text_list,
    register_array_dumpers,
)
from customers.events.agents.counting import build_counts, count_agent_events
from customers.events.collector.consent import ANALYTICS, PERSONALISATION
from customers.events.collector.erased_people import anonymize_erased
from customers.events.collector.fields import parse_moment
from customers.events.collector.parsing import ANONYMIZED_CONTEXT, PERSON_KEYS, EventRow, RequestContext
from customers.identity.consent.regions import get_consent_rules
from customers.identity.personal_data.encrypted_field import encrypt
from customers.identity.personal_data.personal_texts import hide_personal_text

# A foreign key would look up the source for every row; locking the sources here prevents their deletion too (decision 10).
# All processes insert receipts in the same order: two that store the same batch wait for each other instead of deadlocking.
# The consent ledger is checked here too: without consent to analytics the event is stored without ids, session or personal parts. If
# nobody has refused, and only the consent that the region requires is missing, a consent in the event itself counts.
INSERT_TEMPLATE = """
WITH source AS MATERIALIZED (
    SELECT id FROM events_source WHERE id = ANY(%(sources)s) FOR KEY SHARE
), denied AS MATERIALIZED (
    SELECT kind, value, bool_or(purpose = 'analytics' AND NOT is_silent) AS analytics, bool_or(NOT is_silent) AS is_refused,
           bool_or(purpose = 'analytics' AND is_silent) AS is_unasked
    FROM identity_consentdenial
    WHERE (kind = 'user_id' AND value = ANY(%(user_ids)s) OR kind = 'anonymous_id' AND value = ANY(%(anonymous_ids)s))
      AND purpose IN ('analytics', 'personalisation')
    GROUP BY kind, value
), input AS MATERIALIZED (
    SELECT row.*, coalesce(u.analytics, false) OR coalesce(a.analytics, false)
               OR (row.consent = '' AND (coalesce(u.is_unasked, false) OR coalesce(a.is_unasked, false){unasked_analytics}))
               AS is_anonymized,
           coalesce(u.is_refused, false) OR coalesce(a.is_refused, false)
               OR (row.consent <> 'all' AND (u.kind IS NOT NULL OR a.kind IS NOT NULL{unasked_personalization}))
               AS is_unpersonalized
    FROM unnest(
        %(source_id)s, %(message_id)s, %(type)s, %(name)s, %(user_id)s, %(anonymous_id)s, %(occurred_at)s,
        %(received_at)s, %(session_id)s, %(product_ids)s, %(value)s, %(currency)s, %(properties)s, %(context)s,
        %(recommendation_id)s, %(consent)s
    ) WITH ORDINALITY AS row (
        source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, session_id, product_ids,
        value, currency, properties, context, recommendation_id, consent, position
    )
    LEFT JOIN denied u ON u.kind = 'user_id' AND u.value = row.user_id
    LEFT JOIN denied a ON a.kind = 'anonymous_id' AND a.value = row.anonymous_id
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
           CASE WHEN is_anonymized THEN '' ELSE user_id END, CASE WHEN is_anonymized THEN '' ELSE anonymous_id END,
           occurred_at, received_at, CASE WHEN is_anonymized THEN '' ELSE session_id END,
           product_ids::varchar[], value::numeric, currency,
           CASE WHEN NOT is_anonymized THEN properties
                WHEN type IN ('identify', 'group', 'alias') THEN '{}'
                ELSE properties - %(person_keys)s END,
           CASE WHEN is_anonymized THEN context - ARRAY(
                    SELECT key FROM jsonb_object_keys(context) AS key WHERE key <> ALL(%(anonymized_context)s)
                ) ELSE context END,
           recommendation_id
    FROM input JOIN receipt USING (source_id, message_id)
    ORDER BY position
    RETURNING id, received_at, source_id, message_id
), waiting AS (
    INSERT INTO events_outbox (event_id, received_at) SELECT id, received_at FROM event
)
SELECT position, is_unpersonalized, event.id FROM input JOIN event USING (source_id, message_id)
"""
# for events of a sandbox: into a table that nothing else reads, without a receipt and without an outbox row
SANDBOX_TEMPLATE = (
    INSERT_TEMPLATE.replace(
        """    INSERT INTO events_eventreceipt (source_id, message_id, received_at)
    SELECT source_id, message_id, received_at FROM input
    WHERE source_id IN (SELECT id FROM source)
    ORDER BY source_id, message_id COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING source_id, message_id
""",
        "    SELECT source_id, message_id FROM input WHERE source_id IN (SELECT id FROM source)\n",
    )
    .replace("INSERT INTO events_event (", "INSERT INTO events_sandboxevent (")
    .replace(
        """    ORDER BY position
    RETURNING id,""",
        """    ORDER BY source_id, message_id COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING id,""",
    )
    .replace(
        """), waiting AS (
    INSERT INTO events_outbox (event_id, received_at) SELECT id, received_at FROM event
""",
        "",
    )
)
# for shops whose settings also require a consent from visitors without a country: a visitor without a customer has not consented yet
IS_STRANGER = """ OR (%(ask_{purpose})s AND NOT EXISTS (SELECT FROM identity_identifier i
    WHERE i.kind = 'user_id' AND i.value = row.user_id OR i.kind = 'anonymous_id' AND i.value = row.anonymous_id))"""


def make_statements(template: str) -> tuple[str, str]:
    """Return the statement for most shops, and the one for shops that ask unknown visitors for consent."""
    return (
        template.replace("{unasked_analytics}", "").replace("{unasked_personalization}", ""),
        template.replace("{unasked_analytics}", IS_STRANGER.replace("{purpose}", "analytics")).replace(
            "{unasked_personalization}", IS_STRANGER.replace("{purpose}", "personalisation")
        ),
    )


INSERT_EVENTS, INSERT_EVENTS_OF_ASKED = make_statements(INSERT_TEMPLATE)
# for batches with refusals: the outbox remembers whom they are from until they are processed, even if the events are anonymized
KEEP_NOBODY = "INSERT INTO events_outbox (event_id, received_at) SELECT id, received_at FROM event\n"
KEEP_DECIDERS = """INSERT INTO events_outbox (event_id, received_at, user_id, anonymous_id)
    SELECT event.id, event.received_at, coalesce(decider.user_id, ''), coalesce(decider.anonymous_id, '')
    FROM event LEFT JOIN unnest(
        %(decided_source_ids)s, %(decided_message_ids)s, %(decider_user_ids)s, %(decider_anonymous_ids)s
    ) AS decider (source_id, message_id, user_id, anonymous_id) USING (source_id, message_id)
"""
INSERT_SANDBOX, INSERT_SANDBOX_OF_ASKED = make_statements(SANDBOX_TEMPLATE)

INSERT_RECEIPTS = """
INSERT INTO events_eventreceipt (source_id, message_id, received_at)
SELECT source_id, message_id, received_at
FROM unnest(%(source_id)s, %(message_id)s, %(received_at)s) AS row (source_id, message_id, received_at)
WHERE source_id IN (SELECT id FROM events_source WHERE id = ANY(%(source_id)s) FOR KEY SHARE)
ORDER BY source_id, message_id COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING source_id, message_id
"""
INSERT_REJECTED = """
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

MAX_REASON = 500
# SQLSTATE classes of invalid values, as opposed to server failures: data exception, program limit exceeded
VALUE_ERROR_CLASSES = ("22", "54")

ITEMS = Counter("perennial_collector_items", "Items that the collector received, by outcome.", ["outcome"])
SANDBOXED = ITEMS.labels("sandbox")
ACCEPTED, DUPLICATE, REJECTED = ITEMS.labels("accepted"), ITEMS.labels("duplicate"), ITEMS.labels("rejected")

type Key = tuple[int, str]  # source id, message id
type Reason = tuple[str, str]  # code, text
type Atomic = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item that cannot be stored as an event, with its reason; ``index`` is its position in the call."""

    index: int
    payload: str
    code: str
    reason: str
    context: RequestContext


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The result of one call: ``rows`` are new, ``duplicates`` were stored before."""

    rows: list[EventRow]
    duplicates: int
    rejected: list[RejectedItem]


def count_items(results: Sequence[StoreResult]) -> None:
    """Count the items of stored calls for Prometheus."""
    accepted = sandboxed = duplicates = rejected = 0
    for result in results:
        in_sandbox = sum(row.context.is_sandbox for row in result.rows)
        accepted += len(result.rows) - in_sandbox
        sandboxed += in_sandbox
        duplicates += result.duplicates
        rejected += len(result.rejected)
    for counter, number in (
        (ACCEPTED, accepted),
        (SANDBOXED, sandboxed),
        (DUPLICATE, duplicates),
        (REJECTED, rejected),
    ):
        if number:
            counter.inc(number)


@dataclass(frozen=True, slots=True)
class CollectorCall:
    """The parsed items of one call."""

    rows: Sequence[EventRow]
    rejected: Sequence[RejectedItem] = ()


def record_events(
    *, rows: Sequence[EventRow], rejected: Sequence[RejectedItem] = (), keep_rejected: bool = True
) -> StoreResult:
    """Store all rows and rejected items, or none; a message id that the source has sent before changes nothing.

    A row that PostgreSQL cannot store becomes a rejected item and does not affect the others. Inside a transaction this takes
    part in it.

    Args:
        keep_rejected: whether rejected items are saved as rejected events.
    """
    connection.ensure_connection()
    writer = EventWriter(connection.connection, transaction.atomic, connection.in_atomic_block, keep_rejected)
    with connection.wrap_database_errors:
        return writer.store([CollectorCall(rows, rejected)])[0]


@dataclass(frozen=True, slots=True)
class EventWriter:
    """Stores calls through one psycopg connection; ``in_transaction`` says whether a transaction is open on it."""

    connection: psycopg.Connection[Any]
    atomic: Atomic
    in_transaction: bool = False
    keep_rejected: bool = True

    def store(self, calls: Sequence[CollectorCall]) -> list[StoreResult]:
        """Store all calls, or none if the server fails; return the result of each."""
        anonymize_erased([row for call in calls for row in call.rows], self.connection)
        # of several rows with one message id the first wins
        first = {get_receipt_key(row): row for call in reversed(calls) for row in reversed(call.rows)}
        rows = list(first.values())[::-1]
        agent_rows = [row for row in rows if row.agent is not None]
        # without rejected items, agents, or a mix of sandboxes and other sources, there is only one statement, which needs no transaction
        is_mixed = len({row.context.is_sandbox for row in rows}) > 1
        is_single_statement = self.in_transaction or not (
            is_mixed or agent_rows or any(call.rejected for call in calls)
        )
        with nullcontext() if is_single_statement else self.atomic():
            writer = self if is_single_statement else replace(self, in_transaction=True)
            new, invalid = writer.insert([row for row in rows if not row.is_counted_only])
            if agent_rows:
                new |= writer.count_agents(agent_rows, new)
            if len(new) < len(rows):
                invalid |= writer.find_deleted_sources([row for row in rows if get_receipt_key(row) not in new])
            results = [build_result(call, new, invalid) for call in calls]
            if self.keep_rejected:
                writer.insert_rejected([item for result in results for item in result.rejected])
        return results

    def insert(self, rows: list[EventRow]) -> tuple[dict[Key, EventRow], dict[Key, Reason]]:
        """Insert rows; return those that were new, and why PostgreSQL cannot store others.

        One statement is a transaction by itself, which saves BEGIN and COMMIT. If it fails because of a value, the rows are
        halved until each invalid one is alone.
        """
        if not rows:
            return {}, {}
        try:
            with self.atomic() if self.in_transaction else nullcontext():
                return self.insert_together(rows), {}
        except psycopg.Error as error:
            if not is_value_error(error):
                raise
            if len(rows) == 1:
                reason = f"PostgreSQL cannot store a value of this event: {str(error).splitlines()[0]}"
                return {}, {get_receipt_key(rows[0]): ("cannot_store", reason)}
        middle = len(rows) // 2
        with self.atomic():
            writer = replace(self, in_transaction=True)
            left, left_invalid = writer.insert(rows[:middle])
            right, right_invalid = writer.insert(rows[middle:])
        return left | right, left_invalid | right_invalid

    def insert_together(self, rows: list[EventRow]) -> dict[Key, EventRow]:
        """Insert rows by one statement, and those of sandboxes by another; return those that were new."""
        sandboxed = [row for row in rows if row.context.is_sandbox]
        if not sandboxed:
            return self.execute_insert(rows, *build_insert(rows))
        live = [row for row in rows if not row.context.is_sandbox]
        new = self.execute_insert(live, *build_insert(live)) if live else {}
        return new | self.execute_insert(sandboxed, *build_insert(sandboxed, INSERT_SANDBOX, INSERT_SANDBOX_OF_ASKED))

    def execute_insert(self, rows: list[EventRow], statement: str, columns: dict[str, Any]) -> dict[Key, EventRow]:
        new = {}
        with psycopg.Cursor(self.connection) as cursor:
            register_array_dumpers(cursor)
            cursor.execute(statement, columns, prepare=True, binary=True)
            for position, is_unpersonalized, event_id in cursor.fetchall():
                row = rows[position - 1]
                row.event_id = event_id
                if is_unpersonalized:
                    row.is_personalized = False
                new[get_receipt_key(row)] = row
        return new

    def count_agents(self, rows: Sequence[EventRow], stored: Mapping[Key, EventRow]) -> dict[Key, EventRow]:
        """Count new events of automated visitors; return those that are only counted, which are not stored in the event table."""
        counted = {get_receipt_key(row): row for row in rows if row.is_counted_only}
        with psycopg.Cursor(self.connection) as cursor:
            register_array_dumpers(cursor)
            if counted:
                cursor.execute(
                    INSERT_RECEIPTS,
                    {
                        "source_id": encode_bigints([row.stored.source_id for row in counted.values()]),
                        "message_id": encode_texts([row.stored.message_id for row in counted.values()]),
                        "received_at": encode_times([row.stored.received_at for row in counted.values()]),
                    },
                    prepare=True,
                )
                new_keys = set(cursor.fetchall())
                counted = {key: row for key, row in counted.items() if key in new_keys}
            new_rows = [row for row in rows if (key := get_receipt_key(row)) in counted or stored.get(key) is row]
            count_agent_events(cursor, build_counts(new_rows))
        return counted

    def find_deleted_sources(self, rows: Sequence[EventRow]) -> dict[Key, Reason]:
        """Return the rows whose source was deleted after the write key was looked up."""
        missing = {row.stored.source_id for row in rows}
        with psycopg.Cursor(self.connection) as cursor:
            register_array_dumpers(cursor)
            cursor.execute(
                "SELECT id FROM events_source WHERE id = ANY(%s)", [encode_bigints(sorted(missing))], prepare=True
            )
            missing -= {source_id for (source_id,) in cursor.fetchall()}
        return dict.fromkeys((get_receipt_key(row) for row in rows if row.stored.source_id in missing), SOURCE_DELETED)

    def insert_rejected(self, rejected: Sequence[RejectedItem]) -> None:
        """Save rejected items; a receipt of the payload keeps a retried call from saving the same item twice."""
        unique = {
            (item.context.source_id, fingerprint_payload(item.payload)): item
            for item in rejected
            if (item.code, item.reason) != SOURCE_DELETED  # no page could show them anymore
        }
        if not unique:
            return
        items = list(unique.values())
        with psycopg.Cursor(self.connection) as cursor:
            register_array_dumpers(cursor)
            cursor.execute(
                INSERT_REJECTED,
                {
                    "source_id": encode_bigints([source_id for source_id, _fingerprint in unique]),
                    "fingerprint": encode_texts([fingerprint for _source_id, fingerprint in unique]),
                    "payload": encode_texts([encrypt(item.payload) for item in items]),
                    "call_type": encode_texts([item.context.call_type or "" for item in items]),
                    "sent_at": encode_texts([format_moment(item.context.sent_at) for item in items]),
                    "opted_out": [item.context.opted_out for item in items],
                    "code": encode_texts([item.code for item in items]),
                    "reason": encode_texts(
                        [hide_personal_text(item.reason[:MAX_REASON].replace("\0", "")) for item in items]
                    ),
                    "received_at": encode_times([item.context.received_at for item in items]),
                },
                prepare=True,
            )


def get_receipt_key(row: EventRow) -> Key:
    """Return the key of a row's receipt: source and message id."""
    return row.stored.source_id, row.stored.message_id


def build_result(call: CollectorCall, new: dict[Key, EventRow], invalid: dict[Key, Reason]) -> StoreResult:
    """Return the result of one call of a group."""
    new_rows = [row for row in call.rows if new.get(get_receipt_key(row)) is row]
    rejected = [
        RejectedItem(row.index, row.raw.decode(), *reason, row.context)
        for row in (call.rows if invalid else ())
        if (reason := invalid.get(get_receipt_key(row)))
    ]
    return StoreResult(new_rows, len(call.rows) - len(new_rows) - len(rejected), [*call.rejected, *rejected])


def build_insert(
    rows: Sequence[EventRow], statement: str = INSERT_EVENTS, statement_of_asked: str = INSERT_EVENTS_OF_ASKED
) -> tuple[str, dict[str, Any]]:
    """Return the statement and its parameters; the longer one only for shops that ask unknown visitors for consent."""
    rules = get_consent_rules()
    asks = {f"ask_{purpose.value}": rules.needs_consent(purpose, "") for purpose in (ANALYTICS, PERSONALISATION)}
    columns = build_columns(rows)
    if any(asks.values()):
        statement, columns = statement_of_asked, columns | asks
    refusals = [row for row in rows if row.decider is not None]
    if refusals and KEEP_NOBODY in statement:  # a sandbox has no outbox
        return statement.replace(KEEP_NOBODY, KEEP_DECIDERS), columns | build_deciders(refusals)
    return statement, columns


def build_deciders(refusals: Sequence[EventRow]) -> dict[str, Any]:
    """Return the parameters that name whom refusals and unsubscribes apply to."""
    deciders = [row.decider or ("", "") for row in refusals]
    return {
        "decided_source_ids": encode_bigints([row.stored.source_id for row in refusals]),
        "decided_message_ids": encode_texts([row.stored.message_id for row in refusals]),
        "decider_user_ids": encode_texts([user_id for user_id, _anonymous_id in deciders]),
        "decider_anonymous_ids": encode_texts([anonymous_id for _user_id, anonymous_id in deciders]),
    }


def build_columns(rows: Sequence[EventRow]) -> dict[str, Any]:
    """Return the parameters of the insert: one array per column."""
    events = [row.stored for row in rows]
    user_ids, anonymous_ids = [event.user_id for event in events], [event.anonymous_id for event in events]
    sources = [event.source_id for event in events]
    return {
        "sources": encode_bigints(sorted(set(sources))),
        "user_ids": encode_texts(list(set(user_ids))),
        "anonymous_ids": encode_texts(list(set(anonymous_ids))),
        "source_id": encode_bigints(sources),
        "message_id": encode_texts([event.message_id for event in events]),
        "type": encode_repeated_texts([event.type for event in events]),
        "name": encode_repeated_texts([event.name for event in events]),
        "user_id": encode_texts(user_ids),
        "anonymous_id": encode_texts(anonymous_ids),
        "occurred_at": encode_times([event.occurred_at for event in events]),
        "received_at": encode_repeated_times([event.received_at for event in events]),
        "session_id": encode_texts([event.session_id for event in events]),
        "product_ids": encode_texts([format_text_list(event.product_ids) for event in events]),
        "value": encode_repeated_texts([None if event.value is None else str(event.value) for event in events]),
        "currency": encode_repeated_texts([event.currency for event in events]),
        "properties": encode_jsons([event.properties for event in events]),
        "context": encode_jsons([event.context for event in events]),
        "recommendation_id": encode_repeated_texts([event.recommendation_id for event in events]),
        "consent": encode_repeated_texts([row.consent for row in rows]),
        "person_keys": PERSON_KEY_LIST,
        "anonymized_context": ANONYMIZED_CONTEXT_LIST,
    }


def is_value_error(error: Exception) -> bool:
    """Return whether psycopg or PostgreSQL rejected a value, as opposed to a server that is down."""
    if isinstance(error, DataError | psycopg.DataError):
        return True
    state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or ""
    return state.startswith(VALUE_ERROR_CLASSES)


def fingerprint_payload(payload: str) -> str:
    """Return the message id under which the receipt of a rejected payload is stored."""
    return f"rejected:{blake2b(payload.encode(errors='replace'), digest_size=20).hexdigest()}"


def format_moment(value: Any) -> str:
    """Return a client's time as ISO 8601; empty if it is unreadable."""
    try:
        return parse_moment(value).isoformat()
    except (ValueError, TypeError, OverflowError):
        return ""


SOURCE_DELETED = ("unknown_write_key", "The source of this write key was deleted.")
PERSON_KEY_LIST = encode_texts(sorted(PERSON_KEYS))
ANONYMIZED_CONTEXT_LIST = encode_texts(ANONYMIZED_CONTEXT)
