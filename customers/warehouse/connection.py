"""Opens the warehouse as Ibis tables. DuckDB runs in this process; Ibis expressions allow another engine later."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import pyarrow as pa
from django.conf import settings
from ibis.backends import BaseBackend

from customers.warehouse.parquet_files import build_part_path, get_warehouse_root, list_current_files
from customers.warehouse.tables import TABLES, WarehouseTable

DEFAULT_MEMORY = "2GB"
DEFAULT_THREADS = 2


class Warehouse:
    """Tables by name.

    Fact tables have an additional ``date`` column, the UTC day of their partition.
    """

    def __init__(self, backend: BaseBackend, root: Path) -> None:
        self.backend = backend
        self.root = root
        self.tables: dict[str, ibis.Table] = {}

    def __getitem__(self, name: str) -> ibis.Table:
        """Return a table; raises KeyError if ``customers.warehouse.tables`` does not define it."""
        if name not in self.tables:
            self.tables[name] = _read(self.backend, self.root, TABLES[name])
        return self.tables[name]


@contextmanager
def open_warehouse() -> Iterator[Warehouse]:
    """Open the warehouse for the block; a table that was never exported is empty."""
    with TemporaryDirectory(prefix="perennial-warehouse-") as spill:
        backend = ibis.duckdb.connect(
            memory_limit=getattr(settings, "WAREHOUSE_MEMORY", DEFAULT_MEMORY),
            threads=getattr(settings, "WAREHOUSE_THREADS", DEFAULT_THREADS),
            temp_directory=spill,
        )
        try:
            backend.raw_sql("SET TimeZone = 'UTC'")  # days are UTC days, regardless of the machine's time zone
            backend.raw_sql("SET enable_progress_bar = false")  # it would write to standard output
            yield Warehouse(backend, get_warehouse_root())
        finally:
            backend.disconnect()


def get_reader_schema(table: WarehouseTable) -> pa.Schema:
    """Return the schema of a table as readers see it."""
    return table.schema.append(pa.field("date", pa.date32())) if table.moment else table.schema


def _read(backend: BaseBackend, root: Path, table: WarehouseTable) -> ibis.Table:
    if table.moment is None:
        files = [build_part_path(root, table, None)] if build_part_path(root, table, None).exists() else []
    else:
        files = [path for day in list_current_files(root, table).values() for path in day]
    if not files:
        return ibis.memtable(get_reader_schema(table).empty_table())
    return backend.read_parquet(files, table_name=table.name, hive_partitioning=table.moment is not None)
