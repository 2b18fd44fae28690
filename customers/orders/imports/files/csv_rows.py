"""Reads CSV files of order lines, of any common encoding and delimiter, also gzipped, in bounded memory."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from django.utils.translation import gettext as _

from config.foundation.csv_cells import FORMULA_PREFIXES, unescape_text
from config.foundation.files.gzip_files import DAMAGED_GZIP_ERRORS, describe_damaged_gzip
from customers.orders.imports.files.line_counter import LineCounter
from customers.orders.imports.files.row_batches import (
    ERROR_COLUMNS,
    MalformedRow,
    RowBatch,
    UnreadableOrderFileError,
)
from customers.orders.imports.files.text_decoding import DecodedStream, UndecodableError, detect_encoding

CHUNK_BYTES = 4 * 1024 * 1024
DELIMITERS = ",;\t|"
MAX_HEADER_BYTES = 1024 * 1024


class CsvRows:
    """The rows of a CSV file.

    The line number of a row is the line on which it begins, the header being line 1.
    """

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        self.path = path
        self.name = path.name
        self.size = path.stat().st_size
        self.encoding = encoding or detect_encoding(path)
        header = self._read_header()
        try:
            self.delimiter = detect_delimiter(header)
            names = next(csv.reader(io.StringIO(header), delimiter=self.delimiter))
        except csv.Error as error:  # a name longer than the csv module reads: not a header
            raise self._describe_missing_header() from error
        # with semicolons as delimiters a comma is the decimal mark, as spreadsheets write it in much of Europe
        self.decimal_comma = self.delimiter == ";"
        self.header_breaks = header.count("\n")
        self.columns = make_unique_names(names)
        self.is_error_file = tuple(self.columns[: len(ERROR_COLUMNS)]) == ERROR_COLUMNS
        if self.is_error_file:
            self.columns = [unescape_text(name) for name in self.columns]
        self.malformed: list[MalformedRow] = []

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        """Yield all rows with the given columns, or with all.

        Fills ``malformed`` with the rows left out.
        """
        self.malformed = []
        counter = LineCounter(extra_lines=self.header_breaks)
        stream = DecodedStream(self.path, self.encoding, chunk_bytes=CHUNK_BYTES)
        rows_read = 0
        try:
            for rows in self._open_reader(stream, counter):
                lines = counter.number_rows(rows)
                # blank lines are left out only after all lines have been numbered
                filled = mark_filled_rows(rows)
                if filled is not None:
                    lines, rows = lines.filter(filled), rows.filter(filled)
                if columns is not None:
                    rows = rows.select(list(columns))
                if self.is_error_file:
                    rows = unescape_rows(rows)
                rows_read += rows.num_rows
                # the number of rows is extrapolated from the share of the file's bytes that has been read
                total = max(rows_read, int(rows_read * self.size / max(1, stream.bytes_read())))
                yield RowBatch(lines, rows, rows_read, total)
        except (UndecodableError, pa.ArrowInvalid, OSError, *DAMAGED_GZIP_ERRORS) as error:
            raise self._explain(error, stream, counter) from error
        finally:
            stream.close()
        self.malformed = counter.finish()
        self._check_quotes()
        if rows_read == 0 and not self.malformed:
            raise UnreadableOrderFileError(_("%(name)s has a header but no rows.") % {"name": self.name})

    def _open_reader(self, stream: DecodedStream, counter: LineCounter) -> pacsv.CSVStreamingReader:
        return pacsv.open_csv(
            pa.PythonFile(stream, mode="r"),
            # with several threads Arrow does not know the numbers of malformed rows, which the line counter needs
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=CHUNK_BYTES, column_names=self.columns, skip_rows_after_names=1
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=counter.record_malformed,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False
            ),
        )

    def _explain(self, error: Exception, stream: DecodedStream, counter: LineCounter) -> UnreadableOrderFileError:
        """Return an error that describes the problem of the file to the user."""
        if isinstance(error, UndecodableError):
            return UnreadableOrderFileError(error.explain(self.name))
        if isinstance(error, DAMAGED_GZIP_ERRORS):
            return UnreadableOrderFileError(describe_damaged_gzip(self.name))
        if stream.failure is not None:  # Arrow wraps the errors of its input in its own
            return UnreadableOrderFileError(stream.failure.explain(self.name))
        if isinstance(error, pa.ArrowInvalid):
            return UnreadableOrderFileError(
                _(
                    "%(name)s is not a valid CSV file after line %(line)d: %(reason)s. Check for an unclosed quotation mark."
                )
                % {"name": self.name, "line": counter.last_line, "reason": str(error).split("\n")[0]}
            )
        return UnreadableOrderFileError(
            _("%(name)s cannot be read after line %(line)d: %(reason)s")
            % {"name": self.name, "line": counter.last_line, "reason": str(error)}
        )

    def _check_quotes(self) -> None:
        """Raise UnreadableOrderFileError if a quotation mark was never closed.

        Such a mark makes one malformed row of all the lines after it.
        """
        for row in self.malformed:
            if "\n" in row.text and row.text.count('"') % 2:
                raise UnreadableOrderFileError(
                    _("%(name)s, line %(line)d: unclosed quotation mark.") % {"name": self.name, "line": row.line}
                )

    def _read_header(self) -> str:
        with DecodedStream(self.path, self.encoding, chunk_bytes=CHUNK_BYTES) as stream:
            try:
                text = stream.read(MAX_HEADER_BYTES).decode(errors="ignore")
            except UndecodableError as error:
                raise UnreadableOrderFileError(error.explain(self.name)) from error
            except DAMAGED_GZIP_ERRORS as error:
                raise UnreadableOrderFileError(describe_damaged_gzip(self.name)) from error
            except OSError as error:
                raise UnreadableOrderFileError(
                    _("%(name)s cannot be read: %(reason)s") % {"name": self.name, "reason": str(error)}
                ) from error
        header = take_first_record(text)
        if not header.strip():
            raise self._describe_missing_header()
        return header

    def _describe_missing_header(self) -> UnreadableOrderFileError:
        return UnreadableOrderFileError(
            _("%(name)s has no header; the first line must contain the column names.") % {"name": self.name}
        )


def unescape_rows(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows without the apostrophes that ``csv_cells`` put before texts."""
    pattern = f"^'('*[{''.join(map(re.escape, FORMULA_PREFIXES))}])"
    columns = [pc.replace_substring_regex(column, pattern=pattern, replacement=r"\1") for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def mark_filled_rows(rows: pa.RecordBatch) -> pa.Array | None:
    """Return which rows have any value; None if all do.

    A blank line is read as a row of empty values.
    """
    first = rows.column(0)
    filled = pc.not_equal(first, "")
    if pc.all(filled).as_py():
        return None
    for column in rows.columns[1:]:
        filled = pc.or_(filled, pc.not_equal(column, ""))
    return filled


def take_first_record(text: str) -> str:
    """Return the first record of a CSV text, with the line breaks inside its quotation marks."""
    is_quoted = False
    for position, character in enumerate(text):
        if character == '"':
            is_quoted = not is_quoted
        elif character in "\r\n" and not is_quoted:
            return text[:position]
    return text


def detect_delimiter(header: str) -> str:
    """Return the delimiter that splits the header into the most columns."""
    counts = {mark: len(next(csv.reader(io.StringIO(header), delimiter=mark))) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: counts[mark])


def make_unique_names(names: Sequence[str]) -> list[str]:
    """Return trimmed column names; the position is appended to a name that occurred before."""
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        name = name.strip() or f"column {position}"
        unique.append(f"{name} ({position})" if name in unique else name)
    return unique
