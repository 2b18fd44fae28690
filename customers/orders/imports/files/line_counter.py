"""Finds the line of the text on which each row of a CSV file begins."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from config.foundation.array_types import Ints
from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.files.row_batches import MalformedRow


@dataclass
class LineCounter:
    """Numbers the lines of rows that may contain line breaks, while malformed rows are skipped.

    Arrow numbers rows, not lines of text, and reports a malformed row before it returns the batch around it. So the counter
    remembers the malformed rows and takes them into account when it reaches their position.

    Attributes:
        row_number: Arrow's number of the last row that was counted; the header is row 1.
        extra_lines: line breaks inside the values so far, which make the line number larger than the row number.
        last_line: the line on which the last row began.
        pending: reported malformed rows that have not been reached yet: row number, text, expected and actual columns.
        finished: malformed rows with their line numbers.
    """

    row_number: int = 1
    extra_lines: int = 0
    last_line: int = 1
    pending: list[tuple[int, str, int, int]] = field(default_factory=list)
    finished: list[MalformedRow] = field(default_factory=list)

    def record_malformed(self, row: pacsv.InvalidRow) -> str:
        """Remember a malformed row; Arrow's handler for invalid rows."""
        self.pending.append((row.number, row.text, row.expected_columns, row.actual_columns))
        return "skip"

    def number_rows(self, rows: pa.RecordBatch) -> pa.Array:
        """Return the line on which each row of the next batch begins."""
        breaks = count_line_breaks(rows)
        lines = np.empty(rows.num_rows, dtype=np.int64)
        start = 0
        while start < rows.num_rows:
            stop = rows.num_rows
            if self.pending:
                # number the rows up to the next malformed one
                stop = min(stop, start + max(0, self.pending[0][0] - self.row_number - 1))
            if stop == start:
                self._finish_malformed()
                continue
            breaks_before = np.concatenate(([0], np.cumsum(breaks[start:stop])))
            lines[start:stop] = self.row_number + 1 + np.arange(stop - start) + self.extra_lines + breaks_before[:-1]
            self.row_number += stop - start
            self.extra_lines += int(breaks_before[-1])
            start = stop
        if rows.num_rows:
            self.last_line = int(lines[-1])
        return build_integer_array(lines)

    def finish(self) -> list[MalformedRow]:
        """Return all malformed rows, after the last batch."""
        while self.pending:
            self._finish_malformed()
        return self.finished

    def _finish_malformed(self) -> None:
        number, text, expected, actual = self.pending.pop(0)
        self.finished.append(MalformedRow(number + self.extra_lines, text, expected, actual))
        self.extra_lines += text.count("\n")
        self.row_number = number


def count_line_breaks(rows: pa.RecordBatch) -> Ints:
    """Return the number of line breaks in the values of each row."""
    breaks = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        # one search through all bytes of a column is much cheaper than one count per value
        data = column.buffers()[2]
        if data is not None and (np.frombuffer(data, dtype=np.uint8) == ord("\n")).any():
            breaks += pc.count_substring(column, "\n").to_numpy(zero_copy_only=False)
    return breaks
