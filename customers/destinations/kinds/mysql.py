"""Tables in a MySQL or MariaDB database, or in one that speaks their protocol: upserted, so that repetitions change nothing."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import gettext_lazy
from pymysql.constants import CR, ER

from customers.destinations.kinds.base import BatchRefusedError, DestinationError, SettingField, UnreachableError
from customers.destinations.kinds.sql_tables import (
    CERTIFICATE_FIELDS,
    CONNECT_SECONDS,
    MONEY,
    STATEMENT_MS,
    TABLES,
    SqlTables,
    explain_certificate_error,
)

TYPES = {
    "bigint": "BIGINT",
    "text": "MEDIUMTEXT",
    "timestamptz": "DATETIME(6)",
    MONEY: "DECIMAL(14,2)",
    "jsonb": "JSON",
}
READ_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
# errors of numbers that PyMySQL has no class for: a value is out of range, in a wrong encoding, too long, or breaks a CHECK
REFUSED_VALUES = {
    ER.WARN_DATA_OUT_OF_RANGE, ER.TRUNCATED_WRONG_VALUE, ER.TRUNCATED_WRONG_VALUE_FOR_FIELD, ER.DATA_TOO_LONG, 3819, 4025,
}  # fmt: skip
WRONG_SETTINGS = {
    ER.DBACCESS_DENIED_ERROR, ER.ACCESS_DENIED_ERROR, ER.BAD_DB_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.HOST_NOT_PRIVILEGED, CR.CR_SSL_CONNECTION_ERROR, 1698,
}  # fmt: skip


class MySqlTables(SqlTables):
    """Tables in a MySQL database. Times are in UTC, because its columns have no time zone."""

    key = "mysql"
    default_port = 3306
    label = "MySQL"
    description = gettext_lazy(
        "Writes orders, events and changes into tables of a MySQL or MariaDB database, and keeps them current."
    )
    steps = (
        gettext_lazy("Create a database, and a user who can create tables in it."),
        gettext_lazy("The tables are created with the first data. Columns that are new in a later version are added."),
        gettext_lazy(
            "If the database is in your own network, add its host to WEBHOOK_PRIVATE_HOSTS; other databases are reached over TLS."
        ),
    )
    fields = (
        SettingField("host", gettext_lazy("Host"), is_address=True),
        SettingField("port", gettext_lazy("Port"), gettext_lazy("3306 if empty."), is_required=False, is_address=True),
        SettingField("database", gettext_lazy("Database")),
        SettingField("user", gettext_lazy("User")),
        SettingField("password", gettext_lazy("Password"), is_secret=True),
        *CERTIFICATE_FIELDS,
    )

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        address = self._find_host_address()
        try:
            link = pymysql.connect(
                host=self.host,
                port=self.port,
                user=str(self.options["user"]),
                password=str(self.credentials["password"]),
                database=str(self.options["database"]),
                charset="utf8mb4",
                sql_mode="TRADITIONAL",
                init_command="SET time_zone = '+00:00'",
                read_timeout=STATEMENT_MS / 1000,
                write_timeout=STATEMENT_MS / 1000,
                ssl=self._choose_encryption(),
                defer_connect=True,
            )
            try:
                # The name is not resolved again: it could resolve to another address by now.
                link.connect(socket.create_connection((address, self.port), timeout=CONNECT_SECONDS))
                yield link
                link.commit()
            finally:
                if link.open:
                    link.close()
        except OSError as error:
            raise UnreachableError(str(error)) from error
        except pymysql.Error as error:
            raise_database_error(error)

    def _choose_encryption(self) -> ssl.SSLContext | None:
        """Return how TLS is required; None for a private host, which may be reached without."""
        if self.verifies:
            return make_encryption(self.ca_certificate)
        return None if self.is_private else make_encryption(verifies=False)

    def _ensure_table(self, link: Any, table: str) -> None:
        columns = TABLES[table]
        with link.cursor() as cursor:
            cursor.execute(READ_COLUMNS, [table])
            present = {name for (name,) in cursor.fetchall()}
            if not present:
                definitions = ", ".join(define_column(name, columns[name]) for name in columns)
                cursor.execute(
                    f"CREATE TABLE IF NOT EXISTS `{table}` ({definitions}, PRIMARY KEY (`id`)) CHARACTER SET utf8mb4"
                )
                return
            for name in columns.keys() - present:
                cursor.execute(f"ALTER TABLE `{table}` ADD COLUMN {define_column(name, columns[name])}")

    def _upsert(self, link: Any, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = TABLES[table]
        names = ", ".join(f"`{name}`" for name in columns)
        places = ", ".join(["%s"] * len(columns))
        changes = ", ".join(f"`{name}` = VALUES(`{name}`)" for name in columns if name != "id")
        with link.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO `{table}` ({names}) VALUES ({places}) ON DUPLICATE KEY UPDATE {changes}",  # noqa: S608
                [[format_value(row.get(name), kind) for name, kind in columns.items()] for row in rows],
            )

    def _delete_customers(self, link: Any, table: str, customer_ids: Sequence[int]) -> None:
        with link.cursor() as cursor:
            cursor.execute(f"DELETE FROM `{table}` WHERE `customer_id` IN %s", [list(customer_ids)])  # noqa: S608


def make_encryption(ca_certificate: str = "", *, verifies: bool = True) -> ssl.SSLContext:
    """Return a context that requires TLS. ca_certificate: the only authority that is trusted; empty for the public ones."""
    context = ssl.create_default_context(cadata=ca_certificate or None)
    if ca_certificate:
        # authorities that database servers create themselves lack extensions that the strict check requires
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verifies:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def define_column(name: str, kind: str) -> str:
    return f"`{name}` {TYPES[kind]}"


def format_value(value: Any, kind: str) -> Any:
    """Return a value for a column of a type in `TABLES`; times are datetimes or ISO 8601 texts."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
    if kind == "timestamptz" and value:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC).replace(tzinfo=None)
    return value


def raise_database_error(error: pymysql.Error) -> None:
    """Raise the exception for an error of the database."""
    number, text = (*error.args, "", "")[:2]
    message = f"{text or type(error).__name__} ({number})"[:300]
    if number in REFUSED_VALUES or isinstance(error, pymysql.DataError | pymysql.IntegrityError):
        raise BatchRefusedError(message) from error
    if problem := explain_certificate_error(message):
        raise problem from error
    if number in WRONG_SETTINGS or isinstance(error, pymysql.ProgrammingError | pymysql.NotSupportedError):
        raise DestinationError(message) from error
    raise UnreachableError(message) from error
