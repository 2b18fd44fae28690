"""CSV and TSV files with a header row."""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem
from catalog.feeds.feed_file import FeedError, detect_delimiter, iterate_bounded_lines
from catalog.feeds.row_mapping import FIELD_NAMES, FeedRow, normalize_name


def read_delimited(stream: TextIO, check: Callable[[list[str]], None] | None = None) -> Iterator[FeedRow]:
    """Yield the rows of a file.

    The header determines the delimiter; ``line`` is the line where a row begins.

    Args:
        check: raises FeedError for wrong columns; by default the product id and the title are required.

    Raises:
        FeedError: a column occurs twice, or ``check`` rejects the columns.
    """
    lines = iterate_bounded_lines(stream)
    header_line, header = next(((n, line) for n, line in enumerate(lines, 1) if line.strip("\ufeff \t\r\n")), (1, ""))
    delimiter = detect_delimiter(header)
    columns = parse_header(header, delimiter)
    (check or check_product_columns)(columns)
    # Google's TSV files contain unbalanced quotation marks, which the strict mode rejects
    reader = csv.reader(lines, delimiter=delimiter, strict=delimiter != "\t")
    while True:
        line = header_line + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = _("The row cannot be read: %(reason)s.") % {"reason": error}
            yield build_unreadable_row(line, header_line + reader.line_num, message)
            continue
        if any(cell.strip() for cell in cells):
            yield build_row(columns, cells, line, header_line + reader.line_num)


def parse_header(header: str, delimiter: str) -> list[str]:
    """Return the normalized column names. Raises FeedError if a name occurs twice."""
    try:
        columns = [normalize_name(name) for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        raise FeedError(_("The header row cannot be read: %(reason)s.") % {"reason": error}) from error
    duplicates = sorted({name for name in columns if name and columns.count(name) > 1})
    if duplicates:
        raise FeedError(
            _("Duplicate columns: %(names)s. Give each column its own name.") % {"names": ", ".join(duplicates)}
        )
    return columns


def check_product_columns(columns: list[str]) -> None:
    for field in ("product_id", "title"):
        require_column(columns, field, FIELD_NAMES[field])


def require_column(columns: list[str], field: str, names: Sequence[str]) -> None:
    if not set(names) & set(columns):
        raise FeedError(
            _("Missing column for %(field)s; valid names: %(names)s. Columns in the file: %(found)s.")
            % {"field": field, "names": ", ".join(names), "found": ", ".join(name for name in columns if name) or "–"}
        )


def build_row(columns: list[str], cells: list[str], line: int, last_line: int) -> FeedRow:
    """Return the row with its cells by column; empty cells beyond the last column are ignored."""
    while len(cells) > len(columns) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(columns):
        message = _("The row has %(cells)d cells, but the header has %(columns)d.") % {
            "cells": len(cells),
            "columns": len(columns),
        }
        return build_unreadable_row(line, last_line, message)
    return FeedRow(line, {name: cell for name, cell in zip(columns, cells, strict=True) if name})


def build_unreadable_row(line: int, last_line: int, message: str) -> FeedRow:
    if last_line > line:
        message += " " + _(
            "Lines %(first)d to %(last)d were read as one row; check for an unclosed quotation mark."
        ) % {
            "first": line,
            "last": last_line,
        }
    return FeedRow(line, problem=FieldProblem("row", "unreadable", message))
