"""Formats of imports and exports in the back office, with cells that no spreadsheet runs as formulas."""

from typing import Any

from import_export.formats.base_formats import CSV, DEFAULT_FORMATS, TSV
from tablib import Dataset

from config.foundation.csv_cells import ENCODING_MARK, escape_text, unescape_text


class EscapedCells:
    """Escapes the texts of an export, and restores the original texts on import."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> Dataset:
        return map_texts(super().create_dataset(in_stream, **kwargs), unescape_text)  # type: ignore[misc]

    def export_data(self, dataset: Dataset, **kwargs: Any) -> Any:
        return super().export_data(map_texts(dataset, escape_text), **kwargs)  # type: ignore[misc]


class MarkedText(EscapedCells):
    """A text format that starts with the mark without which spreadsheets do not read it as UTF-8; an import ignores the mark."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> Dataset:
        text = in_stream.removeprefix(ENCODING_MARK) if isinstance(in_stream, str) else in_stream
        return super().create_dataset(text, **kwargs)

    def export_data(self, dataset: Dataset, **kwargs: Any) -> Any:
        return f"{ENCODING_MARK}{super().export_data(dataset, **kwargs)}"


class EscapedCsv(MarkedText, CSV):
    """CSV."""

    CONTENT_TYPE = "text/csv; charset=utf-8"


class EscapedTsv(MarkedText, TSV):
    """Values separated by tabs."""

    CONTENT_TYPE = "text/tab-separated-values; charset=utf-8"


def map_texts(dataset: Dataset, change: Any) -> Dataset:
    """Return a copy of a table with its texts changed."""
    rows = [[change(cell) if isinstance(cell, str) else cell for cell in row] for row in dataset]
    return Dataset(*rows, headers=dataset.headers, title=dataset.title)


TABLE_FORMATS = [EscapedCsv, EscapedTsv, *(other for other in DEFAULT_FORMATS if other not in (CSV, TSV))]
