"""Ibis' backend for ClickHouse, with exact results, NULL as in other engines, and results exchanged as Arrow."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import clickhouse_connect
import ibis.expr.operations as ops
import ibis.expr.types as ir
import sqlglot.expressions as sge
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError
from ibis.backends.clickhouse import Backend
from ibis.backends.sql.compilers.clickhouse import ClickHouseCompiler
from ibis.expr.schema import Schema
from ibis.formats.pyarrow import PyArrowData
from ibis.util import gen_name

from customers.warehouse.engines.base import CopySearch, WarehouseEngineError
from customers.warehouse.engines.clickhouse_loading import PREFIX, drop_abandoned_tables, find_rows, load_changed_days
from customers.warehouse.tables import WarehouseTable

CHDB = "chdb"
SESSION_SECONDS = 3600
# without these, an outer join fills in 0 and "", and the largest value of no rows is 0
SETTINGS: dict[str, Any] = {
    "aggregate_functions_null_for_empty": 1,
    "join_use_nulls": 1,
    "output_format_arrow_date_as_uint16": 0,
    "session_timezone": "UTC",
}


class ExactClickHouseCompiler(ClickHouseCompiler):
    """Compiles counts of different values, quantiles and neighbors in windows to functions that agree with other engines."""

    __slots__ = ()

    def visit_CountDistinct(self, op: ops.CountDistinct, *, arg: Any, where: Any) -> Any:  # noqa: N802
        return self.agg.uniqExact(arg, where=where)

    def visit_Quantile(self, op: ops.Quantile, *, arg: Any, quantile: Any, where: Any) -> Any:  # noqa: N802
        return self._visit_quantile("quantileExactInclusive", arg, quantile, where)

    def visit_MultiQuantile(self, op: ops.MultiQuantile, *, arg: Any, quantile: Any, where: Any) -> Any:  # noqa: N802
        return self._visit_quantile("quantilesExactInclusive", arg, quantile, where)

    def visit_Median(self, op: ops.Median, *, arg: Any, where: Any) -> Any:  # noqa: N802
        return self._visit_quantile("quantileExactInclusive", arg, sge.convert(0.5), where)

    def visit_Literal(self, op: ops.Literal, *, value: Any, dtype: Any) -> Any:  # noqa: N802
        if value is None and dtype.is_array():
            return self.cast(self.f.array(), dtype)  # there are no lists that are NULL
        return super().visit_Literal(op, value=value, dtype=dtype)

    def visit_LagLead(self, op: Any, *, arg: Any, offset: Any, default: Any) -> Any:  # noqa: N802
        # without a neighbor, a column that is never NULL would give 0
        return super().visit_LagLead(
            op, arg=self.cast(arg, op.dtype.copy(nullable=True)), offset=offset, default=default
        )

    visit_Lag = visit_Lead = visit_LagLead  # noqa: N815


class ClickHouseBackend(Backend):
    """ClickHouse on a server, or in this process as chDB, which accepts no tables along with a query, so they are stored first."""

    compiler = ExactClickHouseCompiler()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url = self.tag = ""
        self.stored: list[str] = []

    @property
    def is_embedded(self) -> bool:
        """Whether this is chDB."""
        return urlsplit(self.url).scheme == CHDB

    def _normalize_external_tables(self, external_tables: Any = None) -> Any:
        if not self.is_embedded:
            return super()._normalize_external_tables(external_tables)
        for name, operation in (external_tables or {}).items():
            if operation not in self._memtables:
                self._store_memtable(name, operation)
                self._memtables.add(operation)
        return None

    def _store_memtable(self, name: str, operation: ops.InMemoryTable) -> None:
        columns = ", ".join(
            f"`{column}` {self.compiler.type_mapper.to_string(kind.copy(nullable=not kind.is_nested()))}"
            for column, kind in operation.schema.items()
        )
        self.con.command(f"CREATE TABLE IF NOT EXISTS `{name}` ({columns}) ENGINE = Memory")
        self.stored.append(name)
        rows = operation.data.to_pyarrow(operation.schema)
        if rows.num_rows:
            self.con.insert_arrow(name, rows)

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        external_tables: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run an expression and return its result as Arrow."""
        table = expr.as_table()
        query = self.compile(table, limit=limit, params=params)
        external = self._normalize_external_tables(self._collect_in_memory_tables(expr, external_tables))
        result = self.con.query_arrow(query, external_data=external, use_strings=True)
        return expr.__pyarrow_result__(PyArrowData.convert_table(result, table.schema()))

    def get_schema(self, *args: Any, **kwargs: Any) -> Schema:
        """Return the schema of a table. All columns may be NULL, as in files; ClickHouse has no lists that are NULL."""
        schema = super().get_schema(*args, **kwargs)
        return Schema({name: kind.copy(nullable=True) for name, kind in schema.items()})

    def load_files(self, root: Path, table: WarehouseTable) -> ir.Table:
        """Load the days of a table whose files changed, and return the table."""
        return self.table(load_changed_days(self.con, root, table)).drop("files")

    def drop_loading_tables(self, table: WarehouseTable) -> None:
        """Drop the tables that killed loads have left, which may contain erased people."""
        drop_abandoned_tables(self.con, PREFIX + table.name, hours=0)

    def find_rows(self, search: CopySearch) -> dict[str, int]:
        """Return for each copy of a table how many rows contain one of the values."""
        return find_rows(self.con, PREFIX + search.table.name, search.values)

    def store(self, expression: ir.Table) -> str:
        """Store the rows of an expression in a temporary table; return its name."""
        name = gen_name("analytics")
        external = self._normalize_external_tables(self._collect_in_memory_tables(expression))
        query = self.compile(expression)
        self.con.raw_query(f"CREATE TEMPORARY TABLE `{name}` ENGINE = Memory AS {query}", external_data=external)
        return name

    def remove(self, name: str) -> None:
        """Drop a table that was stored."""
        self.con.command(f"DROP TABLE IF EXISTS `{name}`")

    def interrupt(self) -> None:
        """Stop the running query on the server; chDB lets it finish."""
        if self.is_embedded:
            return
        with contextlib.closing(open_client(self.url, self.tag)) as other:
            other.command(f"KILL QUERY WHERE Settings['log_comment'] = '{self.tag}' AND query_id != queryID() ASYNC")

    def disconnect(self) -> None:
        """Remove what this connection stored, and close it."""
        for name in self.stored:
            self.remove(name)
        super().disconnect()


def connect_clickhouse(url: str) -> ClickHouseBackend:
    """Connect to a server, or with ``chdb://memory`` or ``chdb:///folder`` to ClickHouse in this process.

    Raises:
        WarehouseEngineError: the server does not answer, or refuses the user.
    """
    tag = f"perennial-{uuid4().hex}"
    try:
        client = open_client(url, tag)
    except ImportError:
        raise
    except (ClickHouseError, OSError, ValueError) as error:
        raise describe_failure(url, error) from error
    backend = ClickHouseBackend.from_connection(client)
    backend.register_options()
    backend.url, backend.tag = url, tag
    return backend


@contextlib.contextmanager
def translate_lost_connection(url: str) -> Iterator[None]:
    """Context manager that turns the error of a server that no longer answers into WarehouseEngineError; query errors pass unchanged."""
    try:
        yield
    except Error as error:
        if isinstance(error, OperationalError) and error.code is None:  # the server gives its own errors a code
            raise describe_failure(url, error) from error
        raise


def describe_failure(url: str, error: Exception) -> WarehouseEngineError:
    """Return the error with what to check."""
    reason = str(error).strip().split("\n")[0]
    return WarehouseEngineError(
        f"ClickHouse at CLICKHOUSE_URL={hide_password(url)!r} cannot be used: {reason}. Check address, user and password; "
        "valid: http://user:password@host:8123/database."
    )


def open_client(url: str, tag: str) -> Client:
    """Return a client of clickhouse-connect. Errors: ClickHouseError, OSError."""
    scheme = urlsplit(url).scheme
    if scheme == CHDB:
        return clickhouse_connect.get_client(dsn=url, settings=dict(SETTINGS))
    settings = {**SETTINGS, "log_comment": tag, "session_timeout": SESSION_SECONDS}
    return clickhouse_connect.get_client(dsn=url, interface=scheme, query_limit=0, settings=settings)


def hide_password(url: str) -> str:
    """Return the address without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))
