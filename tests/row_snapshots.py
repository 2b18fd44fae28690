"""Snapshots of rows and files that many tests begin with: restoring them takes a fraction of the time that making them takes."""

import fcntl
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import sql

from tests.database import read_rows, write_rows

# also the tables that transactions of the last second have changed: PostgreSQL reports these together
CHANGED_TABLES = (
    "SELECT relname FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY relname"
)
# Left out: with the IDs of the snapshot, the entries would collide with those of a log-in that comes before the snapshot in a test.
AUDIT_TABLES = ("access_unsealedentry", "auditlog_logentry")
SEQUENCES = """
SELECT pg_class.relname, attname, pg_get_serial_sequence(quote_ident(pg_class.relname), attname)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE pg_class.relname = ANY(%s) AND attnum > 0 AND NOT attisdropped
  AND pg_get_serial_sequence(quote_ident(pg_class.relname), attname) IS NOT NULL
"""


def make_snapshot(folder: Path, make: Callable[[Path], None]) -> None:
    """Save the rows and files that `make` makes into `folder`, unless another process has; then undo the rows.

    make: gets the folder for its files, and may only add rows. The first process calls it, with the same random bytes in each run.
    """
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "tables.json").exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files").mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patch, transaction.atomic():
            make_bytes = random.Random(folder.name).randbytes
            patch.setattr(os, "urandom", make_bytes)
            patch.setattr(random, "_urandom", make_bytes)
            make(folder / "files")
            columns = save_new_rows(folder)
            transaction.set_rollback(True)
        (folder / "tables.json").write_text(json.dumps(columns), encoding="utf-8")


def save_new_rows(folder: Path) -> dict[str, str]:
    """Save the rows that this transaction has added, a file for each table, and return the columns of each table."""
    columns = {}
    # another connection sees what was committed before
    with closing(connection.copy()) as others, connection.cursor() as cursor, others.cursor() as committed:
        cursor.execute(CHANGED_TABLES)
        for (table,) in cursor.fetchall():
            if table in AUDIT_TABLES:
                continue
            names, rows = read_rows(cursor, table)
            old = set(read_rows(committed, table)[1].splitlines(keepends=True))
            lines = rows.splitlines(keepends=True)
            assert old <= set(lines), f"rows of {table} were changed"
            if new := [line for line in lines if line not in old]:
                columns[table] = names
                (folder / table).write_bytes(b"".join(new))
    return columns


def restore_snapshot(folder: Path, files: Path) -> None:
    """Write the rows of a snapshot into the database, and copy its files to `files`."""
    columns: dict[str, str] = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # the snapshot has the rows that triggers write
        for table, names in columns.items():
            write_rows(cursor, table, names, (folder / table).read_bytes())
        cursor.execute("SET LOCAL session_replication_role = origin")
        advance_sequences(cursor, list(columns))
    shutil.copytree(folder / "files", files, dirs_exist_ok=True)


def advance_sequences(cursor: Any, tables: list[str]) -> None:
    """Let the sequences of tables continue after the largest restored id, or where they are if that is later."""
    cursor.execute(SEQUENCES, [tables])
    for table, column, sequence in cursor.fetchall():
        statement = sql.SQL(
            "SELECT setval({name}, greatest((SELECT last_value FROM {sequence}), (SELECT max({column}) FROM {table})))"
        )
        cursor.execute(
            statement.format(
                name=sql.Literal(sequence),
                sequence=sql.Identifier(*sequence.replace('"', "").split(".")),
                column=sql.Identifier(column),
                table=sql.Identifier(table),
            )
        )
