"""Imports files of events: every line is accepted, a duplicate, skipped, or rejected with its reason.

Lines are stored in batches, each in a transaction of its own, by two threads: while one decodes, PostgreSQL works for the other.
If the process is killed at any point, the stored batches stay; a second run recognizes their message ids and imports the rest.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from config.foundation.csv_cells import CsvWriter
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.files.private_files import make_private_folder
from config.foundation.files.write_errors import name_written_file
from customers.events.collector.event_store import StoreResult
from customers.events.collector.ingest import ingest_items, parse_items
from customers.events.collector.parsing import EventRow, RequestContext
from customers.events.imports.access_log import AccessLogReader, LogLineError
from customers.events.imports.json_lines import MAX_LINE, LineError, iterate_line_items
from customers.events.imports.line_reader import LineFile, UnreadableEventFileError, open_lines
from customers.events.imports.url_mapping import UrlMapping, UrlMappingError, load_builtin_mapping, read_mapping
from customers.events.minute_counts import OPEN, forget_minute
from customers.events.models import EventReceipt, Source

Format = Literal["auto", "jsonl", "nginx"]
BATCH_ITEMS = 2_000
BATCH_BYTES = 4_000_000
WRITERS = 2
DETECTION_LINES = 10  # read to decide which format a file has


@dataclass(slots=True)
class LineProblem:
    line: int
    code: str
    reason: str


@dataclass(slots=True)
class ImportBatch:
    """Items that are stored together, with their line numbers and the position in the file after them."""

    items: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)
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
class EventImportResult:
    """The counts of an import; ``events`` is the number of items: accepted, duplicates or rejected."""

    dry_run: bool = False
    lines: int = 0
    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)  # of accepted events
    skipped: Counter[str] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)
    error_file: Path | None = None

    @property
    def rejected(self) -> int:
        return self.problems.total()


# called with the counts so far, the bytes read and the size of the file
ImportProgress = Callable[[EventImportResult, int, int], None]


# called with the new events of a batch, in the transaction that stores them
RecordEvents = Callable[[Sequence[EventRow]], None]


def ignore_import_progress(imported: EventImportResult, position: int, size: int) -> None:
    """Report no progress."""


def import_events(
    *,
    path: Path,
    source: Source,
    received_at: datetime,
    format: Format = "auto",
    mapping: Path | None = None,
    dry_run: bool = False,
    errors: Path,
    watch: ImportProgress = ignore_import_progress,
    record: RecordEvents | None = None,
) -> EventImportResult:
    """Import JSON Lines or an access log, compressed or not; ``-`` is standard input.

    Args:
        mapping: the file that maps URLs to events; the built-in mapping if None.
        dry_run: check and count, but write nothing except the error file.
        errors: the file that lists rejected lines, if there are any.
        record: records the new events of each batch, in a thread of its own.

    Raises:
        UnreadableFileError, MappingError: the file or the mapping could not be read completely.
        AlreadyRunningError: another import of this source is running.
    """
    urls = load_builtin_mapping() if mapping is None else read_mapping(mapping)
    imported = EventImportResult(dry_run=dry_run)
    with ExitStack() as stack:
        stack.enter_context(exclusive_lock(f"events:{source.key}"))
        file = stack.enter_context(open_lines(path))
        error_file = stack.enter_context(EventErrorFile(errors))
        kind = detect_format(file, urls) if format == "auto" else format
        if kind == "jsonl":
            require_json_lines(file)
        batches = read_json(file) if kind == "jsonl" else read_log(file, urls, imported)
        # closed before the lock is released: whoever cancels the import may undo it as soon as no thread writes
        stored = stack.enter_context(
            closing(store_batches(batches, source=source, received_at=received_at, dry_run=dry_run, record=record))
        )
        for batch, result in stored:
            add_to_result(imported, batch, result, error_file)
            watch(imported, batch.position, file.size)
        imported.error_file = errors if error_file.exists else None
    return imported


def import_items(
    *, items: Iterable[tuple[int, list[bytes]]], source: Source, received_at: datetime, watch: Callable[[int], None]
) -> EventImportResult:
    """Import items that are not in a file, by the same rules; ``items`` are lists, each with the progress after it."""
    imported = EventImportResult()
    batches = (
        ImportBatch(items=item_list, numbers=[0] * len(item_list), position=position) for position, item_list in items
    )
    with exclusive_lock(f"events:{source.key}"):
        for batch, result in store_batches(batches, source=source, received_at=received_at, dry_run=False):
            add_to_result(imported, batch, result, None)
            watch(batch.position)
    return imported


def detect_format(file: LineFile, urls: UrlMapping) -> Literal["jsonl", "nginx"]:
    """Return the format of most of the first lines that have one. Raises UnreadableEventFileError if none has."""
    start = file.head.lstrip()
    lines = [line for line in start.splitlines()[:DETECTION_LINES] if line.strip()]
    objects = sum(line.lstrip().startswith(b"{") for line in lines)
    entries = sum(urls.log_format.parse_fields(line.decode(errors="replace")) is not None for line in lines)
    if start.startswith(b"[") or objects > entries:
        return "jsonl"
    if entries:
        return "nginx"
    raise UnknownEventFormatError(file.name, lines[0][:60].decode(errors="replace"))


class UnknownEventFormatError(UnreadableEventFileError):
    """The file has neither JSON Lines nor the expected log format; the command has options for that, the upload has none."""

    def __init__(self, name: str, start: str) -> None:
        self.values = {"file": name, "start": repr(start)}
        super().__init__(
            _(
                "%(file)s starts with %(start)s, which is neither JSON Lines nor the combined log format of nginx and Apache. "
                "Convert it to one of them, or import it with the import_events command on the server, which can read other "
                "log formats."
            )
            % self.values
        )

    def explain_options(self) -> str:
        """Return the error text for users of the command."""
        return (
            _(
                "%(file)s starts with %(start)s, which is neither JSON Lines nor the expected log format. Set "
                "--format to jsonl or nginx. Define other log formats in a --mapping file."
            )
            % self.values
        )


def require_json_lines(file: LineFile) -> None:
    if file.head.lstrip().startswith(b"["):
        raise UnreadableEventFileError(
            _("%(file)s is a JSON array; write one object per line, for example with: jq -c '.[]' FILE")
            % {"file": file.name}
        )


def read_json(file: LineFile) -> Iterator[ImportBatch]:
    batch = ImportBatch()
    for line in file.iterate_lines(MAX_LINE):
        batch.lines += 1
        try:
            if line.oversize:
                raise LineError("too_large", f"The line has more than {MAX_LINE} bytes.")
            for item in iterate_line_items(line.text):
                batch.add(item, line.number)
        except LineError as error:
            batch.problems.append(LineProblem(line.number, error.code, error.reason))
        if batch.is_full:
            batch.position = file.position
            yield batch
            batch = ImportBatch()
    batch.position = file.position
    yield batch


MAX_LOG_LINE = 32 * 1024


def read_log(file: LineFile, urls: UrlMapping, imported: EventImportResult) -> Iterator[ImportBatch]:
    reader = AccessLogReader(urls)
    imported.skipped, imported.sections = reader.skipped, reader.sections
    batch = ImportBatch()
    for line in file.iterate_lines(MAX_LOG_LINE):
        batch.lines += 1
        try:
            if line.oversize:
                raise LogLineError("too_large", f"The line has more than {MAX_LOG_LINE} bytes.")
            item = reader.read_item(line.text)
        except LogLineError as error:
            batch.problems.append(LineProblem(line.number, error.code, error.reason))
        else:
            if item is not None:
                batch.add(item, line.number)
        if batch.is_full or batch.lines >= 10 * BATCH_ITEMS:
            batch.position = file.position
            yield batch
            batch = ImportBatch()
    batch.position = file.position
    yield batch


def store_batches(
    batches: Iterator[ImportBatch],
    *,
    source: Source,
    received_at: datetime,
    dry_run: bool,
    record: RecordEvents | None = None,
) -> Generator[tuple[ImportBatch, StoreResult]]:
    """Store batches in threads and yield each with its result, in order; only a few wait, which limits the memory."""

    def store(batch: ImportBatch) -> StoreResult:
        if dry_run:
            return check_batch(source=source, items=batch.items, received_at=received_at)
        with nullcontext() if record is None else transaction.atomic():
            result = ingest_items(
                source=source,
                items=batch.items,
                call_type=None,
                sent_at=None,
                received_at=received_at,
                # an import may take hours, and recommendations ask which events were stored after their last update
                stored_at=received_at + timedelta(seconds=time.monotonic() - began),
            )
            if record is not None and result.rows:
                record(result.rows)
        return result

    def finish(future: Future[StoreResult]) -> StoreResult:
        result = future.result()
        if not dry_run and time.monotonic() - began > OPEN.total_seconds() / 2:
            forget_minute(received_at)  # the events of an import have the time of its start
        return result

    began = time.monotonic()
    pending: deque[tuple[ImportBatch, Future[StoreResult]]] = deque()
    with WriterPool() as writers:
        for batch in batches:
            pending.append((batch, writers.pool.submit(store, batch)))
            if len(pending) >= 2 * WRITERS:
                stored_batch, future = pending.popleft()
                yield stored_batch, finish(future)
        while pending:
            stored_batch, future = pending.popleft()
            yield stored_batch, finish(future)


def check_batch(*, source: Source, items: Sequence[bytes], received_at: datetime) -> StoreResult:
    """Return what `ingest_items` would return, as far as that can be known without writing."""
    rows, rejected = parse_items(enumerate(items), RequestContext(source.pk, received_at))
    unique = {row.stored.message_id: row for row in rows}
    receipts = EventReceipt.objects.filter(source_id=source.pk, message_id__in=list(unique))
    for message_id in receipts.values_list("message_id", flat=True):
        del unique[message_id]
    return StoreResult(rows=list(unique.values()), duplicates=len(rows) - len(unique), rejected=rejected)


class WriterPool:
    """Threads that store batches, each with a connection of its own, which is closed at the end."""

    def __init__(self) -> None:
        self._connections: list[BaseDatabaseWrapper] = []
        self.pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="import-events", initializer=self._open)

    def _open(self) -> None:
        connection = connections["default"]
        connection.inc_thread_sharing()  # this thread uses the connection, the main thread closes it
        self._connections.append(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()


def add_to_result(
    imported: EventImportResult, batch: ImportBatch, result: StoreResult, errors: "EventErrorFile | None"
) -> None:
    imported.lines += batch.lines
    imported.events += len(batch.items)
    imported.accepted += len(result.rows)
    imported.duplicates += result.duplicates
    imported.warnings.update(row.warning for row in result.rows if row.warning)
    rejected = [LineProblem(batch.numbers[item.index], item.code, item.reason) for item in result.rejected]
    problems = sorted([*batch.problems, *rejected], key=lambda problem: problem.line)
    imported.problems.update(problem.code for problem in problems)
    if errors is not None:
        errors.write(problems)


class EventErrorFile:
    """A CSV file of rejected lines, created with the first one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            with name_written_file(self.path):
                self._stream.close()

    @property
    def exists(self) -> bool:
        return self._stream is not None

    def write(self, problems: Iterable[LineProblem]) -> None:
        for problem in problems:
            if self._stream is None:
                make_private_folder(self.path.parent)
                self._stream = self.path.open("w", encoding="utf-8-sig", newline="")
                CsvWriter(self._stream).write_row(["line", "code", "reason"])
            with name_written_file(self.path):
                CsvWriter(self._stream).write_row([problem.line, problem.code, problem.reason])


__all__ = ["UnknownEventFormatError", "UnreadableEventFileError", "UrlMappingError", "import_events", "import_items"]
