"""Removes people from the files of the warehouse: each file that contains one of them is rewritten next to the old one, then renamed.

No export runs at the same time, because an erasure holds the export lock, and no joining of appended files begins. Appends, and a joining that
has begun, continue: a file that they publish while others are rewritten is found by the next pass, and passes are repeated until one finds
nothing. Readers see complete files only.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.personal_data.person import Person
from customers.warehouse.append import APPEND_FOLDER
from customers.warehouse.engines.base import CopySearch
from customers.warehouse.engines.registry import get_engine
from customers.warehouse.export import LOCK
from customers.warehouse.parquet_files import (
    STAGING,
    get_warehouse_root,
    remove_damaged_appends,
    translate_write_errors,
)
from customers.warehouse.tables import CUSTOMERS, EVENTS, IDENTIFIERS, IMPRESSIONS, ORDER_LINES, ORDERS, REVIEWS, TABLES

CUSTOMER, USER, VISITOR = "customer_id", "user_id", "anonymous_id"
DRAFT_SUFFIX = ".erasing"
JOIN_PREFIX = "join-"
LOCK_SECONDS = 900.0  # an export of a large shop takes minutes
JOIN_SECONDS = 60.0
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class FileRule:
    """What happens to the rows of a person in the files of one table.

    Attributes:
        columns: by which the rows are found: the customer, and the identifiers that an event names.
        cleared: columns that become empty. is_dropped: whether the rows disappear instead.
        is_renumbered: whether the customer becomes the anonymous number, as in PostgreSQL.
    """

    columns: tuple[str, ...] = (CUSTOMER,)
    cleared: tuple[str, ...] = ()
    is_dropped: bool = False
    is_renumbered: bool = False


RULES: dict[str, FileRule] = {
    EVENTS.name: FileRule((CUSTOMER, USER, VISITOR), (CUSTOMER, USER, VISITOR, "session_id", "properties", "path")),
    IMPRESSIONS.name: FileRule((CUSTOMER, USER, VISITOR), (CUSTOMER, USER, VISITOR)),
    ORDERS.name: FileRule(is_renumbered=True),
    ORDER_LINES.name: FileRule(is_renumbered=True),
    REVIEWS.name: FileRule(cleared=(CUSTOMER,)),
    IDENTIFIERS.name: FileRule(is_dropped=True),
    CUSTOMERS.name: FileRule(("id",), is_dropped=True),
}
EMPTY_TEXTS = {"properties": "{}"}  # columns that are never null


@dataclass(frozen=True)
class ErasedValues:
    """The numbers and identifiers of people, as arrays to compare columns with."""

    customers: pa.Array
    replacements: pa.Array
    users: pa.Array
    visitors: pa.Array

    @classmethod
    def of(cls, people: Sequence[Person]) -> "ErasedValues":
        pairs = [(old, person.replacement_id) for person in people for old in person.customer_ids]
        return cls(
            pa.array([old for old, _new in pairs], pa.int64()),
            pa.array([new for _old, new in pairs], pa.int64()),
            pa.array([value for person in people for value in person.list_values(USER)], pa.string()),
            pa.array([value for person in people for value in person.list_values(VISITOR)], pa.string()),
        )

    def match(self, table: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
        """Return for each row whether it belongs to one of the people."""
        values = {USER: self.users, VISITOR: self.visitors}
        matches = [pc.is_in(table[name], value_set=values.get(name, self.customers)) for name in columns]
        matched = matches[0]
        for other in matches[1:]:
            matched = pc.or_(matched, other)
        return matched

    def list_searches(self) -> list[CopySearch]:
        """Return what to look for in the copies of the tables."""
        values = {USER: self.users.to_pylist(), VISITOR: self.visitors.to_pylist()}
        customers = self.customers.to_pylist()
        return [
            CopySearch(TABLES[name], {column: values.get(column, customers) for column in rule.columns})
            for name, rule in RULES.items()
        ]


def erase_from_files(people: Sequence[Person]) -> int:
    """Rewrite the files that hold any of the people; return how many. Errors: AlreadyRunningError, WarehouseWriteError, WarehouseEngineError."""
    root = get_warehouse_root()
    if not root.is_dir():
        return 0
    values = ErasedValues.of(people)
    rewritten = 0
    with wait_for_exports(), translate_write_errors(root):
        shutil.rmtree(root / STAGING, ignore_errors=True)  # left by a killed export
        remove_stale_drafts(root)
        remove_damaged_appends(root, EVENTS)
        is_done = False
        while not is_done:
            wait_for_joins(root)
            changed = sum(erase_from_file(path, rule, values) for path, rule in list_data_files(root))
            rewritten += changed
            is_done = not changed
    get_engine().refresh_copies(root)
    return rewritten


@contextmanager
def wait_for_exports() -> Iterator[None]:
    """Hold the lock of exports during the block; raises AlreadyRunningError if one does not end."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        lock = exclusive_lock(LOCK)
        try:
            lock.__enter__()
        except AlreadyRunningError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
            continue
        try:
            yield
        finally:
            lock.__exit__(None, None, None)
        return


def wait_for_joins(root: Path) -> None:
    """Wait for processes that join files they may have read before the erasure; remove what a killed one left."""
    deadline = time.monotonic() + JOIN_SECONDS
    while joins := list((root / APPEND_FOLDER).glob(f"{JOIN_PREFIX}*")):
        if time.monotonic() > deadline:
            for folder in joins:
                shutil.rmtree(folder, ignore_errors=True)
            return
        time.sleep(POLL_SECONDS)


def remove_stale_drafts(root: Path) -> None:
    """Remove what a killed erasure left next to the files."""
    for path in root.rglob(f"*{DRAFT_SUFFIX}"):
        path.unlink(missing_ok=True)


def list_data_files(root: Path) -> Iterator[tuple[Path, FileRule]]:
    """Yield every file with its rule: waiting appends first, then those of the tables, superseded ones too."""
    for path in sorted((root / APPEND_FOLDER).glob("*/*.parquet")):
        yield path, RULES[EVENTS.name]
    for name, rule in RULES.items():
        for path in sorted((root / name).rglob("*.parquet")):
            yield path, rule


def find_in_file(path: Path, rule: FileRule, values: ErasedValues) -> int:
    """Return the number of rows of the people in a file; 0 if it has vanished."""
    with suppress(FileNotFoundError):
        table = pq.read_table(path, columns=list(rule.columns), partitioning=None)
        return int(pc.sum(values.match(table, rule.columns)).as_py() or 0)
    return 0


def erase_from_file(path: Path, rule: FileRule, values: ErasedValues) -> int:
    """Rewrite a file if it holds any of the people; return 1 if it does."""
    if not find_in_file(path, rule, values):
        return 0
    with suppress(FileNotFoundError):
        table = pq.read_table(path, partitioning=None)
        matched = values.match(table, rule.columns)
        changed = table.filter(pc.invert(matched)) if rule.is_dropped else change_rows(table, rule, matched, values)
        draft = path.with_name(path.name + DRAFT_SUFFIX)
        pq.write_table(changed, draft, compression="zstd")
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(draft, path)
    return 1


def change_rows(table: pa.Table, rule: FileRule, matched: pa.ChunkedArray, values: ErasedValues) -> pa.Table:
    """Return the table with the matched rows cleared or renumbered."""
    for name in rule.cleared:
        empty = pa.scalar(EMPTY_TEXTS.get(name), table.schema.field(name).type)
        table = set_column(table, name, pc.if_else(matched, empty, table[name]))
    if rule.is_renumbered:
        numbers = table[CUSTOMER]
        replaced = values.replacements.take(pc.index_in(numbers, value_set=values.customers).combine_chunks())
        table = set_column(table, CUSTOMER, pc.if_else(matched, pa.chunked_array([replaced]), numbers))
    return table


def set_column(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    """Return the table with another column, and its schema with the fingerprint unchanged."""
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(position), column)
