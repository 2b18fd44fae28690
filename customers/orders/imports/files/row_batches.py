"""What every reader of an order file returns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

# the first columns of an error file; in a file that has them, cells are escaped
ERROR_COLUMNS = ("line", "field", "value", "code", "reason")
NO_VALUES = ["", "0", "NULL"]


class UnreadableOrderFileError(Exception):
    """The file as a whole cannot be read.

    It is missing, empty, of an unknown encoding, or neither CSV nor Parquet.
    """


@dataclass(frozen=True)
class MalformedRow:
    """A line of a CSV file with too few or too many values."""

    line: int
    text: str
    expected_columns: int
    actual_columns: int


@dataclass(frozen=True)
class RowBatch:
    """Some rows of a file.

    Attributes:
        lines: the number of the line on which each row begins.
        rows: the values.
        rows_read: the number of rows read so far, with this batch.
        total_rows: the number of rows of the file, estimated for CSV.
    """

    lines: pa.Array
    rows: pa.RecordBatch
    rows_read: int
    total_rows: int


def leave_out_rows(batch: RowBatch, columns: Sequence[str]) -> RowBatch:
    """Return the rows that have no value in any of the columns; 0 and NULL count as no value."""
    kept: pa.Array | None = None
    for column in columns:
        texts = pc.utf8_upper(pc.utf8_trim_whitespace(pc.cast(batch.rows[column], pa.string())))
        is_empty = pc.is_in(pc.fill_null(texts, ""), value_set=pa.array(NO_VALUES))
        kept = is_empty if kept is None else pc.and_(kept, is_empty)
    return batch if kept is None else replace(batch, lines=batch.lines.filter(kept), rows=batch.rows.filter(kept))


class OrderRows(Protocol):
    """The rows of a file, which can be read more than once."""

    name: str
    columns: list[str]
    decimal_comma: bool
    malformed: list[MalformedRow]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        """Yield all rows with the given columns, or with all.

        Fills ``malformed`` with the rows left out.
        """
        ...
