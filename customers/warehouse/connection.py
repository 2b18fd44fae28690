"""Opens the warehouse as Ibis tables, on DuckDB or another engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
from ibis.backends import BaseBackend

from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.engines.duckdb import DuckDBEngine
from customers.warehouse.parquet_files import get_warehouse_root
from customers.warehouse.tables import TABLES


class Warehouse:
    """Tables by name.

    Fact tables have an additional ``date`` column, the UTC day of their partition.
    """

    def __init__(self, engine: WarehouseEngine, backend: BaseBackend, root: Path) -> None:
        self.engine = engine
        self.backend = backend
        self.root = root
        self.tables: dict[str, ibis.Table] = {}

    def __getitem__(self, name: str) -> ibis.Table:
        """Return a table; raises KeyError if ``customers.warehouse.tables`` does not define it."""
        if name not in self.tables:
            self.tables[name] = self.engine.read_table(self.backend, self.root, TABLES[name])
        return self.tables[name]


@contextmanager
def open_warehouse(engine: WarehouseEngine | None = None) -> Iterator[Warehouse]:
    """Open the warehouse for the block, by default on DuckDB; a table that was never exported is empty.

    Errors: WarehouseEngineError.
    """
    engine = engine or DuckDBEngine()
    with engine.connect() as backend:
        yield Warehouse(engine, backend, get_warehouse_root())
