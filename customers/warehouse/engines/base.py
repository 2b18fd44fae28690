"""What an engine must offer: a connection, the tables of the warehouse, and the few functions that engines call differently."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from django.conf import settings
from django.utils.translation import gettext as _
from ibis.backends import BaseBackend

from customers.warehouse.parquet_files import build_part_path, list_current_files
from customers.warehouse.tables import WarehouseTable

MOMENT = dt.Timestamp(timezone="UTC")


class WarehouseEngineError(Exception):
    """The engine is not installed, cannot be reached, or refused to start.

    Its text contains server addresses, so it is only for logs and job runs; the text for pages comes from `describe_absence`.
    """


def describe_absence() -> str:
    """Return the text that users see when the engine for their question is not available."""
    return _(
        "The data warehouse engine (%(engine)s) is unavailable at the moment. No data is lost; try again in a few "
        "minutes. If this continues, see the server log for the reason, or set WAREHOUSE_ENGINE=duckdb to run queries "
        "without it."
    ) % {"engine": settings.WAREHOUSE_ENGINE}


@dataclass(frozen=True)
class CopySearch:
    """Values to look for in the copies of a table. values: by column, numbers or texts."""

    table: WarehouseTable
    values: Mapping[str, Sequence[int] | Sequence[str]]


class WarehouseEngine(ABC):
    """An engine of the warehouse.

    Attributes:
        key: the value of WAREHOUSE_ENGINE. dialect: the name that Ibis has for it. runs_jobs: whether nightly jobs use it too.
    """

    key: str
    dialect: str
    runs_jobs = False

    @abstractmethod
    def connect(self) -> AbstractContextManager[BaseBackend]:
        """Connect for the block. Raises WarehouseEngineError."""

    @abstractmethod
    def read_table(self, backend: BaseBackend, root: Path, table: WarehouseTable) -> ir.Table:
        """Return a table of the warehouse; fact tables also have ``date``, the UTC day of their partition."""

    def refresh_copies(self, root: Path) -> None:  # noqa: B027 — an engine that reads the files has nothing to do
        """Update the engine's copies of the files after people were erased from the files; most engines have no copies."""

    def find_in_copies(self, searches: Sequence[CopySearch]) -> dict[str, int]:
        """Return for each copied table how many rows contain one of the values; {} without copies."""
        return {}

    @abstractmethod
    def materialize(self, backend: BaseBackend, expression: ir.Table) -> AbstractContextManager[ir.Table]:
        """Store the rows of an expression for the block."""

    @contextmanager
    def share_rows(self, backend: BaseBackend, root: Path, rows: pa.Table) -> Iterator[ir.Table]:
        """Make rows of this process available to the engine for the block."""
        yield ibis.memtable(rows)

    @abstractmethod
    def interrupt(self, backend: BaseBackend) -> None:
        """Stop the running expression, from another thread; engines without that let it finish."""

    @abstractmethod
    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970."""

    @abstractmethod
    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text; NULL if it is missing, null or empty."""

    def count_distinct(self, value: ir.Value) -> ir.IntegerScalar:
        """Return the exact number of different values."""
        return value.nunique()

    def quantile(self, value: ir.NumericValue, share: float) -> ir.NumericScalar:
        """Return a quantile, interpolated between the two nearest values."""
        return value.cast("float64").quantile(share)


def list_table_files(root: Path, table: WarehouseTable) -> dict[str, list[Path]]:
    """Return the files that together contain each row once, by day; those of a table without days under ``""``."""
    if table.moment is not None:
        return list_current_files(root, table)
    path = build_part_path(root, table, None)
    return {"": [path]} if path.exists() else {}


def get_reader_schema(table: WarehouseTable) -> pa.Schema:
    """Return the schema of a table as readers see it."""
    return table.schema.append(pa.field("date", pa.date32())) if table.moment else table.schema


def build_empty_table(table: WarehouseTable) -> ir.Table:
    """Return the table without rows."""
    return ibis.memtable(get_reader_schema(table).empty_table())


@contextmanager
def translate_missing_package(engine: str) -> Iterator[None]:
    """Context manager that turns the error of a missing package into one that says what to install."""
    try:
        yield
    except ImportError as error:
        raise WarehouseEngineError(
            f"WAREHOUSE_ENGINE={engine} needs packages that are not installed ({error}). Run `make installed-engines`, or install "
            "requirements/engines.txt."
        ) from error
