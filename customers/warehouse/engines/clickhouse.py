"""ClickHouse: interactive questions on a server that holds a copy of the files."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from django.conf import settings
from ibis.backends import BaseBackend

from customers.warehouse.engines.base import MOMENT, CopySearch, WarehouseEngine, translate_missing_package
from customers.warehouse.tables import TABLES, WarehouseTable


@ibis.udf.scalar.builtin(name="toUnixTimestamp64Micro", signature=((MOMENT,), dt.int64))
def to_unix_timestamp_micro(moment):  # type: ignore[no-untyped-def]
    """Return microseconds since 1970."""


@ibis.udf.scalar.builtin(name="JSONExtractString", signature=((dt.string, dt.string), dt.string))
def json_extract_text(document, key):  # type: ignore[no-untyped-def]
    """Return the text at a key."""


@ibis.udf.scalar.builtin(name="JSONExtractRaw", signature=((dt.string, dt.string), dt.string))
def json_extract_raw(document, key):  # type: ignore[no-untyped-def]
    """Return the JSON at a key."""


class ClickHouseEngine(WarehouseEngine):
    """ClickHouse has a table for each one of the warehouse, with a partition per day; changed days are loaded before they are read."""

    key = "clickhouse"
    dialect = "clickhouse"

    @contextmanager
    def connect(self) -> Iterator[BaseBackend]:
        """Connect to the server for the block. Raises WarehouseEngineError, even if the server fails during the block."""
        with translate_missing_package(self.key):
            module = importlib.import_module("customers.warehouse.engines.clickhouse_backend")
        backend = module.connect_clickhouse(settings.CLICKHOUSE_URL)
        try:
            with module.translate_lost_connection(settings.CLICKHOUSE_URL):
                yield backend
        finally:
            backend.disconnect()

    def read_table(self, backend: BaseBackend, root: Path, table: WarehouseTable) -> ir.Table:
        """Return a table, after loading what changed."""
        return backend.load_files(root, table)

    def refresh_copies(self, root: Path) -> None:
        """Replace the days whose files changed; the server deletes the old ones a minute later. Raises WarehouseEngineError."""
        with self.connect() as backend:
            for table in TABLES.values():
                backend.load_files(root, table)
                backend.drop_loading_tables(table)

    def find_in_copies(self, searches: Sequence[CopySearch]) -> dict[str, int]:
        """Return for each table how many rows contain one of the values. Raises WarehouseEngineError."""
        with self.connect() as backend:
            return {name: rows for search in searches for name, rows in backend.find_rows(search).items() if rows}

    @contextmanager
    def materialize(self, backend: BaseBackend, expression: ir.Table) -> Iterator[ir.Table]:
        """Store the rows in a temporary table of the connection."""
        name = backend.store(expression)
        try:
            yield backend.table(name)
        finally:
            backend.remove(name)

    def interrupt(self, backend: BaseBackend) -> None:
        """Stop the running query on the server."""
        backend.interrupt()

    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970; the column must be a DateTime64(6)."""
        return to_unix_timestamp_micro(moment)

    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text."""
        text, raw = json_extract_text(properties, name).nullif(""), json_extract_raw(properties, name)
        return ibis.coalesce(text, raw.nullif("").nullif("null").nullif('""'))
