"""The tables that computations read, on one engine and without a database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.sources import LABEL_SCHEMA
from customers.warehouse.connection import Warehouse, open_warehouse
from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.tables import EVENTS

RECENT_EVENTS = 100


@dataclass(frozen=True)
class ComparisonTables:
    """The warehouse on one engine.

    Attributes:
        warehouse: the files. analytics: the same for questions. as_of: later facts are left out.
    """

    warehouse: Warehouse
    analytics: AnalyticsTables
    as_of: datetime


@contextmanager
def open_comparison_tables(
    engine: WarehouseEngine,
    *,
    as_of: datetime,
    zone: ZoneInfo,
    currency: str = "",
    labels: Mapping[int, str] | None = None,
) -> Iterator[ComparisonTables]:
    """Open the warehouse of WAREHOUSE_URL on an engine. Raises WarehouseEngineError.

    Args:
        labels: by customer, the same for every property; customers with a label are the members of every segment.
    """
    known = labels or {}
    named = pa.table([pa.array(list(known), pa.int64()), pa.array(list(known.values()), pa.string())], LABEL_SCHEMA)
    costs = pa.table({"product_id": pa.array([], pa.string()), "cost": pa.array([], pa.float64())})
    with open_warehouse(engine) as files:
        yield ComparisonTables(
            files,
            AnalyticsTables(
                backend=files.backend,
                engine=engine,
                events=_move_recent_to_memory(files),
                orders=files["orders"],
                order_lines=files["order_lines"],
                products=files["products"],
                as_of=as_of,
                zone=zone,
                currency=currency,
                read_labels=lambda _name: ibis.memtable(named),
                read_members=lambda _key: ibis.memtable(named.select(["customer_id"])),
                read_costs=lambda: ibis.memtable(costs),
            ),
            as_of,
        )


def _move_recent_to_memory(files: Warehouse) -> ir.Table:
    """Return the events, with the newest ones in an in-memory table, like events in `CurrentWarehouse` that are in no file yet."""
    events = files["events"].select(*EVENTS.schema.names)
    newest = files.backend.to_pyarrow(events.order_by(ibis.desc("id")).limit(RECENT_EVENTS)).cast(EVENTS.schema)
    recent = ibis.memtable(newest)
    return events.anti_join(recent.select("id"), "id").union(recent)
