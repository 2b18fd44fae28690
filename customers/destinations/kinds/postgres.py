"""Tables in a PostgreSQL database, or in one that speaks its protocol: written by COPY and upserted, so that repetitions change nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql
from psycopg.types.json import Jsonb

from config.foundation.files.safe_download import DownloadError, find_address
from customers.destinations.kinds.base import (
    BatchRefusedError,
    DestinationError,
    DestinationKind,
    DestinationReply,
    SettingField,
    SharedBatch,
    SharedRecord,
    UnreachableError,
)
from customers.destinations.models import DataStream

CONNECT_SECONDS, STATEMENT_MS = 3, 6000
SCHEMA_LENGTH = 63
PERSON = {"customer_id": "bigint", "user_id": "text"}
MONEY = "numeric(14,2)"
# table → column → type; a column that is new here is added to existing tables
TABLES: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "id": "bigint", **PERSON, "placed_at": "timestamptz", "order_id": "text", "kind": "text", "status": "text", "currency": "text",
        "subtotal": MONEY, "discount": MONEY, "shipping": MONEY, "tax": MONEY, "total": MONEY, "refunded": MONEY, "coupon": "text",
        "lines": "jsonb",
    },
    "events": {
        "id": "bigint", **PERSON, "occurred_at": "timestamptz", "type": "text", "name": "text", "product_ids": "jsonb", "value": MONEY,
        "currency": "text", "properties": "jsonb",
    },
    "stage_changes": {
        "id": "bigint", **PERSON, "occurred_at": "timestamptz", "from": "text", "to": "text", "reason": "text",
    },
    "segment_entries": {"id": "bigint", **PERSON, "occurred_at": "timestamptz", "segment": "text", "name": "text"},
    "consents": {
        "id": "bigint", **PERSON, "occurred_at": "timestamptz", "type": "text", "purpose": "text", "policy_version": "text",
    },
}  # fmt: skip
READ_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"


class PostgresTables(DestinationKind):
    """A database with a table for each kind of data; orders are current, everything else is appended."""

    key = "postgres"
    label = "PostgreSQL"
    description = gettext_lazy(
        "Writes orders, events and changes into tables of a PostgreSQL database, and keeps them current."
    )
    steps = (
        gettext_lazy("Make a schema in the database, and a user who may create tables in it."),
        gettext_lazy("The tables are created with the first data. Columns that are new in a later version are added."),
        gettext_lazy(
            "A database in your own network needs its host in WEBHOOK_PRIVATE_HOSTS; others are reached with TLS."
        ),
    )
    fields = (
        SettingField("host", gettext_lazy("Host")),
        SettingField("port", gettext_lazy("Port"), gettext_lazy("5432 if empty."), is_required=False),
        SettingField("database", gettext_lazy("Database")),
        SettingField("schema", gettext_lazy("Schema")),
        SettingField("user", gettext_lazy("User")),
        SettingField("password", gettext_lazy("Password"), is_secret=True),
    )
    streams = tuple(DataStream.values)
    task = gettext_lazy("Stores data in a database for analyses")
    data = gettext_lazy("user ID, orders, events, stage changes, segments and consents, as chosen")
    max_records = 1000
    removal_note = gettext_lazy("The rows of the customer were deleted.")

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        schema, port = str(values.get("schema", "")), str(values.get("port") or "5432")
        if not schema.isidentifier() or len(schema) > SCHEMA_LENGTH or schema.startswith("pg_"):
            raise DestinationError(_("A schema has letters, digits and underscores: %(value)s") % {"value": schema})
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise DestinationError(_("A port is a number up to 65535: %(value)s") % {"value": port})

    @property
    def address(self) -> str:
        return f"{self.options['host']}:{self.options.get('port') or 5432}"

    def close(self) -> None:
        """Connections are closed after each batch."""

    def send_test(self) -> str:
        """Create the schema's tables; nothing is written into them."""
        with self._connect() as link:
            for table in TABLES:
                self._ensure_table(link, table)
        return _("the tables are there")

    def send(self, batch: SharedBatch) -> DestinationReply:
        table = "orders" if batch.stream == DataStream.ORDER_CHANGES else batch.stream
        rows = {row["id"]: row for row in (format_row(table, record) for record in batch.records)}
        with self._connect() as link:
            self._ensure_table(link, table)
            self._upsert(link, table, list(rows.values()))
        return DestinationReply()

    def remove_person(self, content: Mapping[str, Any], key: str) -> bool:
        with self._connect() as link:
            for table in TABLES:
                self._ensure_table(link, table)
                link.execute(
                    sql.SQL("DELETE FROM {} WHERE customer_id = ANY(%s::bigint[])").format(self._name(table)),
                    [list(content["customer_ids"])],
                )
        return True

    def _name(self, table: str) -> sql.Composed:
        return sql.SQL("{}.{}").format(sql.Identifier(str(self.options["schema"])), sql.Identifier(table))

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        """Open a connection to a checked address, whose transaction ends with the block."""
        host, port = str(self.options["host"]), int(self.options.get("port") or 5432)
        private = frozenset(settings.WEBHOOK_PRIVATE_HOSTS)
        try:
            hostaddr = find_address(urlsplit(f"https://{host}:{port}"), private)
        except DownloadError as error:
            raise DestinationError(str(error)) from error
        except OSError as error:
            raise UnreachableError(str(error)) from error
        try:
            with psycopg.connect(
                host=host,
                hostaddr=hostaddr,
                port=port,
                dbname=str(self.options["database"]),
                user=str(self.options["user"]),
                password=str(self.credentials["password"]),
                sslmode="prefer" if host in private else "require",
                connect_timeout=CONNECT_SECONDS,
                options=f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}",
                application_name="perennial",
            ) as link:
                yield link
        except psycopg.Error as error:
            raise_database_error(error)

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
                    copy.write_row([row.get(name) for name in columns])
            changes = sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns if name != "id"
            )
            insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM incoming ON CONFLICT (id) DO UPDATE SET {}")
            cursor.execute(insert.format(self._name(table), names, names, changes))


def define_column(name: str, kind: str) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))


def format_row(table: str, record: SharedRecord) -> dict[str, Any]:
    """Return the columns of a record; orders are identified by their own number, whatever has changed."""
    content = dict(record.content)
    number = content["number"] if table == "orders" else int(record.id.rpartition("-")[2])
    row = {"id": number, "customer_id": record.person.customer_id, "user_id": record.person.user_id}
    row |= {"occurred_at": record.occurred_at} | {key: value for key, value in content.items() if key != "number"}
    return {key: Jsonb(value) if isinstance(value, dict | list) else value for key, value in row.items()}


def raise_database_error(error: psycopg.Error) -> None:
    """Raise what an error of the database means."""
    text = str(error).strip().partition("\n")[0][:300] or type(error).__name__
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        raise BatchRefusedError(text) from error
    is_setting = isinstance(error, psycopg.ProgrammingError) or (error.sqlstate or "").startswith(("28", "3D", "42"))
    if is_setting or "FATAL:" in str(error):
        raise DestinationError(text) from error
    raise UnreachableError(text) from error
