"""Corrects single values in an uploaded file."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.utils.translation import gettext as _

from config.foundation.csv_cells import LONG_CELLS, format_unescaped_row
from config.foundation.files.gzip_files import open_text
from customers.imports.kinds.base import ImportFileError
from customers.imports.samples import read_sample


def correct_rows(*, path: Path, encoding: str, corrections: Mapping[int, Mapping[str, str]]) -> int:
    """Replace values in the rows that begin on the given lines of the file; return how many rows changed.

    The file is rewritten as UTF-8 under its name; all other rows keep their text.
    """
    sample = read_sample(path, encoding=encoding)
    if not sample.is_delimited:
        raise ImportFileError(_("Rows can be edited in CSV and TSV files only."))
    draft = path.with_name(f"{path.name}.part")
    changed = 0
    with (
        LONG_CELLS,
        open_decoded(path, sample.encoding) as stream,
        draft.open("w", encoding="utf-8", newline="") as corrected,
    ):
        lines = RawLines(stream)
        reader = csv.reader(lines, delimiter=sample.delimiter)
        columns = [column.name for column in sample.columns]
        try:
            for cells in reader:
                first, raw = lines.take()
                values = corrections.get(first)
                if values and first > 1 and len(cells) == len(columns):
                    changed += 1
                    new = [values.get(name, cell) for name, cell in zip(columns, cells, strict=True)]
                    corrected.write(format_unescaped_row(new, delimiter=sample.delimiter, line_end=find_line_end(raw)))
                else:
                    corrected.write(raw)
        except csv.Error as error:
            draft.unlink()
            raise ImportFileError(
                _("Line %(line)d cannot be read: %(reason)s") % {"line": lines.number, "reason": error}
            ) from error
    draft.replace(path)
    return changed


class RawLines:
    """Yields the lines of a text, and remembers those of the current row with the number of the first."""

    def __init__(self, stream: Iterator[str]) -> None:
        self.stream = stream
        self.number = 0
        self.pending: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.stream)
        self.number += 1
        self.pending.append(line)
        return line

    def take(self) -> tuple[int, str]:
        """Return the number of the first line of the row that was read last, and its text."""
        first, raw = self.number - len(self.pending) + 1, "".join(self.pending)
        self.pending = []
        return first, raw


def find_line_end(raw: str) -> str:
    return "\r\n" if raw.endswith("\r\n") else "\n" if raw.endswith("\n") else ""


@contextmanager
def open_decoded(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    with open_text(path, encoding) as stream:
        yield iter(stream)
