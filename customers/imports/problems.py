"""Reads the problems of an import from its error file."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.csv_cells import LONG_CELLS, unescape_text
from customers.imports.kinds.base import ImportKind, Text

MAX_SHOWN = 50
MAX_EDITABLE = 200  # rejected rows; with more, the file has to be corrected outside the wizard

GROUP_LABELS: dict[str, Promise] = {
    "required": gettext_lazy("missing"),
    "duplicate": gettext_lazy("occurs more than once"),
    "taken": gettext_lazy("belongs to another customer"),
    "unknown_product": gettext_lazy("not in the catalog"),
    "too_long": gettext_lazy("too long"),
}
INVALID_LABEL = gettext_lazy("not valid")


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
    with LONG_CELLS:  # the file repeats the rejected rows, with cells as long as those of the uploaded file
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
                reason=choose_reason(kind, code, row.get("reason") or ""),
            )


def choose_reason(kind: ImportKind, code: str, stored: str) -> Text:
    """Return the reason in the reader's language, if there is one."""
    text = kind.get_reason(code)
    return text if not stored or (kind.explains_codes and text != code) else stored


def describe_problem_group(kind: ImportKind, code: str) -> Text:
    """Return what the rows with the same problem have in common: the text of a code, or the field and what is wrong with it."""
    text = kind.get_reason(code)
    name, colon, problem = code.partition(": ")
    if text != code or not colon or name not in kind.fields:
        return text
    return _("%(field)s: %(problem)s") % {
        "field": kind.fields[name].label,
        "problem": GROUP_LABELS.get(problem, INVALID_LABEL),
    }


def find_column(name: str, mapping: Mapping[str, Sequence[str]], columns: Sequence[str]) -> str:
    """Return the column of the file that holds a field."""
    assigned = mapping.get(name)
    if assigned:
        return assigned[0]
    return name if name in columns else ""
