"""Exports PostgreSQL tables to the warehouse: only the days and tables whose rows have changed.

PostgreSQL computes a fingerprint of each day (the count and a combined hash of all rows that the export would write), which is
compared with the one in the file. So a late order, a cancellation, a merge of customers or an erasure rewrites exactly the
affected files, and no change can be missed because of a watermark or a clock. A day to which events were appended
(`customers.warehouse.append`) is rewritten as one file.
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

from config.foundation.audit_log import record_export
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import INTERRUPTED_ERROR
from config.foundation.progress import Progress, ignore_progress
from customers.warehouse.models import AppendMark, ExportRun
from customers.warehouse.parquet_files import (
    PART_NAME,
    ExportStaging,
    Fingerprint,
    build_part_path,
    get_warehouse_root,
    list_current_files,
    list_days,
    read_fingerprint,
    remove_days,
    remove_superseded_files,
)
from customers.warehouse.position import EventPosition, read_position
from customers.warehouse.postgres_reader import copy_pages, copy_rows, split_days
from customers.warehouse.snapshot import read_snapshot
from customers.warehouse.tables import TABLES, WarehouseTable

# rows in memory at a time; a day of a fact table is never split, so a larger day is read as a whole
CHUNK_ROWS = 150_000

LOCK = "export_warehouse"


@dataclass(frozen=True)
class TableExport:
    """The result of exporting one table."""

    table: str
    rows_total: int
    rows_written: int
    parts_total: int
    parts_written: int
    parts_removed: int


@dataclass
class ExportPlan:
    """The parts of one table that have to be written."""

    table: WarehouseTable
    run: ExportRun
    fingerprints: dict[str | None, Fingerprint]
    changed_parts: list[str | None]
    removed_days: set[str]
    through: int  # the number of the last append whose rows are in the snapshot

    @property
    def rows(self) -> int:
        return sum(self.fingerprints[part].rows for part in self.changed_parts)


class UnknownTableError(Exception):
    """The warehouse has no table of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Unknown warehouse table {name!r}; valid: {', '.join(TABLES)}.")


def export_table(*, table: str, started_at: datetime, progress: Progress = ignore_progress) -> TableExport:
    """Update one table. Errors: UnknownTableError, AlreadyRunningError, WarehouseWriteError."""
    if table not in TABLES:
        raise UnknownTableError(table)
    return _export([TABLES[table]], started_at, progress)[0]


def export_warehouse(*, started_at: datetime, progress: Progress = ignore_progress) -> list[TableExport]:
    """Update all tables from one snapshot. Errors: AlreadyRunningError, WarehouseWriteError.

    Progress counts the rows written.
    """
    return _export(list(TABLES.values()), started_at, progress)


def _export(tables: Sequence[WarehouseTable], started_at: datetime, progress: Progress) -> list[TableExport]:
    root = get_warehouse_root()
    began = time.monotonic()
    with exclusive_lock(LOCK):
        ExportRun.objects.filter(finished_at=None, error="").update(error=INTERRUPTED_ERROR)
        runs = [ExportRun.objects.create(table=table.name, started_at=started_at) for table in tables]
        record_export(
            model=ExportRun, pks=[run.pk for run in runs], details={"tables": [table.name for table in tables]}
        )
        try:
            with read_snapshot(), ExportStaging(root) as staging:
                position = read_position(as_of=started_at)
                plans = [_plan_export(root, table, run) for table, run in zip(tables, runs, strict=True)]
                _write_parts(plans, root, staging, progress)
                finished_at = started_at + timedelta(seconds=time.monotonic() - began)
                return [_finish_export(plan, finished_at, position) for plan in plans]
        except BaseException as error:  # also Ctrl-C, and a worker that stops
            text = (str(error) or repr(error)) if isinstance(error, Exception) else INTERRUPTED_ERROR
            ExportRun.objects.filter(id__in=[run.id for run in runs]).update(error=text)
            raise


def _write_parts(plans: list[ExportPlan], root: Path, staging: ExportStaging, progress: Progress) -> None:
    done, total = 0, sum(plan.rows for plan in plans)
    progress(0, total)
    for plan in plans:
        for rows in _stage_parts(plan, root, staging):
            done += rows
            progress(done, total)
    staging.publish()  # before any removal: a reader in between sees all rows, never fewer
    for plan in plans:
        remove_days(root, plan.table, plan.removed_days, through=plan.through)
        remove_superseded_files(root, plan.table)
    progress(total, total)


def _plan_export(root: Path, table: WarehouseTable, run: ExportRun) -> ExportPlan:
    fingerprints = _compute_fingerprints(table)
    appended = {
        day for day, files in list_current_files(root, table).items() if len(files) > 1 or files[0].name != PART_NAME
    }
    changed_parts = [
        part
        for part, fingerprint in fingerprints.items()
        if part in appended or read_fingerprint(build_part_path(root, table, part)) != fingerprint
    ]
    removed_days = list_days(root, table) - {part for part in fingerprints if part}
    mark = AppendMark.objects.filter(table=table.name).first()
    return ExportPlan(table, run, fingerprints, changed_parts, removed_days, mark.number if mark else 0)


def _compute_fingerprints(table: WarehouseTable) -> dict[str | None, Fingerprint]:
    """Return the fingerprints by day, oldest first.

    A table without days has the single part None, even if it is empty.
    """
    day = f"(r.{table.moment} AT TIME ZONE 'UTC')::date" if table.moment else "NULL::date"
    query = (
        f"SELECT {day} AS day, count(*), COALESCE(bit_xor(hash_record_extended(r, 0)), 0)"  # noqa: S608 — the text is constant
        f" FROM ({table.query}) r GROUP BY {'1 ORDER BY 1' if table.moment else '()'}"
    )
    # XOR needs no sorting, and equal rows would cancel out, but the key makes all rows different
    schema = sha256(f"{table.schema.to_string()}\n{table.query}".encode()).hexdigest()[:16]
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {
            day.isoformat() if day else None: Fingerprint(rows, f"{checksum % 2**64:016x}", schema)
            for day, rows, checksum in cursor.fetchall()
        }


def _stage_parts(plan: ExportPlan, root: Path, staging: ExportStaging) -> Iterator[int]:
    """Write the changed parts to the staging folder; yield the number of rows of each step."""
    table = plan.table
    if table.moment is None:
        if plan.changed_parts:
            fingerprint = plan.fingerprints[None]
            staging.write(
                build_part_path(root, table, None), table.schema, copy_pages(table, rows=CHUNK_ROWS), fingerprint
            )
            yield fingerprint.rows
        return
    for days in _group_days(plan):
        rows = _read_days(table, days)
        for day, part in zip(days, split_days(table, rows, days), strict=True):
            staging.write(
                build_part_path(root, table, day), table.schema, [part], plan.fingerprints[day], through=plan.through
            )
        yield rows.num_rows


def _group_days(plan: ExportPlan) -> Iterator[list[str]]:
    """Yield the changed days in groups of at most CHUNK_ROWS rows."""
    group: list[str] = []  # a group is read by one query, which costs less than one query per day
    rows = 0
    for day in plan.changed_parts:
        assert day is not None
        size = plan.fingerprints[day].rows
        if group and rows + size > CHUNK_ROWS:
            yield group
            group, rows = [], 0
        group.append(day)
        rows += size
    if group:
        yield group


def _read_days(table: WarehouseTable, days: list[str]) -> pa.Table:
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


def _finish_export(plan: ExportPlan, finished_at: datetime, position: EventPosition) -> TableExport:
    days = [part for part in plan.changed_parts if part]
    parts = "".join(f"{part}:{value.rows}:{value.checksum}\n" for part, value in plan.fingerprints.items())
    plan.run.rows = plan.rows
    plan.run.part = f"{days[0]} – {days[-1]} ({len(days)})" if days else ""
    plan.run.checksum = sha256(parts.encode()).hexdigest()
    plan.run.watermark = position.format()
    plan.run.finished_at = finished_at
    plan.run.save()
    return TableExport(
        table=plan.table.name,
        rows_total=sum(fingerprint.rows for fingerprint in plan.fingerprints.values()),
        rows_written=plan.rows,
        parts_total=len(plan.fingerprints),
        parts_written=len(plan.changed_parts),
        parts_removed=len(plan.removed_days),
    )
