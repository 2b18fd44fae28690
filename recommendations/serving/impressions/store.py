"""Store impressions from the stream in bulk, each exactly once.

An entry leaves the stream only after its row is committed. If the process is killed before the commit, the entry is read again; if
killed after it, the row already exists and stays, because the recommendation id and its time are the table's key.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from django.db import DataError, IntegrityError, connection, transaction

from config.foundation.database.array_parameters import (
    encode_bigints,
    encode_texts,
    encode_times,
    format_text_list,
    register_array_dumpers,
)
from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.served_entry import DamagedEntryError, ServedEntry, unpack_entry
from recommendations.serving.impressions.stream import StreamEntry
from recommendations.serving.state.suppression import hash_name

CHUNK = 2_000
MAX_CLOCK_LEAD = timedelta(days=1)  # entries further in the future are damaged
logger = logging.getLogger(__name__)

# Customers who refused analytics or personalization, or were erased, are stored anonymously; user_id takes precedence over anonymous_id.
INSERT_IMPRESSIONS = """
INSERT INTO serving_impression (
    recommendation_id, scenario, user_id, anonymous_id, customer_id, model_version, strategy, arm, fallback, served_at,
    first_rank, product_ids
)
SELECT DISTINCT ON (given.recommendation_id)
    given.recommendation_id, scenario, CASE WHEN nameless THEN '' ELSE user_id END,
    CASE WHEN nameless THEN '' ELSE anonymous_id END, CASE WHEN nameless THEN NULL ELSE person.id END,
    model_version, strategy, arm, fallback, served_at, first_rank::int, product_ids::varchar[]
FROM unnest(
    %(recommendation_id)s, %(scenario)s, %(user_id)s, %(anonymous_id)s, %(model_version)s, %(strategy)s, %(arm)s,
    %(fallback)s, %(served_at)s, %(first_rank)s, %(product_ids)s, %(user_digest)s, %(anonymous_digest)s
) AS given (
    recommendation_id, scenario, user_id, anonymous_id, model_version, strategy, arm, fallback, served_at, first_rank,
    product_ids, user_digest, anonymous_digest
)
LEFT JOIN identity_customer person ON person.id = COALESCE(
    (SELECT customer_id FROM identity_identifier WHERE kind = 'user_id' AND value = given.user_id),
    (SELECT customer_id FROM identity_identifier WHERE kind = 'anonymous_id' AND value = given.anonymous_id)
)
CROSS JOIN LATERAL (
    SELECT person.erased_at IS NOT NULL OR EXISTS (
        SELECT FROM identity_consentdenial r
        WHERE (r.kind, r.value) IN (('user_id', given.user_id), ('anonymous_id', given.anonymous_id))
    ) OR EXISTS (
        SELECT FROM serving_erasedidentifier e WHERE e.digest IN (given.user_digest, given.anonymous_digest)
    ) AS nameless
) consent
ORDER BY given.recommendation_id, served_at
ON CONFLICT (recommendation_id, served_at) DO NOTHING
"""


@dataclass
class ImpressionStoreResult:
    """``read`` entries; ``stored`` became new rows; the others existed already or were set aside as ``damaged``."""

    read: int = 0
    stored: int = 0
    damaged: int = 0


def store_impressions(*, at: datetime, seconds: float | None = None) -> ImpressionStoreResult:
    """Empty the stream, oldest first, for about ``seconds``. With Valkey down nothing is read and nothing is lost.

    After a database error, everything not stored remains in the stream.
    """
    began, done = time.monotonic(), ImpressionStoreResult()
    try:
        while entries := stream.read_entries(CHUNK):
            store_entries(entries, at=at, done=done)
            if len(entries) < CHUNK or (seconds is not None and time.monotonic() - began >= seconds):
                break
    except ValkeyDownError as error:
        logger.warning("Impressions stay in the stream: %s", error)
    return done


def store_entries(entries: Sequence[StreamEntry], *, at: datetime, done: ImpressionStoreResult) -> None:
    good: list[tuple[StreamEntry, ServedEntry]] = []
    damaged: list[tuple[StreamEntry, str]] = []
    for entry in entries:
        try:
            good.append((entry, check_entry(unpack_entry(entry.packed), at=at)))
        except DamagedEntryError as error:
            damaged.append((entry, str(error)))
    stored, refused = insert_valid_entries(good)
    damaged += refused
    bad = {entry.number for entry, _why in damaged}
    if damaged:
        logger.error(
            "%d impressions cannot be stored and were moved to %s; first error: %s",
            len(damaged),
            stream.DAMAGED,
            damaged[0][1],
        )
        stream.set_aside_entries(damaged)
    stream.remove_entries([entry for entry in entries if entry.number not in bad])
    done.read += len(entries)
    done.stored += stored
    done.damaged += len(damaged)


def check_entry(shown: ServedEntry, *, at: datetime) -> ServedEntry:
    """Return the entry. Raises DamagedEntryError for a time in the future."""
    if shown.served_at > at + MAX_CLOCK_LEAD:
        raise DamagedEntryError(f"served_at {shown.served_at:%Y-%m-%d %H:%M} is after {at:%Y-%m-%d %H:%M}")
    return shown


def insert_valid_entries(good: Sequence[tuple[StreamEntry, ServedEntry]]) -> tuple[int, list[tuple[StreamEntry, str]]]:
    """Return the number of new rows and the entries the database refuses, found by halving failing batches."""
    stored, refused, waiting = 0, [], [good]
    while waiting:
        batch = waiting.pop()
        if not batch:
            continue
        try:
            stored += insert_entries([shown for _entry, shown in batch])
        except (DataError, IntegrityError) as error:
            if len(batch) == 1:
                refused.append((batch[0][0], str(error).strip()))
            else:
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
    return stored, refused


def insert_entries(shown: Sequence[ServedEntry]) -> int:
    """Insert the entries with one statement; return the number of new rows."""
    columns = {
        "recommendation_id": encode_texts([entry.recommendation_id for entry in shown]),
        "scenario": encode_texts([entry.scenario for entry in shown]),
        "user_id": encode_texts([entry.user_id for entry in shown]),
        "anonymous_id": encode_texts([entry.anonymous_id for entry in shown]),
        "model_version": encode_texts([entry.model_version for entry in shown]),
        "strategy": encode_texts([entry.strategy for entry in shown]),
        "arm": encode_texts([entry.arm or "" for entry in shown]),
        "fallback": encode_texts([entry.fallback or "" for entry in shown]),
        "served_at": encode_times([entry.served_at for entry in shown]),
        "first_rank": encode_bigints([entry.first_rank for entry in shown]),
        "product_ids": encode_texts([format_text_list(entry.product_ids) for entry in shown]),
        "user_digest": encode_texts([compute_digest("user_id", entry.user_id) for entry in shown]),
        "anonymous_digest": encode_texts([compute_digest("anonymous_id", entry.anonymous_id) for entry in shown]),
    }
    with (
        transaction.atomic(),
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,  # Django's cursor would send the arrays as text
    ):
        register_array_dumpers(cursor)
        cursor.execute(INSERT_IMPRESSIONS, columns, prepare=True)
        return cursor.rowcount


def compute_digest(kind: str, value: str) -> str:
    """Return the digest under which erased identifiers are stored; "" for no value."""
    return f"{hash_name(f'{kind}:{value}'):016x}" if value else ""
