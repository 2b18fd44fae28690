"""CSV that spreadsheets display and never run as formulas (OWASP, CSV injection); the only place that writes CSV files.

With an apostrophe before it, a text is not a formula. A text that already starts with such an apostrophe gets a second one, so that
``unescape_text`` returns every text as it was.
"""

import csv
import io
import re
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol

# the full-width forms too, which some spreadsheets convert
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
ENCODING_MARK = "\ufeff"
PLAIN_NUMBER = re.compile(r"[+-]?[\d.,]+")
# no reader of uploaded files accepts a longer row; a limit keeps a quotation mark that is never closed from filling the memory
MAX_CELL_CHARACTERS = 16 * 2**20


def escape_text(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula; signed numbers stay unchanged."""
    return f"'{text}" if is_formula(text) and not PLAIN_NUMBER.fullmatch(text) else text


def unescape_text(text: str) -> str:
    """Return the text that ``escape_text`` or ``escape_cell`` escaped."""
    return text[1:] if text.startswith("'") and is_formula(text) else text


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would run a text as a formula, or would without the apostrophes before it."""
    return text.lstrip("'").startswith(FORMULA_PREFIXES)


def escape_cell(value: Any) -> Any:
    """Return a value for a CSV cell: None is empty, moments are ISO 8601, texts are escaped."""
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    # No exception for numbers as in escape_text: here numbers have their own type, so a text such as "+49123" is not a number.
    return f"'{text}" if is_formula(text) else text


class TextStream(Protocol):
    """What a CSV file is written to."""

    def write(self, text: str, /) -> Any: ...


class CsvWriter:
    """Writes rows of escaped cells.

    Texts that are signed numbers, such as the product ID -5, stay unchanged, because programs read these files too.
    """

    def __init__(self, stream: TextStream) -> None:
        self._writer = csv.writer(stream)

    def write_row(self, row: Iterable[Any]) -> None:
        self._writer.writerow([escape_text(cell) if isinstance(cell, str) else escape_cell(cell) for cell in row])

    def write_rows(self, rows: Iterable[Iterable[Any]]) -> None:
        for row in rows:
            self.write_row(row)


def format_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as the lines of a CSV file."""
    lines = io.StringIO()
    csv.writer(lines).writerows([escape_cell(value) for value in row] for row in rows)
    return lines.getvalue()


def mark_encoding(blocks: Iterable[str]) -> Iterator[str]:
    """Yield the blocks of a file that people open, after the mark without which Excel does not read it as UTF-8."""
    yield ENCODING_MARK
    yield from blocks


def format_unescaped_row(cells: Iterable[str], *, delimiter: str, line_end: str) -> str:
    """Return a row of a file that is only read back by an import and never given to anyone: its cells stay as they are."""
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator=line_end).writerow(cells)
    return line.getvalue()


class LongCells:
    """Lets the csv module read cells of up to ``MAX_CELL_CHARACTERS`` within a with block; its own limit is 131,072.

    The limit holds for the whole process, so of several threads the first one raises it and the last one restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._usual_limit = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._usual_limit = csv.field_size_limit(MAX_CELL_CHARACTERS)
            self._users += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                csv.field_size_limit(self._usual_limit)


LONG_CELLS = LongCells()
