"""Reads Parquet files of order lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.files.row_batches import MalformedRow, RowBatch, UnreadableOrderFileError

BATCH_ROWS = 131_072


class ParquetRows:
    """The rows of a Parquet file; the line number of a row is its position, counted from 1."""

    def __init__(self, path: Path) -> None:
        try:
            self.file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableOrderFileError(
                _("%(path)s is a damaged or incomplete Parquet file (%(reason)s). Export it again.")
                % {"path": path, "reason": str(error).split("\n")[0]}
            ) from error
        self.name = path.name
        self.columns = list(self.file.schema_arrow.names)
        self.decimal_comma = False
        self.malformed: list[MalformedRow] = []
        if self.file.metadata.num_rows == 0:
            raise UnreadableOrderFileError(_("%(path)s has no rows.") % {"path": path})

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        """Yield all rows with the given columns, or with all."""
        total = self.file.metadata.num_rows
        rows_read = 0
        selected = list(columns) if columns is not None else None
        try:
            for rows in self.file.iter_batches(batch_size=BATCH_ROWS, columns=selected):
                lines = build_integer_array(np.arange(rows_read + 1, rows_read + 1 + rows.num_rows))
                rows_read += rows.num_rows
                yield RowBatch(lines, rows, rows_read, total)
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableOrderFileError(
                _("%(name)s cannot be read after row %(row)d: %(reason)s")
                % {"name": self.name, "row": rows_read, "reason": str(error).split("\n")[0]}
            ) from error
