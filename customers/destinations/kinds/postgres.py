"""Tables in a PostgreSQL database, or in one that speaks its protocol: written by COPY and upserted, so that repetitions change nothing."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Any

import psycopg
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql
from psycopg.types.json import Jsonb

from customers.destinations.kinds.base import BatchRefusedError, DestinationError, SettingField, UnreachableError
from customers.destinations.kinds.sql_tables import (
    CERTIFICATE_FIELDS,
    CONNECT_SECONDS,
    STATEMENT_MS,
    TABLES,
    SqlTables,
    explain_certificate_error,
)

SCHEMA_LENGTH = 63
READ_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"


class PostgresTables(SqlTables):
    """Tables in a schema of a PostgreSQL database."""

    key = "postgres"
    default_port = 5432
    label = "PostgreSQL"
    description = gettext_lazy(
        "Writes orders, events and changes into tables of a PostgreSQL database, and keeps them current."
    )
    steps = (
        gettext_lazy("Create a schema in the database, and a user who can create tables in it."),
        gettext_lazy("The tables are created with the first data. Columns that are new in a later version are added."),
        gettext_lazy(
            "If the database is in your own network, add its host to WEBHOOK_PRIVATE_HOSTS; other databases are reached over TLS."
        ),
    )
    fields = (
        SettingField("host", gettext_lazy("Host"), is_address=True),
        SettingField("port", gettext_lazy("Port"), gettext_lazy("5432 if empty."), is_required=False, is_address=True),
        SettingField("database", gettext_lazy("Database")),
        SettingField("schema", gettext_lazy("Schema")),
        SettingField("user", gettext_lazy("User")),
        SettingField("password", gettext_lazy("Password"), is_secret=True),
        *CERTIFICATE_FIELDS,
    )

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        super().clean(values)
        schema = str(values.get("schema", ""))
        if not schema.isidentifier() or len(schema) > SCHEMA_LENGTH or schema.startswith("pg_"):
            raise DestinationError(
                _("A schema can contain only letters, digits and underscores: %(value)s") % {"value": schema}
            )

    def _name(self, table: str) -> sql.Composed:
        return sql.SQL("{}.{}").format(sql.Identifier(str(self.options["schema"])), sql.Identifier(table))

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        """Open a connection to a checked address, whose transaction ends with the block."""
        hostaddr = self._find_host_address()
        try:
            with (
                self._choose_encryption() as encryption,
                psycopg.connect(
                    **encryption,
                    host=self.host,
                    hostaddr=hostaddr,
                    port=self.port,
                    dbname=str(self.options["database"]),
                    user=str(self.options["user"]),
                    password=str(self.credentials["password"]),
                    connect_timeout=CONNECT_SECONDS,
                    options=f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}",
                    application_name="perennial",
                ) as link,
            ):
                yield link
        except psycopg.Error as error:
            raise_database_error(error)

    @contextmanager
    def _choose_encryption(self) -> Iterator[dict[str, Any]]:
        """Yield the parameters of the connection that concern TLS; libpq reads certificates from a file only."""
        if not self.verifies:
            yield {"sslmode": "prefer" if self.is_private else "require"}
            return
        if not self.ca_certificate:
            # "system" is the folder of the OpenSSL in psycopg's own package, which may not exist
            yield {"sslmode": "verify-full", "sslrootcert": ssl.get_default_verify_paths().cafile or "system"}
            return
        with NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.ca_certificate)
            file.flush()
            yield {"sslmode": "verify-full", "sslrootcert": file.name}

    def _ensure_table(self, link: psycopg.Connection[Any], table: str) -> None:
        """Create a table, or add the columns that it lacks."""
        columns = TABLES[table]
        present = {name for (name,) in link.execute(READ_COLUMNS, [self.options["schema"], table]).fetchall()}
        if not present:
            definitions = sql.SQL(", ").join(define_column(name, kind) for name, kind in columns.items())
            create = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY (id))")
            link.execute(create.format(self._name(table), definitions))
            return
        for name in columns.keys() - present:
            add = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}")
            link.execute(add.format(self._name(table), define_column(name, columns[name])))

    def _upsert(self, link: psycopg.Connection[Any], table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = TABLES[table]
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        definitions = sql.SQL(", ").join(define_column(name, kind) for name, kind in columns.items())
        with link.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE TEMP TABLE incoming ({}) ON COMMIT DROP").format(definitions))
            with cursor.copy(sql.SQL("COPY incoming ({}) FROM STDIN").format(names)) as copy:
                for row in rows:
                    copy.write_row([format_value(row.get(name)) for name in columns])
            changes = sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns if name != "id"
            )
            insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM incoming ON CONFLICT (id) DO UPDATE SET {}")
            cursor.execute(insert.format(self._name(table), names, names, changes))

    def _delete_customers(self, link: psycopg.Connection[Any], table: str, customer_ids: Sequence[int]) -> None:
        delete = sql.SQL("DELETE FROM {} WHERE customer_id = ANY(%s::bigint[])")
        link.execute(delete.format(self._name(table)), [list(customer_ids)])


def format_value(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict | list) else value


def define_column(name: str, kind: str) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))


def raise_database_error(error: psycopg.Error) -> None:
    """Raise the exception for an error of the database."""
    text = str(error).strip().partition("\n")[0][:300] or type(error).__name__
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        raise BatchRefusedError(text) from error
    if problem := explain_certificate_error(text):
        raise problem from error
    is_setting = isinstance(error, psycopg.ProgrammingError) or (error.sqlstate or "").startswith(("28", "3D", "42"))
    if is_setting or "FATAL:" in str(error):
        raise DestinationError(text) from error
    raise UnreachableError(text) from error
