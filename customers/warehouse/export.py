"""Writes the warehouse from PostgreSQL: only the days and tables whose rows have changed.

What has changed is decided by the rows themselves: a fingerprint (count and combined hash of every row that the export would
write) is computed by PostgreSQL for each day and compared with the one inside the file. So a late order, a cancellation, a merge of
customers or an erasure rewrites exactly the files it touches, and neither a watermark nor a clock can miss it. A day to which
events were appended (`customers.warehouse.append`) is written as one file again.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
from django.db import connection
from psycopg import sql

from config.foundation.database.advisory_locks import exclusive
from config.foundation.progress import Progress, no_progress
from customers.warehouse.models import AppendMark, ExportRun
from customers.warehouse.parquet_files import (
    PART,
    Fingerprint,
    Staging,
    live_files,
    part_path,
    remove_days,
    remove_shadowed,
    stored_days,
    stored_fingerprint,
    warehouse_root,
)
from customers.warehouse.postgres_reader import copy_rows, split_days
from customers.warehouse.snapshot import snapshot
from customers.warehouse.tables import TABLES, Table

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
    through: int  # the last append whose rows the snapshot holds

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
        remove_days(root, plan.table, plan.gone, through=plan.through)
        remove_shadowed(root, plan.table)
    progress(total, total)


def _plan(root: Path, table: Table, run: ExportRun) -> _Plan:
    fingerprints = _fingerprints(table)
    appended = {day for day, files in live_files(root, table).items() if len(files) > 1 or files[0].name != PART}
    changed = [
        part
        for part, fingerprint in fingerprints.items()
        if part in appended or stored_fingerprint(part_path(root, table, part)) != fingerprint
    ]
    gone = stored_days(root, table) - {part for part in fingerprints if part}
    mark = AppendMark.objects.filter(table=table.name).first()
    return _Plan(table, run, fingerprints, changed, gone, mark.number if mark else 0)


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
        for day, part in zip(days, split_days(table, rows, days), strict=True):
            staging.write(
                part_path(root, table, day), table.schema, [part], plan.fingerprints[day], through=plan.through
            )
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
    return copy_rows(
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


def _pages(table: Table) -> Iterator[pa.Table]:
    """A whole table by its key, a page at a time."""
    after, rows = -1, min(table.page_rows, CHUNK_ROWS)
    while True:
        key = sql.Identifier(table.key)
        page = copy_rows(
            table,
            sql.SQL(" WHERE {key} > {after} ORDER BY {key} LIMIT {limit}").format(
                key=key, after=sql.Literal(after), limit=sql.Literal(rows)
            ),
        )
        if page.num_rows:
            yield page
        if page.num_rows < rows:
            return
        after = page[table.key][-1].as_py()


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
