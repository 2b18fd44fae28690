"""Writes the warehouse from PostgreSQL: only the days and tables whose rows have changed.

What has changed is decided by the rows themselves: a fingerprint (count and combined hash of every row that the export would
write) is computed by PostgreSQL for each day and compared with the one inside the file. So a late order, a cancellation, a merge of
customers or an erasure rewrites exactly the files it touches, and neither a watermark nor a clock can miss it.
"""

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from django.db import connection
from psycopg import sql

from catalog.locks import exclusive
from catalog.progress import Progress, no_progress
from customers.warehouse.files import (
    Fingerprint,
    Staging,
    part_path,
    remove_days,
    stored_days,
    stored_fingerprint,
    warehouse_root,
)
from customers.warehouse.models import ExportRun
from customers.warehouse.snapshot import snapshot
from customers.warehouse.tables import SEPARATOR, TABLES, Table

# rows that are in memory at a time; a day of a fact table is never split, so a single larger day is taken whole
CHUNK_ROWS = 150_000

LOCK = "export_warehouse"
DIED = "The process ended before the export did."


@dataclass(frozen=True)
class TableExport:
    """What one table's export did."""

    table: str
    rows_total: int
    rows_written: int
    parts_total: int
    parts_written: int
    parts_removed: int


@dataclass
class _Plan:
    """What of one table has to be written."""

    table: Table
    run: ExportRun
    fingerprints: dict[str | None, Fingerprint]
    changed: list[str | None]
    gone: set[str]

    @property
    def rows(self) -> int:
        return sum(self.fingerprints[part].rows for part in self.changed)


class UnknownTableError(Exception):
    """A table that the warehouse does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The warehouse has no table {name!r}; it has {', '.join(TABLES)}.")


def export_table(*, table: str, started_at: datetime, progress: Progress = no_progress) -> TableExport:
    """Brings one table up to date. Errors: UnknownTableError, AlreadyRunningError, WarehouseWriteError."""
    if table not in TABLES:
        raise UnknownTableError(table)
    return _export([TABLES[table]], started_at, progress)[0]


def export_warehouse(*, started_at: datetime, progress: Progress = no_progress) -> list[TableExport]:
    """Brings every table up to date, all as of one moment. Errors: AlreadyRunningError, WarehouseWriteError.

    Progress is counted in rows written.
    """
    return _export(list(TABLES.values()), started_at, progress)


def _export(tables: Sequence[Table], started_at: datetime, progress: Progress) -> list[TableExport]:
    root = warehouse_root()
    began = time.monotonic()
    with exclusive(LOCK):
        ExportRun.objects.filter(finished_at=None, error="").update(error=DIED)
        runs = [ExportRun.objects.create(table=table.name, started_at=started_at) for table in tables]
        try:
            with snapshot(), Staging(root) as staging:
                plans = [_plan(root, table, run) for table, run in zip(tables, runs, strict=True)]
                _write(plans, root, staging, progress)
                finished_at = started_at + timedelta(seconds=time.monotonic() - began)
                return [_finish(plan, finished_at) for plan in plans]
        except Exception as error:
            ExportRun.objects.filter(id__in=[run.id for run in runs]).update(error=str(error) or repr(error))
            raise


def _write(plans: list[_Plan], root: Path, staging: Staging, progress: Progress) -> None:
    done, total = 0, sum(plan.rows for plan in plans)
    progress(0, total)
    for plan in plans:
        for rows in _stage(plan, root, staging):
            done += rows
            progress(done, total)
    staging.publish()
    for plan in plans:
        remove_days(root, plan.table, plan.gone)
    progress(total, total)


def _plan(root: Path, table: Table, run: ExportRun) -> _Plan:
    fingerprints = _fingerprints(table)
    changed = [
        part
        for part, fingerprint in fingerprints.items()
        if stored_fingerprint(part_path(root, table, part)) != fingerprint
    ]
    gone = stored_days(root, table) - {part for part in fingerprints if part}
    return _Plan(table, run, fingerprints, changed, gone)


def _fingerprints(table: Table) -> dict[str | None, Fingerprint]:
    """By day, oldest first; a table without days has the one part None, which exists even when it is empty."""
    day = f"(r.{table.moment} AT TIME ZONE 'UTC')::date" if table.moment else "NULL::date"
    query = (
        f"SELECT {day} AS day, count(*), COALESCE(bit_xor(hash_record_extended(r, 0)), 0)"  # noqa: S608 — our own text
        f" FROM ({table.query}) r GROUP BY {'1 ORDER BY 1' if table.moment else '()'}"
    )
    schema = sha256(f"{table.schema.to_string()}\n{table.query}".encode()).hexdigest()[:16]
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {
            day.isoformat() if day else None: Fingerprint(rows, f"{checksum % 2**64:016x}", schema)
            for day, rows, checksum in cursor.fetchall()
        }


def _stage(plan: _Plan, root: Path, staging: Staging) -> Iterator[int]:
    """Writes what has changed beside the files in use; yields the rows of each step."""
    table = plan.table
    if table.moment is None:
        if plan.changed:
            fingerprint = plan.fingerprints[None]
            staging.write(part_path(root, table, None), table.schema, _pages(table), fingerprint)
            yield fingerprint.rows
        return
    for days in _chunks(plan):
        rows = _read_days(table, days)
        for day, part in zip(days, _split_days(table, rows, days), strict=True):
            staging.write(part_path(root, table, day), table.schema, [part], plan.fingerprints[day])
        yield rows.num_rows


def _chunks(plan: _Plan) -> Iterator[list[str]]:
    """Changed days in groups of at most CHUNK_ROWS rows."""
    group: list[str] = []
    rows = 0
    for day in plan.changed:
        assert day is not None
        size = plan.fingerprints[day].rows
        if group and rows + size > CHUNK_ROWS:
            yield group
            group, rows = [], 0
        group.append(day)
        rows += size
    if group:
        yield group


def _read_days(table: Table, days: list[str]) -> pa.Table:
    assert table.moment is not None
    moment = sql.Identifier(table.moment)
    dates = [date.fromisoformat(day) for day in days]
    return _copy(
        table,
        sql.SQL(
            " WHERE {moment} >= {low} AND {moment} < {high} AND ({moment} AT TIME ZONE 'UTC')::date = ANY({days})"
            " ORDER BY ({moment} AT TIME ZONE 'UTC')::date, {key}"
        ).format(
            moment=moment,
            low=sql.Literal(f"{dates[0]} 00:00+00"),
            high=sql.Literal(f"{dates[-1] + timedelta(days=1)} 00:00+00"),
            days=sql.Literal(dates),
            key=sql.Identifier(table.key),
        ),
    )


def _split_days(table: Table, rows: pa.Table, days: list[str]) -> Iterator[pa.Table]:
    """The rows, which are sorted by day, cut at the days' borders."""
    found = rows[table.moment].cast(pa.timestamp("us")).cast(pa.date32(), safe=False).to_numpy()
    starts = np.searchsorted(found, np.array(days, dtype="datetime64[D]"))
    for low, high in pairwise([*starts.tolist(), rows.num_rows]):
        yield rows.slice(low, high - low)


def _pages(table: Table) -> Iterator[pa.Table]:
    """A whole table by its key, a page at a time."""
    after = -1
    while True:
        key = sql.Identifier(table.key)
        page = _copy(
            table,
            sql.SQL(" WHERE {key} > {after} ORDER BY {key} LIMIT {limit}").format(
                key=key, after=sql.Literal(after), limit=sql.Literal(CHUNK_ROWS)
            ),
        )
        if page.num_rows:
            yield page
        if page.num_rows < CHUNK_ROWS:
            return
        after = page[table.key][-1].as_py()


def _copy(table: Table, condition: sql.Composed) -> pa.Table:
    """The rows of a table's query as Arrow, through COPY in CSV, which both sides do in C."""
    query = sql.SQL("COPY (SELECT * FROM ({query}) r{condition}) TO STDOUT (FORMAT csv)").format(
        query=sql.SQL(table.query), condition=condition
    )
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            buffer.write(block)
    names = table.schema.names
    if not buffer.tell():
        return table.schema.empty_table()
    buffer.seek(0)
    rows = pa_csv.read_csv(
        buffer,
        read_options=pa_csv.ReadOptions(column_names=names, block_size=8 << 20),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types={field.name: _csv_type(field.type) for field in table.schema},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    columns = [
        _split_texts(rows[field.name]) if pa.types.is_list(field.type) else rows[field.name] for field in table.schema
    ]
    return pa.table(columns, schema=table.schema)


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_list(kind) else kind


def _split_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(
        pc.is_null(column), pa.scalar([], pa.list_(pa.string())), pc.split_pattern(pc.fill_null(column, ""), SEPARATOR)
    )


def _finish(plan: _Plan, finished_at: datetime) -> TableExport:
    days = [part for part in plan.changed if part]
    parts = "".join(f"{part}:{value.rows}:{value.checksum}\n" for part, value in plan.fingerprints.items())
    plan.run.rows = plan.rows
    plan.run.part = f"{days[0]} – {days[-1]} ({len(days)})" if days else ""
    plan.run.checksum = sha256(parts.encode()).hexdigest()
    plan.run.finished_at = finished_at
    plan.run.save()
    return TableExport(
        table=plan.table.name,
        rows_total=sum(fingerprint.rows for fingerprint in plan.fingerprints.values()),
        rows_written=plan.rows,
        parts_total=len(plan.fingerprints),
        parts_written=len(plan.changed),
        parts_removed=len(plan.gone),
    )
