"""Reads the problems of an import from its error file."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from config.foundation.csv_cells import unescape_text
from customers.imports.kinds.base import ImportKind, Text

MAX_SHOWN = 50
MAX_EDITABLE = 200  # rejected rows; with more, the file has to be corrected with other means


@dataclass(frozen=True)
class RowProblem:
    """A problem of one row.

    Attributes:
        column: the column of the file; empty if the problem is not one of a single value.
        key: the name of the input in which the value can be edited.
    """

    line: int
    field: str
    column: str
    value: str
    reason: Text

    @property
    def key(self) -> str:
        return f"fix-{self.line}-{self.column}" if self.column else ""


def read_problems(
    path: Path,
    *,
    kind: ImportKind,
    mapping: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    limit: int = MAX_SHOWN,
) -> list[RowProblem]:
    """Return the first problems of an error file, in the order of the file."""
    if not path.is_file():
        return []
    return list(islice(iterate_problems(path, kind=kind, mapping=mapping, columns=columns), limit))


def iterate_problems(
    path: Path, *, kind: ImportKind, mapping: Mapping[str, Sequence[str]], columns: Sequence[str]
) -> Iterator[RowProblem]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream, restkey="rest"):
            code = row.get("code") or row.get("problem") or ""
            name = row.get("field") or ""
            column = find_column(name, mapping, columns)
            yield RowProblem(
                line=int(row["line"] or 0),
                field=name,
                column=column,
                value=unescape_text(row.get("value") or ""),
                reason=row.get("reason") or kind.get_reason(code),
            )


def find_column(name: str, mapping: Mapping[str, Sequence[str]], columns: Sequence[str]) -> str:
    """Return the column of the file that holds a field."""
    assigned = mapping.get(name)
    if assigned:
        return assigned[0]
    return name if name in columns else ""
