"""Inserts the first rows of a large table without its keys; building the keys afterwards takes a third of the time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from config.foundation.database.index_rebuild import lock_tables, rebuild_keys

MIN_ROWS = 500_000
REFERENCED_TABLES = ("identity_customer", "lifecycle_stagerules")
# Less than PostgreSQL's deadlock_timeout: a transaction that locks a customer and waits for this one must not abort it.
LOCK_TIMEOUT = "500ms"


@contextmanager
def drop_keys_for_first_load(cursor: CursorWrapper, *, table: str, rows: int) -> Iterator[bool]:
    """Drop the keys during the block when the table is empty and at least ``MIN_ROWS`` rows follow; yield whether they are dropped.

    The keys remain when the referenced tables cannot be locked immediately. Transactions that wait for these locks continue
    when this transaction ends.
    """
    if (
        rows >= MIN_ROWS
        and is_empty(cursor, table)
        and lock_tables(cursor, [*REFERENCED_TABLES, table], timeout=LOCK_TIMEOUT)
    ):
        with rebuild_keys(cursor, [table]) as are_dropped:
            yield are_dropped
    else:
        yield False


def is_empty(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
    return bool(cursor.fetchone()[0])
