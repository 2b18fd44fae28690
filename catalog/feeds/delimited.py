"""CSV and TSV with a line of column names."""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from django.utils.translation import gettext as _

from catalog.bulk_results import Problem
from catalog.feeds.feed_file import FeedError, bounded_lines, guess_delimiter
from catalog.feeds.row_mapping import NAMES, Row, normalise_name


def read_delimited(stream: TextIO, check: Callable[[list[str]], None] | None = None) -> Iterator[Row]:
    """The rows of a file whose separator its first line shows; ``line`` is where a row begins.

    Args:
        check: refuses wrong column names; without it they must name the id and the title of a product.

    Raises:
        FeedError: the column names are doubled, or ``check`` refuses them.
    """
    lines = bounded_lines(stream)
    above, header = next(((n, line) for n, line in enumerate(lines, 1) if line.strip("\ufeff \t\r\n")), (1, ""))
    delimiter = guess_delimiter(header)
    columns = read_columns(header, delimiter)
    (check or check_product_columns)(columns)
    reader = csv.reader(lines, delimiter=delimiter, strict=delimiter != "\t")
    while True:
        line = above + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield unreadable(line, above + reader.line_num, _("Cannot be read: %(reason)s.") % {"reason": error})
            continue
        if any(cell.strip() for cell in cells):
            yield build_row(columns, cells, line, above + reader.line_num)


def read_columns(header: str, delimiter: str) -> list[str]:
    try:
        columns = [normalise_name(name) for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        raise FeedError(_("The line of column names cannot be read: %(reason)s.") % {"reason": error}) from error
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise FeedError(_("These columns occur twice: %(names)s.") % {"names": ", ".join(doubled)})
    return columns


def check_product_columns(columns: list[str]) -> None:
    for field in ("product_id", "title"):
        require_column(columns, field, NAMES[field])


def require_column(columns: list[str], field: str, names: Sequence[str]) -> None:
    if not set(names) & set(columns):
        raise FeedError(
            _("There is no column for %(field)s: name it one of %(names)s. Columns found: %(found)s.")
            % {"field": field, "names": ", ".join(names), "found": ", ".join(name for name in columns if name) or "–"}
        )


def build_row(columns: list[str], cells: list[str], line: int, last_line: int) -> Row:
    while len(cells) > len(columns) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(columns):
        message = _("Has %(cells)d cells, the line of column names has %(columns)d.") % {
            "cells": len(cells),
            "columns": len(columns),
        }
        return unreadable(line, last_line, message)
    return Row(line, {name: cell for name, cell in zip(columns, cells, strict=True) if name})


def unreadable(line: int, last_line: int, message: str) -> Row:
    if last_line > line:
        message += " " + _("Lines %(first)d to %(last)d were read as one row: is a quotation mark not closed?") % {
            "first": line,
            "last": last_line,
        }
    return Row(line, problem=Problem("row", "unreadable", message))
