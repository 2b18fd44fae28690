"""Statements of the database that take long: logged without their values, and counted for the page of the slowest."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import batched
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.backends.signals import connection_created
from django.utils import timezone
from psycopg.sql import Composable

from config.foundation.test_mode import allow_valkey_writes
from config.foundation.valkey import ValkeyDownError, run_pipeline
from config.monitoring.tracing import get_tracer, trace_statement

logger = logging.getLogger(__name__)

MAX_STATEMENT = 4000
MAX_STATEMENTS = 200  # that are kept of a day
# of every day (UTC): the sorted set KEY:2026-11-30 of fingerprints by their total time; the hash KEY:2026-11-30:fingerprint has the rest
KEY = "slow-statements"
KEPT_DAYS = 7
KEPT_SECONDS = KEPT_DAYS * 86_400
# string constants (also E'' and $$), then numbers that are not part of a name or a parameter
STRINGS = re.compile(r"[eE]?'(?:[^']|'')*+'|\$\$.*?\$\$", re.DOTALL)
NUMBERS = re.compile(r"(?<![\w$%\"])\d[\d.]*+(?![\w\"])")
VALUE = r"(?:%s|\?|%\(\w+\)s|DEFAULT)"
LISTS = re.compile(rf"\((?:\s*{VALUE}\s*,){{2,}}\s*{VALUE}\s*\)")
ROWS = re.compile(r"\(…\)(?:, \(…\))+")
SPACES = re.compile(r"\s+")
# a job that waits for another one; the statement itself takes no time
LOCK_WAIT = re.compile(r"\s*SELECT pg_advisory_(?:xact_)?lock(?:_shared)?\([^()]*\)\s*;?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class SlowStatement:
    """A statement without values, how often it was slow, and its seconds."""

    statement: str
    calls: int
    total: float
    longest: float

    @property
    def mean(self) -> float:
        return self.total / self.calls if self.calls else 0.0


def normalize_statement(sql: str) -> str:
    """Return a statement without its values and with single spaces."""
    text = STRINGS.sub("?", sql[: 4 * MAX_STATEMENT])
    text = NUMBERS.sub("?", text)
    return ROWS.sub("(…), …", LISTS.sub("(…)", SPACES.sub(" ", text))).strip()[:MAX_STATEMENT]


def connect_slow_statement_log() -> None:
    """Measure the statements of every connection that is opened from now on; called when the apps are ready."""
    if settings.SLOW_QUERY_SECONDS:
        connection_created.connect(measure_connection, dispatch_uid="monitoring.slow_statements")


def measure_connection(sender: Any, connection: Any, **kwargs: Any) -> None:
    """Measure the statements of a connection."""
    if measure_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(measure_statement)


def measure_statement(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Execute a statement, and log it if it was slow."""
    started = monotonic()
    try:
        if get_tracer() is None:
            return execute(sql, params, many, context)
        with trace_statement(get_text(sql)):
            return execute(sql, params, many, context)
    finally:
        seconds = monotonic() - started
        if seconds >= settings.SLOW_QUERY_SECONDS:
            if LOCK_WAIT.fullmatch(get_text(sql)):
                logger.info("Waited %.2f s for a lock of another job", seconds, extra={"seconds": round(seconds, 3)})
            else:
                note_slow_statement(get_text(sql), seconds=seconds)


def get_text(sql: Any) -> str:
    """Return a statement as SQL: psycopg's composed statements are objects, whose str() is their structure."""
    return sql.as_string(None) if isinstance(sql, Composable) else str(sql)


def note_slow_statement(sql: str, *, seconds: float, at: datetime | None = None) -> None:
    """Log a slow statement and add it to the counts of its day, by default today. Without Valkey, it is only logged."""
    statement = normalize_statement(sql)
    logger.warning("Slow statement: %.2f s: %s", seconds, statement, extra={"seconds": round(seconds, 3)})
    fingerprint = blake2b(statement.encode(), digest_size=8).hexdigest()
    day = list_days(at or timezone.now())[0]
    key = f"{day}:{fingerprint}"

    def fill(pipeline: Any) -> None:
        pipeline.zincrby(day, seconds, fingerprint)
        pipeline.hset(key, "statement", statement)
        pipeline.hincrby(key, "calls", 1)
        pipeline.hincrbyfloat(key, "total", seconds)
        pipeline.hget(key, "longest")
        pipeline.expire(day, KEPT_SECONDS)
        pipeline.expire(key, KEPT_SECONDS)
        pipeline.zremrangebyrank(day, 0, -MAX_STATEMENTS - 1)
        pipeline.delete(KEY)  # in which earlier versions added up all days

    try:
        with allow_valkey_writes():
            longest = run_pipeline(fill)[4]
            if longest is None or float(longest) < seconds:
                run_pipeline(lambda pipeline: pipeline.hset(key, "longest", seconds))
    except ValkeyDownError:
        pass


def list_days(at: datetime) -> list[str]:
    """Return the keys of the days that are shown, the newest first."""
    today = at.astimezone(UTC).date()
    return [f"{KEY}:{today - timedelta(days=number)}" for number in range(KEPT_DAYS)]


def list_own_statements(*, limit: int, at: datetime | None = None) -> list[SlowStatement]:
    """Return the statements that were slow in the last days, those with the longest total time first. Raises ValkeyDownError."""
    days = list_days(at or timezone.now())

    def fill_totals(pipeline: Any) -> None:
        for day in days:
            pipeline.zrevrange(day, 0, -1, withscores=True)

    totals: dict[str, float] = defaultdict(float)
    for members in run_pipeline(fill_totals):
        for fingerprint, seconds in members:
            totals[fingerprint.decode()] += seconds
    slowest = sorted(totals, key=totals.__getitem__, reverse=True)[:limit]

    def fill(pipeline: Any) -> None:
        for fingerprint in slowest:
            for day in days:
                pipeline.hgetall(f"{day}:{fingerprint}")

    rows = run_pipeline(fill) if slowest else []
    return [merge_days([row for row in own if row]) for own in batched(rows, len(days)) if any(own)]


def merge_days(rows: Sequence[dict[bytes, bytes]]) -> SlowStatement:
    """Return a statement with the counts of all its days."""
    return SlowStatement(
        rows[0][b"statement"].decode(),
        calls=sum(int(row[b"calls"]) for row in rows),
        total=sum(float(row[b"total"]) for row in rows),
        longest=max(float(row.get(b"longest", 0)) for row in rows),
    )


SELECT_STATEMENTS = """
SELECT query, calls, total_exec_time / 1000, max_exec_time / 1000 FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC LIMIT %s
"""


def has_statistics() -> bool:
    """Return whether the extension pg_stat_statements collects all statements of this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements') "
            "AND current_setting('shared_preload_libraries') LIKE %s",
            ["%pg_stat_statements%"],
        )
        return bool(cursor.fetchone()[0])


def list_slowest_statements(*, limit: int = 50) -> tuple[list[SlowStatement], bool]:
    """Return the statements with the longest total time, and whether PostgreSQL counted them (all calls, not only slow ones)."""
    try:
        if has_statistics():
            with connection.cursor() as cursor:
                cursor.execute(SELECT_STATEMENTS, [limit])
                return [
                    SlowStatement(normalize_statement(query), calls, total, longest)
                    for query, calls, total, longest in cursor.fetchall()
                ], True
    except Error as error:  # no permission: fall back to our own counts
        logger.warning("pg_stat_statements cannot be read: %s", error)
    return list_own_statements(limit=limit), False
