"""Writes the error file of an import: the rejected rows with their lines and reasons.

The file can be corrected and imported: its cells are escaped for spreadsheets, and importing such a file removes the escaping.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from config.foundation.csv_cells import CsvWriter
from config.foundation.files.private_files import make_private_folder
from config.foundation.files.write_errors import name_written_file
from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.column_mapping import ColumnMapping
from customers.orders.imports.files.row_batches import ERROR_COLUMNS, OrderRows
from customers.orders.imports.staging import Staging
from customers.orders.order_rules import REASONS, TEXT_LENGTHS

WRONG_COLUMN_COUNT = "wrong_column_count"
# a longer value is too long for any field; the columns of the row have it complete
MAX_SHOWN_VALUE = max(TEXT_LENGTHS.values())


def write_rejected_rows(*, path: Path, rows: OrderRows, mapping: ColumnMapping, staging: Staging) -> None:
    """Write the error file: line, field, value, code and reason, then the columns of the row.

    The file appears under its name only when it is complete.
    """
    draft = path.with_name(f"{path.name}.part")
    make_private_folder(path.parent)
    with name_written_file(draft), draft.open("w", newline="", encoding="utf-8") as file:
        writer = CsvWriter(file)
        writer.write_row([*ERROR_COLUMNS, *rows.columns])
        malformed = list(rows.malformed)  # reading the file again replaces the list
        writer.write_rows(read_rejected_rows(rows, mapping, staging))
        for row in malformed:
            counts = f"{row.actual_columns} ≠ {row.expected_columns}"
            writer.write_row([row.line, "", counts, WRONG_COLUMN_COUNT, str(REASONS[WRONG_COLUMN_COUNT]), row.text])
    draft.replace(path)


def read_rejected_rows(rows: OrderRows, mapping: ColumnMapping, staging: Staging) -> Iterator[list[Any]]:
    """Read the file again, up to the last rejected row, and yield the rejected rows."""
    rejected = staging.connection.sql(
        "SELECT line, problem FROM lines WHERE problem IS NOT NULL ORDER BY line"
    ).to_arrow_table()
    lines = rejected["line"].to_numpy()
    problems = rejected["problem"]
    start = 0
    for batch in rows.batches():
        if start >= len(lines) or not batch.rows.num_rows:
            break
        # both lists of lines are sorted, so the rejected rows of a batch are a contiguous range
        stop = int(np.searchsorted(lines, batch.lines[-1].as_py(), side="right"))
        positions = np.searchsorted(batch.lines.to_numpy(), lines[start:stop])
        for raw, problem in zip(
            batch.rows.take(build_integer_array(positions)).to_pylist(), problems[start:stop].to_pylist(), strict=True
        ):
            code, _colon, name = problem.partition(":")
            value = next((raw[column] for column in mapping.columns.get(name, ()) if raw[column] not in (None, "")), "")
            shown = value[:MAX_SHOWN_VALUE] if isinstance(value, str) else value
            yield [int(lines[start]), name, shown, code, str(REASONS[code]), *raw.values()]
            start += 1
