"""Opens an order file with the reader for its type."""

from pathlib import Path

from django.utils.translation import gettext as _

from customers.orders.imports.files.csv_rows import CsvRows
from customers.orders.imports.files.parquet_rows import ParquetRows
from customers.orders.imports.files.row_batches import OrderRows, UnreadableOrderFileError

PARQUET_MAGIC = b"PAR1"
ZIP_MAGIC = b"PK\x03\x04"


def open_rows(path: Path, *, encoding: str | None = None) -> OrderRows:
    """Open a CSV or Parquet file.

    Raises:
        UnreadableOrderFileError: the message names the problem and the fix.
    """
    try:
        if path.is_dir():
            raise UnreadableOrderFileError(_("%(path)s is a folder; choose a file.") % {"path": path})
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UnreadableOrderFileError(
            _("%(path)s cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}
        ) from error
    if not head:
        raise UnreadableOrderFileError(_("%(path)s is empty.") % {"path": path})
    if head == PARQUET_MAGIC:
        return ParquetRows(path)
    if head == ZIP_MAGIC:
        raise UnreadableOrderFileError(_("%(path)s is a workbook or a ZIP archive; save it as CSV.") % {"path": path})
    return CsvRows(path, encoding=encoding)
