"""Reads the columns of an uploaded file with their first values."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from catalog.feeds.feed_file import FeedError, detect_encoding, detect_format
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.row_mapping import FeedRow
from catalog.models import FeedImport
from config.foundation.files.gzip_files import DAMAGED_GZIP_ERRORS, describe_damaged_gzip, open_bytes, open_text
from customers.imports.kinds.base import ImportFileError
from customers.orders.imports.files.csv_rows import CsvRows
from customers.orders.imports.files.order_file import open_rows
from customers.orders.imports.files.row_batches import OrderRows, UnreadableOrderFileError

SAMPLE_ROWS = 500
SAMPLE_VALUES = 3
MAX_VALUE_LENGTH = 80


@dataclass(frozen=True)
class SampleColumn:
    """A column with its first values."""

    name: str
    values: tuple[str, ...]

    def list_examples(self) -> list[str]:
        """Return a few different values, shortened."""
        distinct = dict.fromkeys(value for value in self.values if value.strip())
        return [
            value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}…"
            for value in list(distinct)[:SAMPLE_VALUES]
        ]


@dataclass(frozen=True)
class FileSample:
    """The columns of a file. Encoding and delimiter are those of a delimited file."""

    columns: tuple[SampleColumn, ...]
    encoding: str = ""
    delimiter: str = ""

    @property
    def is_delimited(self) -> bool:
        return bool(self.delimiter)

    def get_values(self, name: str) -> tuple[str, ...]:
        return next((column.values for column in self.columns if column.name == name), ())


def read_sample(path: Path, *, encoding: str = "") -> FileSample:
    """Read the columns and the first rows of a file. Raises ImportFileError."""
    try:
        if not is_feed(path):
            return read_table_sample(open_rows(path, encoding=encoding or None))
        return read_feed_sample(path)
    except DAMAGED_GZIP_ERRORS as error:
        raise ImportFileError(describe_damaged_gzip(path.name)) from error
    except (UnreadableOrderFileError, FeedError, OSError) as error:
        raise ImportFileError(str(error)) from error


def is_feed(path: Path) -> bool:
    """Return whether a file is JSON Lines or XML."""
    with open_bytes(path) as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"<"))


def read_table_sample(rows: OrderRows) -> FileSample:
    columns: dict[str, list[str]] = {name: [] for name in rows.columns}
    batches = rows.batches()
    for batch in batches:
        head = batch.rows.slice(0, SAMPLE_ROWS)
        for name, values in zip(rows.columns, head.columns, strict=True):
            columns[name] = ["" if value is None else str(value) for value in values.to_pylist()]
        break
    if isinstance(batches, Generator):
        batches.close()  # this also closes the file
    return FileSample(
        columns=tuple(SampleColumn(name, tuple(values)) for name, values in columns.items()),
        encoding=rows.encoding if isinstance(rows, CsvRows) else "",
        delimiter=rows.delimiter if isinstance(rows, CsvRows) else "",
    )


def read_feed_sample(path: Path) -> FileSample:
    encoding = detect_encoding(path)
    read = read_google_xml if detect_format(path, encoding) == FeedImport.Format.GOOGLE_XML else read_json_lines
    columns: dict[str, list[str]] = {}
    with open_text(path, encoding) as stream:
        for number, row in enumerate(read(stream)):
            if number >= SAMPLE_ROWS:
                break
            add_feed_row(columns, row)
    return FileSample(tuple(SampleColumn(name, tuple(values)) for name, values in columns.items()), encoding=encoding)


def add_feed_row(columns: dict[str, list[str]], row: FeedRow) -> None:
    for name, value in row.fields.items():
        columns.setdefault(replace_surrogates(name), []).append("" if value is None else replace_surrogates(str(value)))


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON can contain and no page can show."""
    return text.encode(errors="replace").decode()
