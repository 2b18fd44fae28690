"""Reads files of order lines, CSV (any usual encoding and delimiter, also gzipped) or Parquet, in bounded memory."""

import codecs
import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from customers.orders.imports.arrow_arrays import integers

CHUNK = 4 * 1024 * 1024
PARQUET_ROWS = 131_072
DELIMITERS = ",;\t|"
MAX_HEADER = 1024 * 1024
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class UnreadableFileError(Exception):
    """The file cannot be read as a whole: missing, empty, of an unknown encoding, or no CSV and no Parquet."""


@dataclass(frozen=True)
class MalformedRow:
    """A line of a CSV file with too few or too many values."""

    line: int
    text: str
    expected: int
    found: int


@dataclass(frozen=True)
class RowBatch:
    """Some rows with the number of the line that each begins on, and how much has been read in all, of how much."""

    lines: pa.Array
    rows: pa.RecordBatch
    done: int
    total: int


class OrderRows(Protocol):
    """Rows that can be read more than once."""

    name: str
    columns: list[str]
    decimal_comma: bool
    malformed: list[MalformedRow]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        """All rows, with these columns or all; afterwards ``malformed`` holds what was left out."""
        ...


def open_rows(path: Path, *, encoding: str | None = None) -> OrderRows:
    """The rows of a file.

    Raises:
        UnreadableFileError: with what is wrong and what to do.
    """
    try:
        if path.is_dir():
            raise UnreadableFileError(_("%(path)s is a folder; give a file.") % {"path": path})
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UnreadableFileError(
            _("%(path)s cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}
        ) from error
    if not head:
        raise UnreadableFileError(_("%(path)s is empty.") % {"path": path})
    if head == b"PAR1":
        return ParquetRows(path)
    if head == b"PK\x03\x04":
        raise UnreadableFileError(_("%(path)s is a workbook or a ZIP archive; save it as CSV.") % {"path": path})
    return CsvRows(path, encoding=encoding)


class ParquetRows:
    """A Parquet file; the line number of a row is its position, from 1."""

    def __init__(self, path: Path) -> None:
        try:
            self.file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableFileError(
                _("%(path)s is no whole Parquet file: %(reason)s") % {"path": path, "reason": str(error).split("\n")[0]}
            ) from error
        self.name = path.name
        self.columns = list(self.file.schema_arrow.names)
        self.decimal_comma = False
        self.malformed: list[MalformedRow] = []
        if self.file.metadata.num_rows == 0:
            raise UnreadableFileError(_("%(path)s has no rows.") % {"path": path})

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        total = self.file.metadata.num_rows
        done = 0
        wanted = list(columns) if columns is not None else None
        try:
            for rows in self.file.iter_batches(batch_size=PARQUET_ROWS, columns=wanted):
                lines = integers(np.arange(done + 1, done + 1 + rows.num_rows))
                done += rows.num_rows
                yield RowBatch(lines, rows, done, total)
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableFileError(
                _("%(name)s cannot be read after row %(row)d: %(reason)s")
                % {"name": self.name, "row": done, "reason": str(error).split("\n")[0]}
            ) from error


class CsvRows:
    """A CSV file; the line number of a row is the line of the text it begins on, the header being line 1."""

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        self.path = path
        self.name = path.name
        self.size = path.stat().st_size
        self.encoding = encoding or detect_encoding(path)
        header = self._read_header()
        self.delimiter = sniff_delimiter(header)
        # between semicolons a comma is free to be the decimal mark, as office programs of half of Europe write it
        self.decimal_comma = self.delimiter == ";"
        self.header_breaks = header.count("\n")
        self.columns = unique_names(next(csv.reader(io.StringIO(header), delimiter=self.delimiter)))
        self.malformed: list[MalformedRow] = []

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        self.malformed = []
        counter = LineCounter(extra=self.header_breaks)
        stream = DecodedStream(self.path, self.encoding)
        count = 0
        try:
            reader = pacsv.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=pacsv.ReadOptions(
                    use_threads=False, block_size=CHUNK, column_names=self.columns, skip_rows_after_names=1
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=counter.note_malformed,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False
                ),
            )
            for rows in reader:
                lines = counter.number(rows)
                filled = not_blank(rows)
                if filled is not None:
                    lines, rows = lines.filter(filled), rows.filter(filled)
                if columns is not None:
                    rows = rows.select(list(columns))
                count += rows.num_rows
                total = max(count, int(count * self.size / max(1, stream.consumed())))
                yield RowBatch(lines, rows, count, total)
        except UndecodableError as error:
            raise UnreadableFileError(error.explain(self.name)) from error
        except pa.ArrowInvalid as error:
            if stream.failure is not None:
                raise UnreadableFileError(stream.failure.explain(self.name)) from error
            raise UnreadableFileError(
                _(
                    "%(name)s is no CSV file after line %(line)d: %(reason)s. Look for a quotation mark that is not closed."
                )
                % {"name": self.name, "line": counter.last_line, "reason": str(error).split("\n")[0]}
            ) from error
        except (OSError, EOFError) as error:
            raise UnreadableFileError(
                _("%(name)s cannot be read after line %(line)d: %(reason)s")
                % {"name": self.name, "line": counter.last_line, "reason": str(error)}
            ) from error
        finally:
            stream.close()
        self.malformed = counter.malformed()
        for row in self.malformed:
            if "\n" in row.text and row.text.count('"') % 2:
                raise UnreadableFileError(
                    _("%(name)s, line %(line)d: a quotation mark is opened there and not closed.")
                    % {"name": self.name, "line": row.line}
                )
        if count == 0 and not self.malformed:
            raise UnreadableFileError(_("%(name)s has a header but no rows.") % {"name": self.name})

    def _read_header(self) -> str:
        with DecodedStream(self.path, self.encoding) as stream:
            try:
                text = stream.read(MAX_HEADER).decode(errors="ignore")
            except UndecodableError as error:
                raise UnreadableFileError(error.explain(self.name)) from error
            except (OSError, EOFError) as error:
                raise UnreadableFileError(
                    _("%(name)s cannot be read: %(reason)s") % {"name": self.name, "reason": str(error)}
                ) from error
        header = first_record(text)
        if not header.strip():
            raise UnreadableFileError(
                _("%(name)s has no header: its first line must name the columns.") % {"name": self.name}
            )
        return header


@dataclass
class LineCounter:
    """Tells the line of the text that each row begins on, though values hold line breaks and rows are left out."""

    ordinal: int = 1
    extra: int = 0
    last_line: int = 1
    pending: list[tuple[int, str, int, int]] = field(default_factory=list)
    placed: list[MalformedRow] = field(default_factory=list)

    def note_malformed(self, row: pacsv.InvalidRow) -> str:
        self.pending.append((row.number, row.text, row.expected_columns, row.actual_columns))
        return "skip"

    def number(self, rows: pa.RecordBatch) -> pa.Array:
        breaks = line_breaks(rows)
        lines = np.empty(rows.num_rows, dtype=np.int64)
        start = 0
        while start < rows.num_rows:
            stop = rows.num_rows
            if self.pending:
                stop = min(stop, start + max(0, self.pending[0][0] - self.ordinal - 1))
            if stop == start:
                self._place_malformed()
                continue
            before = np.concatenate(([0], np.cumsum(breaks[start:stop])))
            lines[start:stop] = self.ordinal + 1 + np.arange(stop - start) + self.extra + before[:-1]
            self.ordinal += stop - start
            self.extra += int(before[-1])
            start = stop
        if rows.num_rows:
            self.last_line = int(lines[-1])
        return integers(lines)

    def malformed(self) -> list[MalformedRow]:
        while self.pending:
            self._place_malformed()
        return self.placed

    def _place_malformed(self) -> None:
        number, text, expected, found = self.pending.pop(0)
        self.placed.append(MalformedRow(number + self.extra, text, expected, found))
        self.extra += text.count("\n")
        self.ordinal = number


def line_breaks(rows: pa.RecordBatch) -> np.ndarray:
    """How many line breaks the values of each row hold."""
    breaks = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        # one search through all the bytes of a column is much cheaper than one count a value
        data = column.buffers()[2]
        if data is not None and (np.frombuffer(data, dtype=np.uint8) == ord("\n")).any():
            breaks += pc.count_substring(column, "\n").to_numpy(zero_copy_only=False)
    return breaks


def not_blank(rows: pa.RecordBatch) -> pa.Array | None:
    """Which rows hold anything; None when all do. A blank line reads as a row of empty values."""
    first = rows.column(0)
    if pc.all(pc.not_equal(first, "")).as_py():
        return None
    filled = pc.not_equal(first, "")
    for column in rows.columns[1:]:
        filled = pc.or_(filled, pc.not_equal(column, ""))
    return filled


class UndecodableError(Exception):
    """Bytes that are not what the encoding allows."""

    def __init__(self, *, line: int, encoding: str, found: bytes) -> None:
        super().__init__(line, encoding, found)
        self.line = line
        self.encoding = encoding
        self.found = found

    def explain(self, name: str) -> str:
        return _(
            "%(name)s, line %(line)d: the bytes %(found)s are not %(encoding)s. Save the file as UTF-8, or name its "
            "encoding, such as utf-8, utf-16, gb18030 or windows-1252."
        ) % {"name": name, "line": self.line, "found": self.found.hex(" "), "encoding": self.encoding}


class DecodedStream(io.RawIOBase):
    """The text of a file as UTF-8 bytes, whatever its encoding and whether it is gzipped."""

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__()
        self.raw: IO[bytes] = path.open("rb")
        self.source = unpacked(self.raw)
        self.encoding = encoding
        self.decoder = make_decoder(encoding)
        self.buffer = b""
        self.lines = 0
        self.failure: UndecodableError | None = None
        self.started = False
        self.ended = False

    def readable(self) -> bool:
        return True

    def consumed(self) -> int:
        """Bytes of the file on disk that have been read."""
        return self.raw.tell()

    def read(self, size: int = -1) -> bytes:
        pieces = [self.buffer]
        length = len(self.buffer)
        while (size < 0 or length < size) and not self.ended:
            piece = self._next()
            pieces.append(piece)
            length += len(piece)
        data = b"".join(pieces)
        cut = len(data) if size < 0 else size
        self.buffer = data[cut:]
        return data[:cut]

    def close(self) -> None:
        self.source.close()
        self.raw.close()
        super().close()

    def _next(self) -> bytes:
        chunk = self.source.read(CHUNK)
        self.ended = not chunk
        try:
            text = self.decoder.decode(chunk, final=self.ended)
        except UnicodeDecodeError as error:
            line = self.lines + 1 + error.object[: error.start].count(b"\n")
            found = error.object[error.start : error.start + 4]
            self.failure = UndecodableError(line=line, encoding=self.encoding, found=found)
            raise self.failure from error
        self.lines += text.count("\n")
        if not self.started and text:
            self.started = True
            text = text.removeprefix("\ufeff")
        if "\0" in text:
            line = self.lines - text.count("\n") + 1 + text[: text.index("\0")].count("\n")
            self.failure = UndecodableError(line=line, encoding=self.encoding, found=b"\0")
            raise self.failure
        return text.encode()


def unpacked(raw: IO[bytes]) -> IO[bytes]:
    magic = raw.read(2)
    raw.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if magic == b"\x1f\x8b" else raw


def make_decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        return codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise UnreadableFileError(
            _("%(encoding)s is no encoding; name one such as utf-8, utf-16, gb18030 or windows-1252.")
            % {"encoding": repr(encoding)}
        ) from error


def detect_encoding(path: Path) -> str:
    """UTF-8 if the whole file is; else UTF-16, GB18030 or Windows-1252, by its byte order mark or the look of its bytes.

    Raises:
        UnreadableFileError: it is none of them, or is UTF-8 with a broken place.
    """
    with path.open("rb") as raw:
        sample = read_start(unpacked(raw), path)
    for mark, encoding in BOMS:
        if sample.startswith(mark):
            return encoding
    if guess := guess_utf16(sample):
        return guess
    failure = try_encoding(path, "utf-8")
    if failure is None:
        return "utf-8"
    error, seen = failure
    # characters that were valid UTF-8 before the broken place are hardly there by chance
    candidate = None if seen.multibyte else ("gb18030" if looks_double_byte(seen.around) else "cp1252")
    if candidate and try_encoding(path, candidate) is None:
        return candidate
    raise UnreadableFileError(error.explain(path.name)) from error


def read_start(source: IO[bytes], path: Path) -> bytes:
    try:
        return source.read(CHUNK)
    except (OSError, EOFError) as error:
        raise UnreadableFileError(
            _("%(name)s cannot be read: %(reason)s") % {"name": path.name, "reason": str(error)}
        ) from error


def guess_utf16(sample: bytes) -> str | None:
    """UTF-16 without a mark: in the header, every other byte is zero."""
    start = sample[:200]
    if len(start) >= 4 and start[1::2].count(0) > len(start) * 0.4:
        return "utf-16-le"
    if len(start) >= 4 and start[::2].count(0) > len(start) * 0.4:
        return "utf-16-be"
    return None


@dataclass(frozen=True)
class Seen:
    multibyte: bool
    around: bytes


def try_encoding(path: Path, encoding: str) -> tuple[UndecodableError, Seen] | None:
    """Where decoding the whole file fails, and what it looked like up to there; None when it does not."""
    lines = 0
    multibyte = False
    decoder = make_decoder(encoding)
    with path.open("rb") as raw:
        source = unpacked(raw)
        while True:
            chunk = read_start(source, path)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start]
                found = UndecodableError(
                    line=lines + 1 + before.count(b"\n"),
                    encoding=encoding,
                    found=error.object[error.start : error.start + 4],
                )
                return found, Seen(multibyte or not before.isascii(), error.object[error.start : error.start + 65_536])
            lines += text.count("\n")
            multibyte = multibyte or not text.isascii()
            if not chunk:
                return None


def looks_double_byte(sample: bytes) -> bool:
    """Chinese text has its high bytes in pairs; accented letters of Windows-1252 mostly stand alone."""
    high = np.frombuffer(sample, dtype=np.uint8) >= 0x80
    edges = np.flatnonzero(np.diff(np.concatenate(([0], high.view(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    return bool(lengths[lengths % 2 == 0].sum() > 0.6 * lengths.sum()) if len(lengths) else False


def first_record(text: str) -> str:
    """The first line, with its line breaks where they stand in quotation marks."""
    quoted = False
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            return text[:position]
    return text


def sniff_delimiter(header: str) -> str:
    counts = {mark: len(next(csv.reader(io.StringIO(header), delimiter=mark))) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: counts[mark])


def unique_names(names: Sequence[str]) -> list[str]:
    """Column names without blanks around them; the second of two equal ones gets its position behind."""
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        name = name.strip() or f"column {position}"
        unique.append(f"{name} ({position})" if name in unique else name)
    return unique
