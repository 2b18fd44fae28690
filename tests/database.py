"""The database of each test process: migrated once per run and copied for every worker, and emptied quickly after tests that commit."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

FLUSHES = 5
APPEND_ONLY = ("auditlog_logentry", "access_auditseal")
WRITTEN_COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = quote_ident(%s)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


def make_template(url: str, template: str) -> None:
    """Copy the database of servers that are migrated already, which keep it empty for others."""
    address, _slash, database = url.rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(template), sql.Identifier(database)))


def drop_template(url: str, template: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(template)))


def make_copying_creator(creation: Any, template: str, folder: Path) -> Callable[..., str]:
    """Return a replacement of `create_test_db`: the first process of the run migrates, the others copy its database.

    Args:
        creation: the database creation of Django's connection.
        template: name of the copy that is made after the migrations.
        folder: folder that all processes of the run share.
    """
    connection, create_test_db = creation.connection, creation.create_test_db

    def create_or_copy(
        verbosity: int = 1, autoclobber: bool = False, serialize: bool = True, keepdb: bool = False
    ) -> str:
        with (folder / f"{template}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with creation._nodb_cursor() as cursor:
                is_migrated = creation._database_exists(cursor, template)
            if not is_migrated:
                name: str = create_test_db(verbosity, autoclobber, serialize, keepdb)
                connection.close()
                connection.close_pool()  # PostgreSQL copies only a database that nobody uses
                with creation._nodb_cursor() as cursor:
                    cursor.execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')
            else:
                connection.settings_dict["TEST"]["TEMPLATE"] = template
                name = creation._create_test_db(verbosity, autoclobber, keepdb)
                connection.close()
                connection.close_pool()
                connection.settings_dict["NAME"] = name
        connection.ensure_connection()
        return name

    return create_or_copy


def read_rows(cursor: Any, name: str) -> tuple[str, bytes]:
    """Return the columns of a table and its rows as COPY writes them, without the columns that PostgreSQL generates."""
    cursor.execute(WRITTEN_COLUMNS, [name])
    columns = ", ".join(f'"{column}"' for (column,) in cursor.fetchall())
    with cursor.copy(f'COPY "{name}" ({columns}) TO STDOUT') as copy:
        return columns, b"".join(bytes(block) for block in copy)


def write_rows(cursor: Any, name: str, columns: str, rows: bytes) -> None:
    """Add the rows that `read_rows` returned."""
    with cursor.copy(f'COPY "{name}" ({columns}) FROM STDIN') as copy:
        copy.write(rows)


class QuickFlush:
    """Empties the tables that have rows and restores the rows that the migrations make.

    Django's flush truncates every table and runs all handlers of post_migrate after each test that commits.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.tables = sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))
        with connection.cursor() as cursor:
            self.initial_rows = {name: read_rows(cursor, name) for name in self.list_filled_tables(cursor)}

    def list_filled_tables(self, cursor: Any) -> list[str]:
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in self.tables)
        )
        return [name for (name,) in cursor.fetchall()]

    def flush(self) -> None:
        """Empty the tables, again if another process that is still writing has locked them in another order."""
        from django.contrib.contenttypes.models import ContentType
        from django.db import OperationalError

        for attempt in range(1, FLUSHES + 1):
            try:
                self._flush_once()
                break
            except OperationalError as error:
                if attempt == FLUSHES or not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                    raise
        ContentType.objects.clear_cache()

    def _flush_once(self) -> None:
        from django.db import transaction

        with transaction.atomic(), self.connection.cursor() as cursor:
            # as TRUNCATE does: wait for other processes that are still writing
            names = ", ".join(f'"{name}"' for name in self.tables)
            cursor.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign key checks
            for name in self.list_filled_tables(cursor):
                command = "TRUNCATE" if name in APPEND_ONLY else "DELETE FROM"
                cursor.execute(f'{command} "{name}"')
            for name, (columns, rows) in self.initial_rows.items():
                write_rows(cursor, name, columns, rows)
