"""Imports files of events: every line is taken, known already, left out or refused with its reason.

Lines are taken in batches, each in a transaction of its own, by two writers: while one decodes, PostgreSQL works for the other.
Killed at any point, the batches that were stored stay; a second run finds their message ids and does the rest.
"""

import csv
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from catalog.feeds.error_file import defuse
from config.foundation.database.advisory_locks import exclusive
from customers.events.collector.event_store import Recorded
from customers.events.collector.ingest import read_items, take_items
from customers.events.collector.parsing import Frame
from customers.events.imports.access_log import LogLineError, LogReader
from customers.events.imports.json_lines import MOST_LINE, LineError, items_of
from customers.events.imports.line_reader import LineFile, UnreadableFileError, open_lines
from customers.events.imports.url_mapping import MappingError, UrlMapping, builtin_mapping, read_mapping
from customers.events.models import EventReceipt, Source

Format = Literal["auto", "jsonl", "nginx"]
BATCH_ITEMS = 2_000
BATCH_BYTES = 4_000_000
WRITERS = 2
LINES_LOOKED_AT = 10  # before a file is said to be no access log


@dataclass(slots=True)
class Problem:
    line: int
    code: str
    reason: str


@dataclass(slots=True)
class Batch:
    """Items that are recorded together, with their lines, and how far the file had been read behind them."""

    items: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    size: int = 0
    lines: int = 0
    position: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.items) >= BATCH_ITEMS or self.size >= BATCH_BYTES or len(self.problems) >= BATCH_ITEMS

    def add(self, item: bytes, number: int) -> None:
        self.items.append(item)
        self.numbers.append(number)
        self.size += len(item)


@dataclass(slots=True)
class Imported:
    """The figures of an import; ``events`` are the items of its lines: accepted, known already, or refused."""

    dry_run: bool = False
    lines: int = 0
    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)
    error_file: Path | None = None

    @property
    def refused(self) -> int:
        return self.problems.total()


# called with the figures so far, and how many of how many bytes of the file are done
Watch = Callable[[Imported, int, int], None]


def watch_nothing(imported: Imported, position: int, size: int) -> None:
    """For callers who don't want to know."""


def import_events(
    *,
    path: Path,
    source: Source,
    received_at: datetime,
    format: Format = "auto",
    mapping: Path | None = None,
    dry_run: bool = False,
    errors: Path,
    watch: Watch = watch_nothing,
) -> Imported:
    """Imports JSON Lines or an access log, packed or not, or standard input for ``-``.

    Args:
        mapping: the file that says which address means which event; the usual paths of shops when None.
        dry_run: check and count, write nothing but the error file.
        errors: where refused lines are listed, when there are any.

    Raises:
        UnreadableFileError, MappingError: nothing of the file, or not all of it, could be read.
        AlreadyRunningError: another import of this source is under way.
    """
    urls = builtin_mapping() if mapping is None else read_mapping(mapping)
    imported = Imported(dry_run=dry_run)
    with ExitStack() as stack:
        stack.enter_context(exclusive(f"events:{source.key}"))
        file = stack.enter_context(open_lines(path))
        error_file = stack.enter_context(EventErrorFile(errors))
        kind = format_of(file, urls) if format == "auto" else format
        if kind == "jsonl":
            check_json(file)
        batches = read_json(file) if kind == "jsonl" else read_log(file, urls, imported)
        for batch, recorded in record_all(batches, source=source, received_at=received_at, dry_run=dry_run):
            account(imported, batch, recorded, error_file)
            watch(imported, batch.position, file.size)
        imported.error_file = errors if error_file.exists else None
    return imported


def import_items(
    *, items: Iterable[tuple[int, list[bytes]]], source: Source, received_at: datetime, watch: Callable[[int], None]
) -> Imported:
    """Takes items that were never in a file, by the same rules; ``items`` come in lists, each with how much is done behind it."""
    imported = Imported()
    made = (Batch(items=found, numbers=[0] * len(found), position=done) for done, found in items)
    with exclusive(f"events:{source.key}"):
        for batch, recorded in record_all(made, source=source, received_at=received_at, dry_run=False):
            account(imported, batch, recorded, None)
            watch(batch.position)
    return imported


def format_of(file: LineFile, urls: UrlMapping) -> Literal["jsonl", "nginx"]:
    """What the beginning looks like. Raises UnreadableFileError when it is neither."""
    start = file.head.lstrip()
    if start.startswith((b"{", b"[")):
        return "jsonl"
    lines = [line for line in start.splitlines()[:LINES_LOOKED_AT] if line.strip()]
    if any(urls.log_format.fields(line.decode(errors="replace")) for line in lines):
        return "nginx"
    raise UnreadableFileError(
        _(
            "%(file)s begins with %(start)s: neither a JSON object a line nor the log format expected. "
            "Give --format jsonl or nginx, and for a log of another format a --mapping that names it."
        )
        % {"file": file.name, "start": repr(lines[0][:60].decode(errors="replace"))}
    )


def check_json(file: LineFile) -> None:
    if file.head.lstrip().startswith(b"["):
        raise UnreadableFileError(
            _("%(file)s is one JSON array; give one object a line: jq -c '.[]' FILE makes them.") % {"file": file.name}
        )


def read_json(file: LineFile) -> Iterator[Batch]:
    batch = Batch()
    for line in file.lines(MOST_LINE):
        batch.lines += 1
        try:
            if line.oversize:
                raise LineError("too_large", f"The line has more than {MOST_LINE} bytes.")
            for item in items_of(line.text):
                batch.add(item, line.number)
        except LineError as error:
            batch.problems.append(Problem(line.number, error.code, error.reason))
        if batch.is_full:
            batch.position = file.position
            yield batch
            batch = Batch()
    batch.position = file.position
    yield batch


MOST_LOG_LINE = 32 * 1024


def read_log(file: LineFile, urls: UrlMapping, imported: Imported) -> Iterator[Batch]:
    reader = LogReader(urls)
    imported.skipped, imported.sections = reader.skipped, reader.sections
    batch = Batch()
    for line in file.lines(MOST_LOG_LINE):
        batch.lines += 1
        try:
            if line.oversize:
                raise LogLineError("too_large", f"The line has more than {MOST_LOG_LINE} bytes.")
            item = reader.item(line.text)
        except LogLineError as error:
            batch.problems.append(Problem(line.number, error.code, error.reason))
        else:
            if item is not None:
                batch.add(item, line.number)
        if batch.is_full or batch.lines >= 10 * BATCH_ITEMS:
            batch.position = file.position
            yield batch
            batch = Batch()
    batch.position = file.position
    yield batch


def record_all(
    batches: Iterator[Batch], *, source: Source, received_at: datetime, dry_run: bool
) -> Iterator[tuple[Batch, Recorded]]:
    """Each batch with what became of it, in order. At most two wait behind those at work, so that memory stays flat."""

    def record(batch: Batch) -> Recorded:
        if dry_run:
            return check_items(source=source, items=batch.items, received_at=received_at)
        return take_items(source=source, items=batch.items, call_type=None, sent_at=None, received_at=received_at)

    waiting: deque[tuple[Batch, Future[Recorded]]] = deque()
    with Writers() as writers:
        for batch in batches:
            waiting.append((batch, writers.pool.submit(record, batch)))
            if len(waiting) >= 2 * WRITERS:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()


def check_items(*, source: Source, items: Sequence[bytes], received_at: datetime) -> Recorded:
    """What `take_items` would answer, as far as that can be said without writing."""
    rows, refusals = read_items(enumerate(items), Frame(source.pk, received_at))
    unique = {row.stored.message_id: row for row in rows}
    receipts = EventReceipt.objects.filter(source_id=source.pk, message_id__in=list(unique))
    for message_id in receipts.values_list("message_id", flat=True):
        del unique[message_id]
    return Recorded(rows=list(unique.values()), duplicates=len(rows) - len(unique), refusals=refusals)


class Writers:
    """Threads that record batches, each with a connection of its own, which is closed at the end."""

    def __init__(self) -> None:
        self._connections: list[BaseDatabaseWrapper] = []
        self.pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="import-events", initializer=self._open)

    def _open(self) -> None:
        connection = connections["default"]
        connection.inc_thread_sharing()  # this thread uses it, the one that ends everything closes it
        self._connections.append(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()


def account(imported: Imported, batch: Batch, recorded: Recorded, errors: "EventErrorFile | None") -> None:
    imported.lines += batch.lines
    imported.events += len(batch.items)
    imported.accepted += len(recorded.rows)
    imported.duplicates += recorded.duplicates
    refused = [Problem(batch.numbers[one.index], one.code, one.reason) for one in recorded.refusals]
    problems = sorted([*batch.problems, *refused], key=lambda problem: problem.line)
    imported.problems.update(problem.code for problem in problems)
    if errors is not None:
        errors.write(problems)


class EventErrorFile:
    """Lines that were refused, as a CSV that comes into being with the first of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def exists(self) -> bool:
        return self._stream is not None

    def write(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if self._stream is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self.path.open("w", encoding="utf-8-sig", newline="")
                csv.writer(self._stream).writerow(["line", "code", "reason"])
            csv.writer(self._stream).writerow([problem.line, problem.code, defuse(problem.reason)])


__all__ = ["MappingError", "UnreadableFileError", "import_events", "import_items"]
