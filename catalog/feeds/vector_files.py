"""Files of product vectors in Parquet, JSON Lines or NumPy's .npz format, read in batches."""

import zipfile
from collections.abc import Iterator, Sequence
from itertools import batched
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from catalog.feeds.feed_file import FeedError, iterate_bounded_lines
from config.foundation.json_nesting import load_json

BATCH = 1000
COLUMNS = ("product_id", "vector")
ARRAYS = ("ids", "matrix")


class VectorRow(NamedTuple):
    """One product of a file; ``line`` counts from 1."""

    line: int
    product_id: Any
    vector: Any


def read_vectors(path: Path) -> tuple[int, Iterator[Sequence[VectorRow]]]:
    """Return the number of rows and the rows in batches.

    Errors: FeedError, also during iteration.
    """
    readers = {".parquet": read_parquet, ".jsonl": read_json_lines, ".ndjson": read_json_lines, ".npz": read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FeedError(
            _("%(file)s has an unknown file extension; use .parquet, .jsonl or .npz.") % {"file": path.name}
        )
    try:
        return reader(path)
    except OSError as error:
        raise FeedError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror or error}
        ) from error


def read_parquet(path: Path) -> tuple[int, Iterator[Sequence[VectorRow]]]:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise FeedError(
            _("%(file)s is not a valid Parquet file: %(reason)s") % {"file": path.name, "reason": error}
        ) from error
    missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
    if missing:
        raise build_missing_columns_error(path, missing, COLUMNS)

    def iterate_batches() -> Iterator[Sequence[VectorRow]]:
        line = 0
        for batch in file.iter_batches(BATCH, columns=list(COLUMNS)):
            ids, vectors = batch["product_id"].to_pylist(), batch["vector"].to_pylist()
            yield [
                VectorRow(line + number, *pair) for number, pair in enumerate(zip(ids, vectors, strict=True), start=1)
            ]
            line += len(ids)

    return file.metadata.num_rows, iterate_batches()


def read_json_lines(path: Path) -> tuple[int, Iterator[Sequence[VectorRow]]]:
    with path.open(encoding="utf-8", errors="strict") as stream:
        try:
            total = sum(1 for text in iterate_bounded_lines(stream) if text.strip())
        except UnicodeDecodeError as error:
            raise FeedError(_("%(file)s is not UTF-8: %(reason)s") % {"file": path.name, "reason": error}) from error

    def iterate_rows() -> Iterator[VectorRow]:
        with path.open(encoding="utf-8-sig") as stream:
            for line, text in enumerate(iterate_bounded_lines(stream), start=1):
                if text.strip():
                    yield parse_json_line(line, text)

    return total, batched(iterate_rows(), BATCH)


def parse_json_line(line: int, text: str) -> VectorRow:
    """Return the row of a line.

    A line that is not an object has no id, which later becomes its problem.
    """
    try:
        item = load_json(text)
    except ValueError:
        return VectorRow(line, None, text)
    return (
        VectorRow(line, item.get("product_id"), item.get("vector"))
        if isinstance(item, dict)
        else VectorRow(line, None, text)
    )


def read_npz(path: Path) -> tuple[int, Iterator[Sequence[VectorRow]]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ARRAYS if name not in arrays]
            if missing:
                raise build_missing_columns_error(path, missing, ARRAYS)
            ids, matrix = arrays["ids"], arrays["matrix"]
    except (ValueError, zipfile.BadZipFile) as error:
        raise FeedError(
            _("%(file)s is not an .npz file of plain arrays: %(reason)s") % {"file": path.name, "reason": error}
        ) from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or ids.shape != matrix.shape[:1]:
        raise FeedError(
            _("%(file)s: ids has shape %(ids)s and matrix has shape %(matrix)s; matrix must have one row per ID.")
            % {"file": path.name, "ids": ids.shape, "matrix": matrix.shape}
        )
    rows = (VectorRow(line, str(product_id), matrix[line - 1]) for line, product_id in enumerate(ids.tolist(), start=1))
    return len(ids), batched(rows, BATCH)


def build_missing_columns_error(path: Path, missing: Sequence[str], required: Sequence[str]) -> FeedError:
    return FeedError(
        _("%(file)s is missing %(missing)s; required: %(wanted)s.")
        % {"file": path.name, "missing": ", ".join(missing), "wanted": ", ".join(required)}
    )
