"""Ibis' backend for Spark, with tables in memory and results exchanged as Arrow."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from django.conf import settings
from ibis.backends.pyspark import Backend
from ibis.backends.pyspark.datatypes import PySparkSchema
from ibis.expr.schema import Schema
from ibis.formats.pyarrow import PyArrowData, PyArrowSchema
from ibis.util import gen_name
from py4j.protocol import Py4JNetworkError
from pyspark.sql import DataFrame, SparkSession

from customers.warehouse.engines.base import WarehouseEngineError

CONNECT_PREFIX = "sc://"
LOCK = threading.Lock()
MOMENT = dt.Timestamp(timezone="UTC", scale=6)


class SparkBackend(Backend):
    """Spark with one set of temporary views for each connection.

    Ibis exchanges data through pandas, in which integers with missing values become floats and lose digits above 2^53.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames: dict[str, DataFrame] = {}

    def get_schema(self, *args: Any, **kwargs: Any) -> Schema:
        """Return the schema of a table; its times are in UTC, as in the files, so that both can be joined with tables in memory."""
        schema = super().get_schema(*args, **kwargs)
        return Schema({name: MOMENT if kind.is_timestamp() else kind for name, kind in schema.items()})

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        frame = self._session.createDataFrame(op.data.to_pyarrow(op.schema), schema=PySparkSchema.from_ibis(op.schema))
        frame.createOrReplaceTempView(op.name)

    def _make_memtable_finalizer(self, name: str) -> Callable[..., None] | None:
        return None  # views end with the session

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run an expression and return its result as Arrow."""
        with translate_lost_session():
            self._run_pre_execute_hooks(expr)
            table = expr.as_table()
            frame = self._session.sql(self.compile(table, params=params, limit=limit, **kwargs))
            return expr.__pyarrow_result__(PyArrowData.convert_table(frame.toArrow(), table.schema()))

    def read_files(self, files: Sequence[str], *, folder: Path, schema: pa.Schema) -> ir.Table:
        """Return a table of Parquet files; ``date`` comes from the names of the folders."""
        name = gen_name("files")
        reader = self._session.read.schema(PySparkSchema.from_ibis(PyArrowSchema.to_ibis(schema)))
        reader.option("basePath", str(folder)).parquet(*files).createOrReplaceTempView(name)
        return self.table(name)

    def persist(self, expression: ir.Table) -> str:
        """Keep the rows of an expression; return the name of their view."""
        self._run_pre_execute_hooks(expression)
        name = gen_name("analytics")
        self.frames[name] = self._session.sql(self.compile(expression)).persist()
        self.frames[name].createOrReplaceTempView(name)
        return name

    def unpersist(self, name: str) -> None:
        """Forget the rows of a view."""
        self._session.catalog.dropTempView(name)
        self.frames.pop(name).unpersist()

    def interrupt(self) -> None:
        """Stop the running jobs."""
        if hasattr(self._session, "interruptAll"):
            self._session.interruptAll()
        else:
            self._session.sparkContext.cancelAllJobs()

    def disconnect(self) -> None:
        """Drop what this connection stored; the process keeps its session of Spark."""
        for name in list(self.frames):
            self.unpersist(name)
        self._memtables.clear()


@contextmanager
def translate_lost_session() -> Iterator[None]:
    """Context manager that turns the error of a lost Spark session into WarehouseEngineError; query errors pass unchanged."""
    try:
        yield
    except (Py4JNetworkError, ConnectionError) as error:
        raise describe_failure(settings.SPARK_MASTER, error) from error


def describe_failure(master: str, error: Exception) -> WarehouseEngineError:
    """Return the error with what to check."""
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return WarehouseEngineError(
        f"Spark at SPARK_MASTER={master!r} cannot be used: {reason}. Check the address, and that Java 17 or later is installed "
        "(on Debian: apt install openjdk-17-jre-headless). With WAREHOUSE_ENGINE=duckdb, jobs run without Spark."
    )


def connect_spark(master: str) -> SparkBackend:
    """Return a connection with its own temporary views. Raises WarehouseEngineError if Spark does not start or respond."""
    backend = SparkBackend()
    backend.register_options()
    try:
        with LOCK:
            session = start_session(master)
        backend.do_connect(session)
    except Exception as error:
        raise describe_failure(master, error) from error
    return backend


def start_session(master: str) -> SparkSession:
    """Return a session of the process's Spark."""
    if master.startswith(CONNECT_PREFIX):
        return SparkSession.builder.remote(master).create()
    builder = SparkSession.builder.master(master).appName("Perennial")
    for name, value in build_options(master).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    if master.startswith("local"):
        session.sparkContext.setLogLevel("ERROR")
    return session.newSession()


def count_local_threads(master: str) -> int:
    """Return the n of ``local[n]``; all processors for ``local[*]``, 1 for ``local``."""
    count = master.removeprefix("local").strip("[]").partition(",")[0]
    return int(count) if count.isdigit() else (os.cpu_count() or 1) if count == "*" else 1


def build_options(master: str) -> dict[str, str]:
    """Return the options of a session that is started here; a cluster's own come from its spark-defaults.conf."""
    options = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",  # a quotient by zero is NULL, as elsewhere
        "spark.ui.showConsoleProgress": "false",
    }
    if master.startswith("local"):
        # Spark's default of 200 partitions is meant for clusters; each costs a task
        options |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": settings.WAREHOUSE_MEMORY.lower().removesuffix("b"),
            "spark.sql.shuffle.partitions": str(count_local_threads(master)),
            "spark.ui.enabled": "false",
        }
    return options
