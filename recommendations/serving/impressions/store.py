"""Store impressions from the stream in bulk, each exactly once.

An entry leaves the stream only after its row is committed. If the process is killed before the commit, the entry is read again; if it
is killed after the commit, the row exists already and stays, because the recommendation id and its time are the key of the table.
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
from recommendations.serving.impressions.exposures import insert_exposures
from recommendations.serving.impressions.served_entry import DamagedEntryError, ServedEntry, unpack_entry
from recommendations.serving.impressions.stream import StreamEntry
from recommendations.serving.state.suppression import list_name_hashes

CHUNK = 2_000
MAX_CLOCK_LEAD = timedelta(days=1)  # entries further in the future are damaged
logger = logging.getLogger(__name__)

# Customers who refused analytics or personalization, or were erased, are stored anonymously; user_id takes precedence over anonymous_id.
INSERT_IMPRESSIONS = """
INSERT INTO serving_impression (
    recommendation_id, scenario, user_id, anonymous_id, customer_id, model_version, strategy, arm, fallback, served_at,
    first_rank, product_ids, order_features, propensities, teams
)
SELECT DISTINCT ON (entry.recommendation_id)
    entry.recommendation_id, scenario, CASE WHEN is_anonymous THEN '' ELSE user_id END,
    CASE WHEN is_anonymous THEN '' ELSE anonymous_id END, CASE WHEN is_anonymous THEN NULL ELSE customer.id END,
    model_version, strategy, arm, fallback, served_at, first_rank::int, product_ids::varchar[],
    NULLIF(order_features, '')::real[], NULLIF(propensities, '')::real[], NULLIF(teams, '')::smallint[]
FROM unnest(
    %(recommendation_id)s, %(scenario)s, %(user_id)s, %(anonymous_id)s, %(model_version)s, %(strategy)s, %(arm)s,
    %(fallback)s, %(served_at)s, %(first_rank)s, %(product_ids)s, %(digests)s,
    %(order_features)s, %(propensities)s, %(teams)s
) AS entry (
    recommendation_id, scenario, user_id, anonymous_id, model_version, strategy, arm, fallback, served_at, first_rank,
    product_ids, digests, order_features, propensities, teams
)
LEFT JOIN identity_customer customer ON customer.id = COALESCE(
    (SELECT customer_id FROM identity_identifier WHERE kind = 'user_id' AND value = entry.user_id),
    (SELECT customer_id FROM identity_identifier WHERE kind = 'anonymous_id' AND value = entry.anonymous_id)
)
CROSS JOIN LATERAL (
    SELECT customer.erased_at IS NOT NULL OR EXISTS (
        SELECT FROM identity_consentdenial d
        WHERE (d.kind, d.value) IN (('user_id', entry.user_id), ('anonymous_id', entry.anonymous_id))
    ) OR EXISTS (
        SELECT FROM serving_erasedidentifier e WHERE e.digest = ANY (entry.digests::text[])
    ) AS is_anonymous
) consent
ORDER BY entry.recommendation_id, served_at
ON CONFLICT (recommendation_id, served_at) DO NOTHING
"""


@dataclass
class ImpressionStoreResult:
    """Numbers of entries: ``read``; ``stored`` as new rows; ``damaged`` and set aside.

    The others existed already.
    """

    read: int = 0
    stored: int = 0
    damaged: int = 0


def store_impressions(*, at: datetime, seconds: float | None = None) -> ImpressionStoreResult:
    """Empty the stream, oldest first, for about ``seconds``.

    With Valkey down nothing is read and nothing is lost.

    After a database error, everything not stored remains in the stream.
    """
    started, result = time.monotonic(), ImpressionStoreResult()
    try:
        while entries := stream.read_entries(CHUNK):
            store_entries(entries, at=at, result=result)
            if len(entries) < CHUNK or (seconds is not None and time.monotonic() - started >= seconds):
                break
    except ValkeyDownError as error:
        logger.warning("Impressions stay in the stream: %s", error)
    return result


def store_entries(entries: Sequence[StreamEntry], *, at: datetime, result: ImpressionStoreResult) -> None:
    """Store the valid entries, set the others aside, and then remove the stored ones."""
    valid: list[tuple[StreamEntry, ServedEntry]] = []
    damaged: list[tuple[StreamEntry, str]] = []
    for entry in entries:
        try:
            valid.append((entry, check_entry(unpack_entry(entry.packed), at=at)))
        except DamagedEntryError as error:
            damaged.append((entry, str(error)))
    stored, rejected = insert_valid_entries(valid)
    damaged += rejected
    damaged_numbers = {entry.number for entry, _why in damaged}
    if damaged:
        logger.error(
            "%d impressions cannot be stored and were moved to %s; first error: %s",
            len(damaged),
            stream.DAMAGED,
            damaged[0][1],
        )
        stream.set_aside_entries(damaged)
    stream.remove_entries([entry for entry in entries if entry.number not in damaged_numbers])
    result.read += len(entries)
    result.stored += stored
    result.damaged += len(damaged)


def check_entry(entry: ServedEntry, *, at: datetime) -> ServedEntry:
    """Return the entry. Raises DamagedEntryError for a time in the future."""
    if entry.served_at > at + MAX_CLOCK_LEAD:
        raise DamagedEntryError(f"served_at {entry.served_at:%Y-%m-%d %H:%M} is after {at:%Y-%m-%d %H:%M}")
    return entry


def insert_valid_entries(
    entries: Sequence[tuple[StreamEntry, ServedEntry]],
) -> tuple[int, list[tuple[StreamEntry, str]]]:
    """Return the number of new rows and the rejected entries, found by halving failing batches."""
    stored, rejected, waiting = 0, [], [entries]
    while waiting:
        batch = waiting.pop()
        if not batch:
            continue
        try:
            stored += insert_entries([served for _entry, served in batch])
        except (DataError, IntegrityError) as error:
            if len(batch) == 1:
                rejected.append((batch[0][0], str(error).strip()))
            else:
                # the first half goes on top of the stack, so that entries stay in order
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
    return stored, rejected


def insert_entries(entries: Sequence[ServedEntry]) -> int:
    """Insert the entries with one statement; return the number of new rows."""
    columns = {
        "recommendation_id": encode_texts([entry.recommendation_id for entry in entries]),
        "scenario": encode_texts([entry.scenario for entry in entries]),
        "user_id": encode_texts([entry.user_id for entry in entries]),
        "anonymous_id": encode_texts([entry.anonymous_id for entry in entries]),
        "model_version": encode_texts([entry.model_version for entry in entries]),
        "strategy": encode_texts([entry.strategy for entry in entries]),
        "arm": encode_texts([entry.arm or "" for entry in entries]),
        "fallback": encode_texts([entry.fallback or "" for entry in entries]),
        "served_at": encode_times([entry.served_at for entry in entries]),
        "first_rank": encode_bigints([entry.first_rank for entry in entries]),
        "product_ids": encode_texts([format_text_list(entry.product_ids) for entry in entries]),
        "digests": encode_texts([format_digests(entry) for entry in entries]),
        "order_features": encode_texts([format_numbers(entry.order_features) for entry in entries]),
        "propensities": encode_texts([format_propensities(entry.propensities) for entry in entries]),
        "teams": encode_texts([format_numbers(entry.teams) for entry in entries]),
    }
    with (
        transaction.atomic(),
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,  # Django's cursor would send the arrays as text
    ):
        register_array_dumpers(cursor)
        cursor.execute(INSERT_IMPRESSIONS, columns, prepare=True)
        stored = cursor.rowcount
        insert_exposures(cursor, entries)
        return stored


def format_numbers(values: Sequence[float] | None) -> str:
    """Return an array literal with the precision of a real; "" for no array."""
    return "" if values is None else f"{{{','.join([f'{value:.7g}' for value in values])}}}"


def format_propensities(propensities: Sequence[tuple[int, float]] | None) -> str:
    """Return an array literal with one entry per product until the last one chosen at random, NULL for the others; "" without any."""
    if not propensities:
        return ""
    by_number = dict(propensities)
    values = (by_number.get(number) for number in range(1, max(by_number) + 1))
    return f"{{{','.join(['NULL' if value is None else f'{value:.7g}' for value in values])}}}"


def format_digests(entry: ServedEntry) -> str:
    """Return an array literal of the digests under which the identifiers of a visitor are stored after an erasure."""
    names = [f"{kind}:{value}" for kind, value in list_identifiers(entry) if value]
    return "{" + ",".join(f"{value:016x}" for value in list_name_hashes(names)) + "}"


def list_identifiers(entry: ServedEntry) -> tuple[tuple[str, str], ...]:
    return ("user_id", entry.user_id), ("anonymous_id", entry.anonymous_id)
