"""DuckDB: in this process, without a server. The default."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from django.conf import settings
from ibis.backends import BaseBackend
from ibis.util import gen_name

from customers.warehouse.engines.base import MOMENT, WarehouseEngine, build_empty_table, list_table_files
from customers.warehouse.tables import WarehouseTable


@ibis.udf.scalar.builtin(signature=((MOMENT,), dt.int64))
def epoch_us(moment):  # type: ignore[no-untyped-def]
    """Return microseconds since 1970."""


@ibis.udf.scalar.builtin(signature=((dt.string, dt.string), dt.string))
def json_extract_string(document, path):  # type: ignore[no-untyped-def]
    """Return the value at a JSON pointer as text."""


class DuckDBEngine(WarehouseEngine):
    """DuckDB reads the Parquet files directly; what does not fit into memory spills to a temporary folder."""

    key = "duckdb"
    dialect = "duckdb"

    @contextmanager
    def connect(self) -> Iterator[BaseBackend]:
        """Open DuckDB for the block."""
        with TemporaryDirectory(prefix="perennial-warehouse-") as spill:
            backend = ibis.duckdb.connect(
                memory_limit=settings.WAREHOUSE_MEMORY,
                threads=settings.WAREHOUSE_THREADS,
                temp_directory=spill,
            )
            try:
                backend.raw_sql("SET TimeZone = 'UTC'")  # days are UTC days, regardless of the machine's time zone
                backend.raw_sql("SET enable_progress_bar = false")  # it would write to standard output
                yield backend
            finally:
                backend.disconnect()

    def read_table(self, backend: BaseBackend, root: Path, table: WarehouseTable) -> ir.Table:
        """Return a table that reads the current files."""
        files = [path for paths in list_table_files(root, table).values() for path in paths]
        if not files:
            return build_empty_table(table)
        return backend.read_parquet(files, table_name=table.name, hive_partitioning=table.moment is not None)

    @contextmanager
    def materialize(self, backend: BaseBackend, expression: ir.Table) -> Iterator[ir.Table]:
        """Store the rows in a temporary table."""
        name = gen_name("analytics")
        try:
            yield backend.create_table(name, expression, temp=True)
        finally:
            # not `drop_table`: Ibis 12 and SQLGlot 30 disagree about its statement
            backend.raw_sql(f'DROP TABLE IF EXISTS "{name}"')

    def interrupt(self, backend: BaseBackend) -> None:
        """Stop the running expression."""
        backend.con.interrupt()

    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970."""
        return epoch_us(moment)

    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text."""
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        return json_extract_string(properties, pointer).nullif("")
