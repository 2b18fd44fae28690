"""The warehouse as Ibis tables. DuckDB runs in this process; analyses are Ibis expressions, so that another engine can take over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import pyarrow as pa
from django.conf import settings
from ibis.backends import BaseBackend

from customers.warehouse.parquet_files import live_files, part_path, warehouse_root
from customers.warehouse.tables import TABLES, Table

DEFAULT_MEMORY = "2GB"
DEFAULT_THREADS = 2


class Warehouse:
    """Tables by name; facts have a ``date`` column besides those of their schema, the UTC day of their partition."""

    def __init__(self, backend: BaseBackend, root: Path) -> None:
        self.backend = backend
        self.root = root
        self.tables: dict[str, ibis.Table] = {}

    def table(self, name: str) -> ibis.Table:
        """Errors: KeyError for a table that ``customers.warehouse.tables`` does not define."""
        if name not in self.tables:
            self.tables[name] = _read(self.backend, self.root, TABLES[name])
        return self.tables[name]

    __getitem__ = table


@contextmanager
def warehouse() -> Iterator[Warehouse]:
    """The warehouse for the length of the block; a table that was never exported is empty."""
    with TemporaryDirectory(prefix="perennial-warehouse-") as spill:
        backend = ibis.duckdb.connect(
            memory_limit=getattr(settings, "WAREHOUSE_MEMORY", DEFAULT_MEMORY),
            threads=getattr(settings, "WAREHOUSE_THREADS", DEFAULT_THREADS),
            temp_directory=spill,
        )
        try:
            backend.raw_sql("SET TimeZone = 'UTC'")  # days are UTC days whatever the machine's zone is
            backend.raw_sql("SET enable_progress_bar = false")  # it writes to standard output
            yield Warehouse(backend, warehouse_root())
        finally:
            backend.disconnect()


def full_schema(table: Table) -> pa.Schema:
    """The schema as a reader sees it."""
    return table.schema.append(pa.field("date", pa.date32())) if table.moment else table.schema


def _read(backend: BaseBackend, root: Path, table: Table) -> ibis.Table:
    if table.moment is None:
        files = [part_path(root, table, None)] if part_path(root, table, None).exists() else []
    else:
        files = [path for day in live_files(root, table).values() for path in day]
    if not files:
        return ibis.memtable(full_schema(table).empty_table())
    return backend.read_parquet(files, table_name=table.name, hive_partitioning=table.moment is not None)
