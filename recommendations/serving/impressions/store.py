"""Takes impressions off the stream and stores them in bulk, each exactly once.

An entry leaves the stream only after the commit of what it says. Killed before, it is read again; killed in between, its row is
there already and stays as it is, because the recommendation and its moment are the table's key.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from django.db import DataError, IntegrityError, connection, transaction

from config.foundation.database.array_parameters import bigints, register_arrays, text_list, texts, times
from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.served_entry import DamagedEntryError, Shown, unpack
from recommendations.serving.impressions.stream import Entry
from recommendations.serving.state.suppression import hash_of

CHUNK = 2_000
AHEAD = timedelta(days=1)  # a clock that is further ahead is no clock
logger = logging.getLogger(__name__)

# Who refuses analytics or personalisation, or was erased, is not named; of two ids the user's says who it was.
STORE = """
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
        SELECT FROM identity_consentrefusal r
        WHERE (r.kind, r.value) IN (('user_id', given.user_id), ('anonymous_id', given.anonymous_id))
    ) OR EXISTS (
        SELECT FROM serving_erasedidentifier e WHERE e.digest IN (given.user_digest, given.anonymous_digest)
    ) AS nameless
) consent
ORDER BY given.recommendation_id, served_at
ON CONFLICT (recommendation_id, served_at) DO NOTHING
"""


@dataclass
class Stored:
    """``read`` entries, of which ``stored`` became rows; the others were there already or were set aside as ``damaged``."""

    read: int = 0
    stored: int = 0
    damaged: int = 0


def store_impressions(*, at: datetime, seconds: float | None = None) -> Stored:
    """Empties the stream, oldest first, for about ``seconds``. With Valkey down nothing can be read, and nothing is lost here.

    Errors: those of the database, after which everything that was not stored still waits.
    """
    began, done = time.monotonic(), Stored()
    try:
        while entries := stream.read(CHUNK):
            store_entries(entries, at=at, done=done)
            if len(entries) < CHUNK or (seconds is not None and time.monotonic() - began >= seconds):
                break
    except ValkeyDownError as error:
        logger.warning("Impressions wait: %s", error)
    return done


def store_entries(entries: Sequence[Entry], *, at: datetime, done: Stored) -> None:
    good: list[tuple[Entry, Shown]] = []
    damaged: list[tuple[Entry, str]] = []
    for entry in entries:
        try:
            good.append((entry, check(unpack(entry.packed), at=at)))
        except DamagedEntryError as error:
            damaged.append((entry, str(error)))
    stored, refused = insert_halving(good)
    damaged += refused
    bad = {entry.number for entry, _why in damaged}
    if damaged:
        logger.error(
            "%d impressions cannot be stored and are set aside in %s; the first: %s",
            len(damaged),
            stream.DAMAGED,
            damaged[0][1],
        )
        stream.set_aside(damaged)
    stream.take_off([entry for entry in entries if entry.number not in bad])
    done.read += len(entries)
    done.stored += stored
    done.damaged += len(damaged)


def check(shown: Shown, *, at: datetime) -> Shown:
    """Raises DamagedEntryError for a moment that lies in the future."""
    if shown.served_at > at + AHEAD:
        raise DamagedEntryError(f"served_at {shown.served_at:%Y-%m-%d %H:%M} lies after {at:%Y-%m-%d %H:%M}")
    return shown


def insert_halving(good: Sequence[tuple[Entry, Shown]]) -> tuple[int, list[tuple[Entry, str]]]:
    """How many rows are new, and the entries that the database refuses: each found by halving what fails."""
    stored, refused, waiting = 0, [], [good]
    while waiting:
        some = waiting.pop()
        if not some:
            continue
        try:
            stored += insert([shown for _entry, shown in some])
        except (DataError, IntegrityError) as error:
            if len(some) == 1:
                refused.append((some[0][0], str(error).strip()))
            else:
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
    return stored, refused


def insert(shown: Sequence[Shown]) -> int:
    """One statement; how many rows are new."""
    columns = {
        "recommendation_id": texts([one.recommendation_id for one in shown]),
        "scenario": texts([one.scenario for one in shown]),
        "user_id": texts([one.user_id for one in shown]),
        "anonymous_id": texts([one.anonymous_id for one in shown]),
        "model_version": texts([one.model_version for one in shown]),
        "strategy": texts([one.strategy for one in shown]),
        "arm": texts([one.arm or "" for one in shown]),
        "fallback": texts([one.fallback or "" for one in shown]),
        "served_at": times([one.served_at for one in shown]),
        "first_rank": bigints([one.first_rank for one in shown]),
        "product_ids": texts([text_list(one.product_ids) for one in shown]),
        "user_digest": texts([digest_of("user_id", one.user_id) for one in shown]),
        "anonymous_digest": texts([digest_of("anonymous_id", one.anonymous_id) for one in shown]),
    }
    with (
        transaction.atomic(),
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,  # Django's own would send the arrays as text
    ):
        register_arrays(cursor)
        cursor.execute(STORE, columns, prepare=True)
        return cursor.rowcount


def digest_of(kind: str, value: str) -> str:
    """By which an erasure is remembered; empty for nobody."""
    return f"{hash_of(f'{kind}:{value}'):016x}" if value else ""
