"""Appends events to the warehouse between two exports, as additional files of their day.

The files are first written to a draft folder (`.appending/<number>/`), inside the transaction of their events, and published
after its commit. The same transaction increments the number, so a process that finds a draft later knows whether its
transaction was committed: if so, it publishes the draft, else it deletes it. Many small files of a day are joined; the next
export rewrites the day as one file.

Each draft is flushed to the disk before its transaction commits, so that a power failure leaves either both or neither.

Only the last days are appended to, because an import of years would create thousands of tiny files. Exports add older rows.
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

from config.foundation.database.advisory_locks import is_locked
from customers.warehouse.export import LOCK as EXPORT_LOCK
from customers.warehouse.index_lookup import prefer_index_scans
from customers.warehouse.models import AppendMark
from customers.warehouse.parquet_files import (
    PART_NAME,
    WarehouseWriteError,
    build_append_path,
    flush_to_disk,
    get_warehouse_root,
    list_current_files,
    parse_append_range,
    remove_damaged_appends,
    remove_if_damaged,
    remove_superseded_files,
    translate_write_errors,
)
from customers.warehouse.postgres_reader import copy_rows, split_days
from customers.warehouse.tables import EVENTS, WarehouseTable

APPEND_FOLDER = ".appending"
RECENT_DAYS = 3
MIN_FILES_TO_JOIN = 24  # files of one day
MAX_SMALL_FILE_BYTES = 8 << 20
# checked since this process started: only a power failure damages files, and no process survives it
_checked_roots: set[Path] = set()

NEXT_NUMBER = """
INSERT INTO warehouse_appendmark AS mark ("table", number) VALUES (%s, 1)
ON CONFLICT ("table") DO UPDATE SET number = mark.number + 1
RETURNING number
"""


@dataclass(frozen=True)
class AppendDraft:
    """Files that are published when their transaction has been committed."""

    root: Path
    table: WarehouseTable
    number: int
    rows: int

    @property
    def folder(self) -> Path:
        return self.root / APPEND_FOLDER / str(self.number)


def draft_events(*, ids: Sequence[int], received: tuple[datetime, datetime], at: datetime) -> AppendDraft | None:
    """Write a draft of processed events, inside their transaction.

    Return None if none of them is recent.

    Args:
        received: when the first and the last event were received; determines the partitions to read.

    Errors: WarehouseWriteError: nothing was written; the next export adds the rows.
    """
    since = datetime.combine((at.astimezone(UTC) - timedelta(days=RECENT_DAYS)).date(), datetime.min.time(), UTC)
    condition = sql.SQL(
        " WHERE id = ANY({ids}::bigint[]) AND received_at BETWEEN {low} AND {high} AND occurred_at >= {since}"
        " ORDER BY (occurred_at AT TIME ZONE 'UTC')::date, id"
    ).format(
        ids=sql.Literal("{" + ",".join(map(str, ids)) + "}"),  # one literal, because psycopg would quote each ID
        low=sql.Literal(received[0]),
        high=sql.Literal(received[1]),
        since=sql.Literal(since),
    )
    with prefer_index_scans():
        rows = copy_rows(EVENTS, condition)
    if not rows.num_rows:
        return None
    moments = rows["occurred_at"]
    first, last = moments[0].as_py().date(), moments[-1].as_py().date()
    days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
    draft = AppendDraft(get_warehouse_root(), EVENTS, increment_number(EVENTS), rows.num_rows)
    with translate_write_errors(draft.root):
        with suppress(FileNotFoundError):
            shutil.rmtree(draft.folder)  # left by a transaction that was rolled back
        draft.folder.mkdir(parents=True)
    try:
        for day, part in zip(days, split_days(EVENTS, rows, days), strict=True):
            if part.num_rows:
                with translate_write_errors(draft.root):
                    pq.write_table(part, draft.folder / f"{day}.parquet", compression="zstd")
                    flush_to_disk(draft.folder / f"{day}.parquet")
        with translate_write_errors(draft.root):
            flush_to_disk(draft.folder)
            flush_to_disk(draft.folder.parent)
    except WarehouseWriteError:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise
    return draft


def increment_number(table: WarehouseTable) -> int:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [table.name])
        return int(cursor.fetchone()[0])


def publish_draft(draft: AppendDraft) -> None:
    """Move the files of a draft to their day, after its transaction was committed.

    Errors: WarehouseWriteError.
    """
    with translate_write_errors(draft.root):
        for path in sorted(draft.folder.glob("*.parquet")):
            target = build_append_path(draft.root, draft.table, path.stem, draft.number, draft.number)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        shutil.rmtree(draft.folder)


def finish_appends() -> None:
    """Publish the committed drafts of killed processes, and delete the uncommitted ones; after a start, also damaged files.

    Must not run while another process appends. Errors: WarehouseWriteError.
    """
    root = get_warehouse_root()
    if root not in _checked_roots:
        remove_damaged_appends(root, EVENTS)
        _checked_roots.add(root)
    drafts = list((root / APPEND_FOLDER).iterdir()) if (root / APPEND_FOLDER).is_dir() else []
    if not drafts:
        return
    # the number is incremented in the transaction of the events: a draft with a larger number was never committed
    mark = AppendMark.objects.filter(table=EVENTS.name).first()
    for folder in drafts:
        if folder.name.isdigit() and mark is not None and int(folder.name) <= mark.number:
            for path in folder.glob("*.parquet"):
                remove_if_damaged(path)
            publish_draft(AppendDraft(root, EVENTS, int(folder.name), rows=0))
        else:
            shutil.rmtree(folder, ignore_errors=True)


def join_appended() -> int:
    """Join the small files of days that have many; return the reduction in files.

    Must not run while another process appends. Errors: WarehouseWriteError.
    """
    if is_locked(EXPORT_LOCK):
        # The export contains only the appends before its snapshot. A file that joins them with later ones would be read in addition to it.
        return 0
    root = get_warehouse_root()
    joined = 0
    for day, files in list_current_files(root, EVENTS).items():
        appended = [path for path in files if path.name != PART_NAME]
        # only adjacent files: a file whose range covers that of another one replaces it
        for is_small, group in groupby(appended, key=lambda path: path.stat().st_size < MAX_SMALL_FILE_BYTES):
            adjacent = [path for path in group if not is_small or not remove_if_damaged(path)]
            if is_small and len(adjacent) >= MIN_FILES_TO_JOIN:
                join_files(root, EVENTS, day, adjacent)
                joined += len(adjacent) - 1
    if joined:
        remove_superseded_files(root, EVENTS)
    return joined


def join_files(root: Path, table: WarehouseTable, day: str, files: Sequence[Path]) -> None:
    """Replace several files with one; readers see either the one or the others."""
    draft = root / APPEND_FOLDER / f"join-{uuid4().hex}"
    target = build_append_path(root, table, day, parse_append_range(files[0])[0], parse_append_range(files[-1])[1])
    with translate_write_errors(root):
        draft.mkdir(parents=True)
        with pq.ParquetWriter(draft / target.name, table.schema, compression="zstd") as writer:
            for path in files:
                writer.write_table(pq.read_table(path, schema=table.schema, partitioning=None))
        flush_to_disk(draft / target.name)  # the files that it replaces are deleted later
        # the range of the new file covers those of the old ones, so readers ignore them from this rename on
        (draft / target.name).replace(target)
        draft.rmdir()
