"""Applies migrations while programs are running: a migration that does not get its lock immediately backs off and tries again.

A statement that waits for an exclusive lock makes every later query of the table wait behind it. So it gives up after a few seconds, lets the
others pass, and is repeated; what was applied before stays applied.
"""

import time
from collections.abc import Callable

from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from psycopg import errors, sql

LOCK_SECONDS = 2
PAUSE_SECONDS = 3.0
ATTEMPTS = 100  # for about eight minutes


class LockedTableError(Exception):
    """A long transaction kept the migrations from getting their locks; the message names it."""


def apply_with_retries(
    apply: Callable[[], object],
    *,
    report: Callable[[str], object] = lambda text: None,
    lock_seconds: float = LOCK_SECONDS,
    pause_seconds: float = PAUSE_SECONDS,
    attempts: int = ATTEMPTS,
) -> None:
    """Call a function that applies migrations until it gets its locks.

    Raises:
        LockedTableError: it did not get them.
    """
    for attempt in range(1, attempts + 1):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{round(lock_seconds * 1000)}ms"])
            drop_invalid_indexes(cursor)
        try:
            apply()
        except OperationalError as error:
            if not isinstance(error.__cause__, errors.LockNotAvailable):
                raise
            report(f"A migration waits for a lock and lets other queries pass (attempt {attempt} of {attempts}).")
            time.sleep(pause_seconds)
        else:
            return
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = DEFAULT")
    raise LockedTableError(
        f"The migrations did not get their locks. {describe_longest_transaction()} Then run this again."
    )


def drop_invalid_indexes(cursor: CursorWrapper) -> None:
    """Drop indexes that an interrupted CREATE INDEX CONCURRENTLY left behind."""
    cursor.execute(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relnamespace = current_schema()::regnamespace"
    )
    for (name,) in cursor.fetchall():
        cursor.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)).as_string(None))


def describe_longest_transaction() -> str:
    """Return which other transaction has been open for longest."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, extract(epoch FROM now() - xact_start)::int, left(query, 100) FROM pg_stat_activity"
            " WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database() ORDER BY xact_start LIMIT 1"
        )
        row = cursor.fetchone()
    if row is None:
        return "No other transaction is open."
    return f"End the transaction of process {row[0]}, open for {row[1]} s: {row[2]!r}."
