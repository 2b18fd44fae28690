"""Writes the first rows of many customers without keys: building them anew costs a third of keeping them up and checking each row."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from config.foundation.database.index_rebuild import lock_tables, rebuild_keys

MIN_ROWS = 500_000
REFERENCED_TABLES = ("identity_customer", "lifecycle_stagerules")
LOCK_TIMEOUT = "500ms"  # less than deadlock_timeout: who holds a customer and waits for this refresh must not end it


@contextmanager
def drop_keys_for_first_load(cursor: CursorWrapper, *, table: str, rows: int) -> Iterator[bool]:
    """Takes the keys off for the block where the table is empty and so many rows come; yields whether they are off.

    They stay where the tables that they are about cannot be locked at once; what waits for these goes on when the transaction ends.
    """
    if (
        rows >= MIN_ROWS
        and is_empty(cursor, table)
        and lock_tables(cursor, [*REFERENCED_TABLES, table], patience=LOCK_TIMEOUT)
    ):
        with rebuild_keys(cursor, [table]) as off:
            yield off
    else:
        yield False


def is_empty(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
    return bool(cursor.fetchone()[0])
