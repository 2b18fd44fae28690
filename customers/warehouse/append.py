"""Adds rows to the warehouse between two exports, as further files of their day.

The files are written beside (`.appending/<number>/`) inside the transaction of what they hold, and put in their place after it.
The number is counted in that same transaction, so that a process that finds such a folder later knows whether it was committed: then
the files are put in their place, else removed. Many small files of a day are joined; the export writes the day as one again.

Only the last days are appended to: an import of years would make thousands of tiny files. The export brings older rows.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
from django.db import connection
from psycopg import sql

from customers.warehouse.index_lookup import by_index
from customers.warehouse.models import AppendMark
from customers.warehouse.parquet_files import (
    PART,
    WarehouseWriteError,
    appended_path,
    appends_in,
    live_files,
    remove_shadowed,
    warehouse_root,
    writing,
)
from customers.warehouse.postgres_reader import copy_rows, split_days
from customers.warehouse.tables import EVENTS, Table

APPENDING = ".appending"
RECENT_DAYS = 3
JOINED_FROM = 24  # files of one day
SMALL_BYTES = 8 << 20

NEXT_NUMBER = """
INSERT INTO warehouse_appendmark AS mark ("table", number) VALUES (%s, 1)
ON CONFLICT ("table") DO UPDATE SET number = mark.number + 1
RETURNING number
"""


@dataclass(frozen=True)
class Draft:
    """Files that wait beside for the transaction to be committed."""

    root: Path
    table: Table
    number: int
    rows: int

    @property
    def folder(self) -> Path:
        return self.root / APPENDING / str(self.number)


def draft_events(*, ids: Sequence[int], received: tuple[datetime, datetime], at: datetime) -> Draft | None:
    """Writes processed events beside the warehouse, inside their transaction; None when none of them is recent.

    Args:
        received: when the first and the last of them came, which says in which partitions they are.

    Errors: WarehouseWriteError; then nothing was written, and the next export brings the rows.
    """
    since = datetime.combine((at.astimezone(UTC) - timedelta(days=RECENT_DAYS)).date(), datetime.min.time(), UTC)
    condition = sql.SQL(
        " WHERE id = ANY({ids}::bigint[]) AND received_at BETWEEN {low} AND {high} AND occurred_at >= {since}"
        " ORDER BY (occurred_at AT TIME ZONE 'UTC')::date, id"
    ).format(
        ids=sql.Literal("{" + ",".join(map(str, ids)) + "}"),  # one text: psycopg would quote each id
        low=sql.Literal(received[0]),
        high=sql.Literal(received[1]),
        since=sql.Literal(since),
    )
    with by_index():
        rows = copy_rows(EVENTS, condition)
    if not rows.num_rows:
        return None
    moments = rows["occurred_at"]
    first, last = moments[0].as_py().date(), moments[-1].as_py().date()
    days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
    draft = Draft(warehouse_root(), EVENTS, next_number(EVENTS), rows.num_rows)
    with writing(draft.root):
        with suppress(FileNotFoundError):
            shutil.rmtree(draft.folder)  # of a transaction that was undone
        draft.folder.mkdir(parents=True)
    try:
        for day, part in zip(days, split_days(EVENTS, rows, days), strict=True):
            if part.num_rows:
                with writing(draft.root):
                    pq.write_table(part, draft.folder / f"{day}.parquet", compression="zstd")
    except WarehouseWriteError:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise
    return draft


def next_number(table: Table) -> int:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [table.name])
        return int(cursor.fetchone()[0])


def publish(draft: Draft) -> None:
    """Puts the files in their place, once their transaction is committed. Errors: WarehouseWriteError."""
    with writing(draft.root):
        for path in sorted(draft.folder.glob("*.parquet")):
            target = appended_path(draft.root, draft.table, path.stem, draft.number, draft.number)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        shutil.rmtree(draft.folder)


def finish_appends() -> None:
    """Puts in place what a process left that was killed after its commit, and removes what was never committed.

    For a moment in which nobody else appends. Errors: WarehouseWriteError.
    """
    root = warehouse_root()
    left = list((root / APPENDING).iterdir()) if (root / APPENDING).is_dir() else []
    if not left:
        return
    mark = AppendMark.objects.filter(table=EVENTS.name).first()
    for folder in left:
        if folder.name.isdigit() and mark is not None and int(folder.name) <= mark.number:
            publish(Draft(root, EVENTS, int(folder.name), rows=0))
        else:
            shutil.rmtree(folder, ignore_errors=True)


def join_appended() -> int:
    """Joins the small files of each day that has many; how many files became fewer. Errors: WarehouseWriteError."""
    root = warehouse_root()
    joined = 0
    for day, files in live_files(root, EVENTS).items():
        appended = [path for path in files if path.name != PART]
        # neighbours only: a file that spans another's numbers stands for it
        for small, group in groupby(appended, key=lambda path: path.stat().st_size < SMALL_BYTES):
            some = list(group)
            if small and len(some) >= JOINED_FROM:
                join(root, EVENTS, day, some)
                joined += len(some) - 1
    if joined:
        remove_shadowed(root, EVENTS)
    return joined


def join(root: Path, table: Table, day: str, files: Sequence[Path]) -> None:
    """One file instead of several; readers see the one or the others."""
    draft = root / APPENDING / f"join-{uuid4().hex}"
    target = appended_path(root, table, day, appends_in(files[0])[0], appends_in(files[-1])[1])
    with writing(root):
        draft.mkdir(parents=True)
        with pq.ParquetWriter(draft / target.name, table.schema, compression="zstd") as writer:
            for path in files:
                writer.write_table(pq.read_table(path, schema=table.schema, partitioning=None))
        (draft / target.name).replace(target)
        draft.rmdir()
