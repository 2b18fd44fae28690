"""Speeds up large loads: drops a table's keys and indexes and builds them again, all in the caller's transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.db.backends.utils import CursorWrapper

LOCK_TIMEOUT = "3s"

FIND_KEYS = """
    SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid), c.contype = 'f'
    FROM pg_constraint c
    WHERE c.conrelid = ANY(%(tables)s::regclass[]) AND c.contype IN ('f', 'p', 'u')
      AND NOT EXISTS (  -- keys that other tables reference remain
          SELECT 1 FROM pg_constraint r
          WHERE r.contype = 'f' AND r.conindid = c.conindid AND c.contype <> 'f' AND r.conrelid <> ALL(%(tables)s::regclass[]))
    ORDER BY c.contype = 'f' DESC, array_position(%(tables)s::regclass[], c.conrelid::regclass), c.conname
"""
FIND_INDEXES = """
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
    FROM pg_index i
    WHERE i.indrelid = ANY(%(tables)s::regclass[])
      AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid)
    ORDER BY i.indexrelid
"""


@dataclass(frozen=True)
class TableConstraint:
    """A primary, unique or foreign key, as its table defines it."""

    table: str
    name: str
    definition: str
    is_foreign: bool


@contextmanager
def rebuild_keys(cursor: CursorWrapper, tables: Sequence[str]) -> Iterator[bool]:
    """Drop the keys and indexes of ``tables`` during the block and build the same ones afterwards.

    Building a key checks every row, so the table never violates it. After an error or a killed process the transaction is
    rolled back, and the keys with it. Other sessions cannot read the tables until the transaction ends. Yields False and
    changes nothing when a table cannot be locked within ``LOCK_TIMEOUT``.
    """
    names = {"tables": list(tables)}
    cursor.execute(FIND_KEYS, names)
    keys = [TableConstraint(*row) for row in cursor.fetchall()]
    cursor.execute(FIND_INDEXES, names)
    indexes = cursor.fetchall()
    if not lock_tables(cursor, tables):
        yield False
        return
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # PostgreSQL does not alter a table with pending constraint checks
    for key in keys:
        cursor.execute(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}")
    for name, _definition in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield True
    for _name, definition in indexes:
        cursor.execute(definition)
    for key in sorted(keys, key=lambda key: key.is_foreign):
        cursor.execute(f"ALTER TABLE {key.table} ADD CONSTRAINT {key.name} {key.definition}")


@contextmanager
def disable_triggers(cursor: CursorWrapper, table: str, triggers: Sequence[str]) -> Iterator[None]:
    """Disable triggers of a table during the block; the caller has locked the table exclusively in the same transaction."""
    for trigger in triggers:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    yield
    for trigger in triggers:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def lock_tables(cursor: CursorWrapper, tables: Sequence[str], *, timeout: str = LOCK_TIMEOUT) -> bool:
    """Lock the tables exclusively until the transaction ends; return False when that takes longer than ``timeout``."""
    cursor.execute("SELECT current_setting('lock_timeout')")
    before = cursor.fetchone()[0]
    try:
        with transaction.atomic():
            cursor.execute(f"SET LOCAL lock_timeout = '{timeout}'")
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return False
    return True
