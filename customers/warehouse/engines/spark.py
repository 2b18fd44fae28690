"""Spark: batch computations on a cluster that reads the same files, or in this process with ``local[n]``."""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from ibis.backends import BaseBackend

from customers.warehouse.engines.base import (
    MOMENT,
    WarehouseEngine,
    build_empty_table,
    get_reader_schema,
    list_table_files,
    translate_missing_package,
)
from customers.warehouse.tables import WarehouseTable

# in the folder of the warehouse, because all workers see that one
SHARED_FOLDER = "_shared"
ABANDONED_SECONDS = 86_400


@ibis.udf.scalar.builtin(signature=((MOMENT,), dt.int64))
def unix_micros(moment):  # type: ignore[no-untyped-def]
    """Return microseconds since 1970."""


@ibis.udf.scalar.builtin(signature=((dt.string, dt.string), dt.string))
def get_json_object(document, path):  # type: ignore[no-untyped-def]
    """Return the value at a JSON path as text."""


def remove_abandoned_files(folder: Path) -> None:
    """Remove what killed jobs left."""
    oldest = time.time() - ABANDONED_SECONDS
    for path in folder.glob("*.parquet"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


class SparkEngine(WarehouseEngine):
    """Spark reads the Parquet files directly; its workers must see the folder of the warehouse under the same path."""

    key = "spark"
    dialect = "pyspark"
    runs_jobs = True

    @contextmanager
    def connect(self) -> Iterator[BaseBackend]:
        """Use Spark for the block. The session of a process stays, because starting one takes seconds."""
        with translate_missing_package(self.key):
            module = importlib.import_module("customers.warehouse.engines.spark_backend")
        backend = module.connect_spark(settings.SPARK_MASTER)
        try:
            yield backend
        finally:
            backend.disconnect()

    def read_table(self, backend: BaseBackend, root: Path, table: WarehouseTable) -> ir.Table:
        """Return a table that reads the current files."""
        files = [str(path) for paths in list_table_files(root, table).values() for path in paths]
        if not files:
            return build_empty_table(table)
        return backend.read_files(files, folder=root / table.name, schema=get_reader_schema(table))

    @contextmanager
    def share_rows(self, backend: BaseBackend, root: Path, rows: pa.Table) -> Iterator[ir.Table]:
        """Write the rows to a file that the workers can read, for the block; sent through the driver, they would have to fit into its memory."""
        folder = root / SHARED_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned_files(folder)
        path = folder / f"{uuid4().hex}.parquet"
        try:
            pq.write_table(rows, path, compression="zstd")
            yield backend.read_files([str(path)], folder=folder, schema=rows.schema)
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def materialize(self, backend: BaseBackend, expression: ir.Table) -> Iterator[ir.Table]:
        """Keep the rows in the memory of the workers, or on their disks."""
        name = backend.persist(expression)
        try:
            yield backend.table(name)
        finally:
            backend.unpersist(name)

    def interrupt(self, backend: BaseBackend) -> None:
        """Stop the running jobs of the session."""
        backend.interrupt()

    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970."""
        return unix_micros(moment)

    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text; names with an apostrophe cannot be read."""
        return get_json_object(properties, f"$['{name}']").nullif("")
