"""The CSV file of the rows that an import rejected: line, field, value and reason."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from catalog.bulk_results import FieldProblem
from config.foundation.csv_cells import CsvWriter
from config.foundation.files.private_files import make_private_folder
from config.foundation.files.write_errors import name_written_file


class ErrorFile:
    """A CSV file that is created with its first row.

    A byte order mark makes spreadsheets read it as UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stream is not None:
            with name_written_file(self.path):
                self.stream.close()

    @property
    def exists(self) -> bool:
        return self.stream is not None

    def write(self, line: int, problems: Iterable[FieldProblem]) -> None:
        if self.stream is None:
            make_private_folder(self.path.parent)
            self.stream = self.path.open("w", encoding="utf-8-sig", newline="")
            CsvWriter(self.stream).write_row(["line", "field", "value", "problem", "reason"])
        with name_written_file(self.path):
            CsvWriter(self.stream).write_rows(
                [line, problem.field, str(problem.value), problem.code, str(problem.message)] for problem in problems
            )
