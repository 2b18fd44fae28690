"""The warehouse together with what PostgreSQL has learned since the last export.

The files lack today's new customers, today's orders, and the merges of customers since the export. What is read from PostgreSQL is
limited to what changed since the export:

- `events`: product events that no file contains, because they occurred more than a few days before they were received, or because
  their file could not be written; their IDs are compared with those in the files.
- `orders`, `order_lines`, `reviews`: rows that are new or from the last days; they replace those in the files.
- In every table, a customer who was merged into another one is replaced by that one.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.db import connection
from django.utils.translation import gettext_lazy
from psycopg import sql

from config.foundation.database.array_parameters import format_bigint_list
from customers.events.models import Event
from customers.identity.models import IdentityMerge
from customers.orders.models import Order
from customers.warehouse.connection import Warehouse, open_warehouse
from customers.warehouse.index_lookup import prefer_index_scans
from customers.warehouse.models import ExportRun
from customers.warehouse.position import EventPosition, read_position
from customers.warehouse.postgres_reader import copy_pages, copy_rows
from customers.warehouse.snapshot import read_snapshot
from customers.warehouse.tables import CURRENT_IDENTIFIERS, EVENTS, ORDER_LINES, ORDERS, REVIEWS, TABLES, WarehouseTable

# what happens on the day of an export may still change on the next one
OVERLAP = timedelta(days=1)
PAGE_ROWS = 150_000
UNKNOWN_ID = 2**62  # larger than the ID of any event: only the time of receipt determines what is new
# the column that identifies the fact to which a row belongs; a fact is replaced with all its rows
REPLACED_FACTS = {ORDERS.name: "id", ORDER_LINES.name: "order_pk", REVIEWS.name: "id"}
CUSTOMER_TABLES = (EVENTS.name, *REPLACED_FACTS)

NO_EXPORT = gettext_lazy(
    "No figures yet: reports use the data of the nightly export, which has not run yet. Run “Export to the warehouse” under Settings › Jobs."
)

# two branches, so that each reads only the partitions and index entries that it needs
SELECT_RECENT_EVENTS = """
COPY (
    WITH recent AS (
        SELECT id FROM events_event WHERE received_at >= {since} AND type = 'track' AND product_ids <> '{{}}'
        UNION
        SELECT id FROM events_event WHERE id >= {first_id} AND type = 'track' AND product_ids <> '{{}}'
    )
    SELECT id FROM recent WHERE NOT EXISTS (SELECT FROM events_outbox WHERE event_id = id)
) TO STDOUT
"""


class CurrentWarehouse(Warehouse):
    """Tables by name, as of a snapshot of PostgreSQL. position: up to where they contain the events."""

    def __init__(self, files: Warehouse, *, position: EventPosition, exported: EventPosition | None) -> None:
        super().__init__(files.engine, files.backend, files.root)
        self.position = position
        self.exported = exported
        self.merges = read_merges(since=exported.received_before - OVERLAP) if exported is not None else []

    def __getitem__(self, name: str) -> ibis.Table:
        """Return a table; raises KeyError if ``customers.warehouse.tables`` does not define it."""
        if name not in self.tables:
            table = super().__getitem__(name)
            if self.exported is not None and name in CUSTOMER_TABLES:
                table = self._update_table(TABLES[name], table.select(*TABLES[name].schema.names), self.exported)
            self.tables[name] = table
        return self.tables[name]

    def _update_table(self, table: WarehouseTable, rows: ir.Table, exported: EventPosition) -> ir.Table:
        if table is EVENTS:
            newer = copy_missing_events(rows, exported=exported)
        else:
            since = exported.received_before - OVERLAP
            fact, moment = REPLACED_FACTS[table.name], str(table.moment)
            largest = rows[fact].max().to_pyarrow().as_py()
            newer = copy_newer_facts(table, key=fact, largest=int(largest or 0), since=since)
            rows = rows.filter(rows[moment] < since)
            if newer.num_rows:
                rows = rows.anti_join(ibis.memtable(newer.select([fact])), fact)
        rows = replace_merged(rows, self.merges)
        return rows.union(ibis.memtable(newer)) if newer.num_rows else rows


@contextmanager
def open_current_warehouse(*, as_of: datetime) -> Iterator[CurrentWarehouse]:
    """Open the warehouse for the block, brought up to date from one snapshot of PostgreSQL."""
    with read_snapshot(), open_warehouse() as files:
        yield CurrentWarehouse(files, position=read_position(as_of=as_of), exported=find_exported_position())


def find_exported_position() -> EventPosition | None:
    """Return the position up to which all tables with customers were exported; None if events were never exported.

    Each table can be exported alone, so this is the earliest position of their last exports.
    """
    runs = ExportRun.objects.filter(table__in=CUSTOMER_TABLES, error="").exclude(finished_at=None)
    latest = {run.table: run for run in runs.order_by("table", "-id").distinct("table")}
    if EVENTS.name not in latest:
        return None
    positions = [
        # a release that did not record the position left it empty
        EventPosition.parse(run.watermark) if run.watermark else EventPosition(run.started_at - OVERLAP, UNKNOWN_ID)
        for run in latest.values()
    ]
    return EventPosition(
        min(position.received_before for position in positions), min(position.last_id for position in positions)
    )


def is_export_missing() -> bool:
    """Return whether there are orders or events, but nothing was exported yet.

    Orders are not read before the first export, so figures of the warehouse would be zeros that are wrong.
    """
    return find_exported_position() is None and (Order.objects.exists() or Event.objects.exists())


def read_merges(*, since: datetime) -> list[tuple[int, int]]:
    """Return (merged, kept) customers of the merges since then; chains of merges end at the last kept customer."""
    merges = IdentityMerge.objects.filter(at__gte=since, reverted_at=None).order_by("id")
    return list(merges.values_list("merged_id", "kept_id"))


def read_current_identifiers(customer_ids: Iterable[int] | None = None) -> pa.Table:
    """Return kind, value and customer_id of the identifiers of these customers, by default of all."""
    if customer_ids is None:
        pages = [
            page.select(["kind", "value", "customer_id"]) for page in copy_pages(CURRENT_IDENTIFIERS, rows=PAGE_ROWS)
        ]
        return pa.concat_tables(
            [*pages, CURRENT_IDENTIFIERS.schema.empty_table().select(["kind", "value", "customer_id"])]
        )
    condition = sql.SQL(" WHERE customer_id = ANY({}::bigint[])").format(
        sql.Literal(format_bigint_list(list(customer_ids)))
    )
    return copy_rows(CURRENT_IDENTIFIERS, condition).select(["kind", "value", "customer_id"])


def copy_missing_events(rows: ir.Table, *, exported: EventPosition) -> pa.Table:
    """Return the processed product events since the export that are in no file."""
    ids = copy_recent_ids(exported)
    if not len(ids):
        return EVENTS.schema.empty_table()
    in_files = rows.filter(rows.id >= int(ids.min())).select("id").to_pyarrow()["id"].to_numpy()
    missing = ids[~np.isin(ids, in_files)].tolist()
    parts = [copy_events(missing[start : start + PAGE_ROWS]) for start in range(0, len(missing), PAGE_ROWS)]
    return pa.concat_tables([EVENTS.schema.empty_table(), *parts])


def copy_recent_ids(exported: EventPosition) -> npt.NDArray[np.int64]:
    """Return the IDs of the processed product events since the export; a day may have a million."""
    query = sql.SQL(SELECT_RECENT_EVENTS).format(
        since=sql.Literal(exported.received_before), first_id=sql.Literal(exported.first_new_id)
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        lines = b"".join(copy)
    return np.fromstring(lines.decode(), np.int64, sep="\n")


def copy_events(ids: Sequence[int]) -> pa.Table:
    """Return the events with these IDs."""
    condition = sql.SQL(" WHERE id = ANY({ids}::bigint[])").format(ids=sql.Literal(format_bigint_list(ids)))
    with prefer_index_scans():
        return copy_rows(EVENTS, condition)


def copy_newer_facts(table: WarehouseTable, *, key: str, largest: int, since: datetime) -> pa.Table:
    """Return the rows of facts that have a larger key than those in the files, or happened since."""
    condition = sql.SQL(" WHERE {key} > {largest} OR {moment} >= {since}").format(
        key=sql.Identifier(key),
        largest=sql.Literal(largest),
        moment=sql.Identifier(str(table.moment)),
        since=sql.Literal(since),
    )
    return copy_rows(table, condition)


def replace_merged(rows: ir.Table, merges: Sequence[tuple[int, int]]) -> ir.Table:
    """Return the rows with kept customers instead of merged ones."""
    if not merges:
        return rows
    pairs = pa.table({"merged": [pair[0] for pair in merges], "kept": [pair[1] for pair in merges]})
    kept = ibis.memtable(pairs.cast(pa.schema([("merged", pa.int64()), ("kept", pa.int64())])))
    joined = rows.left_join(kept, rows.customer_id == kept.merged)
    return joined.mutate(customer_id=ibis.coalesce(joined.kept, joined.customer_id)).select(*rows.columns)
