"""Every CSV file of the project has cells that no spreadsheet runs as formulas, and that read back as they were."""

import ast
import csv
from io import StringIO
from pathlib import Path

import pytest
from django.contrib import admin
from import_export.formats.base_formats import CSV, TSV
from import_export.mixins import BaseExportMixin
from tablib import Dataset

import config
from catalog.bulk_results import FieldProblem
from catalog.feeds.error_file import ErrorFile
from config.foundation.admin.table_formats import TABLE_FORMATS, EscapedCsv, EscapedTsv
from config.foundation.csv_cells import (
    ENCODING_MARK,
    PLAIN_NUMBER,
    CsvWriter,
    escape_text,
    format_csv,
    is_formula,
    unescape_text,
)
from customers.events.imports.file_import import EventErrorFile, LineProblem
from recommendations.serving.batch.batch_export import ExportLine, join_csv, write_csv

PROJECT = Path(config.__file__).parents[1]
PACKAGES = ("config", "catalog", "customers", "recommendations")
# Arrow writes the rows of an import for COPY, which PostgreSQL reads at once
EXEMPT = {"config/foundation/csv_cells.py", "customers/orders/imports/arrow_copy.py"}
WRITERS = {"writer", "DictWriter", "write_csv", "to_csv", "CSVWriter"}
FORMULAS = (
    '=HYPERLINK("http://evil.example";"x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
)
PLAIN_TEXTS = ("-5", "+12.5", "tea", "", "it's", "'quoted'", "a=b", "5-3", "13800138000")


def read_cells(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter))


def assert_is_safe(rows: list[list[str]]) -> None:
    """Check that the file contains the formulas, all as text."""
    cells = [cell for row in rows for cell in row]
    assert not any(
        is_formula(cell) and not cell.startswith("'") and PLAIN_NUMBER.fullmatch(cell) is None for cell in cells
    )
    assert set(FORMULAS) <= {unescape_text(cell) for cell in cells}


def list_violations() -> list[str]:
    """Return the places outside this module's subject that write CSV by themselves."""
    places = []
    for path in (path for package in PACKAGES for path in sorted((PROJECT / package).rglob("*.py"))):
        name = path.relative_to(PROJECT).as_posix()
        if name in EXEMPT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_writer = isinstance(node, ast.Attribute) and node.attr in WRITERS
            if is_writer and isinstance(node.value, ast.Name) and node.value.id in ("csv", "pacsv", "pd", "frame"):  # type: ignore[attr-defined]
                places.append(f"{name}:{node.lineno}")
            if isinstance(node, ast.ImportFrom) and node.module in ("csv", "pyarrow.csv"):
                places += [f"{name}:{node.lineno}" for alias in node.names if alias.name in WRITERS]
    return places


def test_only_csv_cells_writes_csv() -> None:
    assert list_violations() == []


def test_every_export_of_the_back_office_escapes_its_cells() -> None:
    exporting = [model for model in admin.site._registry.values() if isinstance(model, BaseExportMixin)]
    assert len(exporting) >= 2
    for model_admin in exporting:
        assert model_admin.formats == TABLE_FORMATS
    assert not {CSV, TSV} & set(TABLE_FORMATS)


@pytest.mark.parametrize("text", [*FORMULAS, *(f"'{text}" for text in FORMULAS), *PLAIN_TEXTS, "'-5", "''=1"])
def test_text_reads_back_as_it_was(text: str) -> None:
    escaped = escape_text(text)
    assert unescape_text(escaped) == text
    assert text in PLAIN_TEXTS or escaped == f"'{text}"


def test_writers_escape_every_cell() -> None:
    stream = StringIO()
    CsvWriter(stream).write_rows([FORMULAS, PLAIN_TEXTS, [None, 5, -1.5]])
    rows = read_cells(stream.getvalue())
    assert_is_safe(rows)
    assert rows[1:] == [list(PLAIN_TEXTS), ["", "5", "-1.5"]]
    assert_is_safe(read_cells(format_csv([FORMULAS])))


def test_error_file_of_a_feed_is_safe(tmp_path: Path) -> None:
    with ErrorFile(tmp_path / "errors.csv") as errors:
        errors.write(2, [FieldProblem(text, text, text, text) for text in FORMULAS])
    with (tmp_path / "errors.csv").open(encoding="utf-8-sig", newline="") as file:
        assert_is_safe(list(csv.reader(file)))


def test_error_file_of_events_is_safe(tmp_path: Path) -> None:
    with EventErrorFile(tmp_path / "errors.csv") as errors:
        errors.write([LineProblem(1, text, text) for text in FORMULAS])
    with (tmp_path / "errors.csv").open(encoding="utf-8-sig", newline="") as file:
        assert_is_safe(list(csv.reader(file)))


def test_export_of_recommendations_is_safe_and_reads_back(tmp_path: Path) -> None:
    products = [*FORMULAS, "-5", "tea"]
    for name in "12":
        write_csv(tmp_path / name, [ExportLine(f"={name}", "model", products, [0.5] * len(products))])
    assert join_csv(tmp_path / "whole", [tmp_path / "1", tmp_path / "2"]) == (2, 2 * len(products))
    with (tmp_path / "whole").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert_is_safe(rows)
    assert rows[-2][2] == "-5"
    assert [unescape_text(row[2]) for row in rows[1:]] == products * 2
    assert {unescape_text(row[0]) for row in rows[1:]} == {"=1", "=2"}


@pytest.mark.parametrize(("table_format", "delimiter"), [(EscapedCsv(), ","), (EscapedTsv(), "\t")])
def test_table_of_the_back_office_is_safe_and_can_be_imported(table_format: EscapedCsv, delimiter: str) -> None:
    table = Dataset(*[[text, "-5"] for text in FORMULAS], headers=["title", "product_id"])
    exported = table_format.export_data(table)
    assert exported.startswith(ENCODING_MARK)
    assert_is_safe(read_cells(exported.removeprefix(ENCODING_MARK), delimiter))
    assert list(table_format.create_dataset(exported)) == list(table)
    assert table_format.create_dataset(exported).headers == table.headers
    assert table_format.get_content_type().endswith("; charset=utf-8")
    assert list(type(table_format)("utf-8-sig").create_dataset(exported.encode())) == list(table)
