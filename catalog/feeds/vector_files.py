"""Files of product vectors: Parquet, JSON Lines and NumPy's .npz, read a batch at a time."""

import json
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

BATCH = 1000
COLUMNS = ("product_id", "vector")
ARRAYS = ("ids", "matrix")


class VectorRow(NamedTuple):
    """One product of a file; line counts from 1."""

    line: int
    product_id: Any
    vector: Any


def read_vectors(path: Path) -> tuple[int, Iterator[Sequence[VectorRow]]]:
    """How many rows a file has, and its rows in batches. Errors: FeedError, also while they are read."""
    readers = {".parquet": read_parquet, ".jsonl": read_json_lines, ".ndjson": read_json_lines, ".npz": read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FeedError(
            _("%(file)s: vectors are read from .parquet, .jsonl and .npz files; name it by what it is.")
            % {"file": path.name}
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
        raise FeedError(_("%(file)s is no Parquet file: %(reason)s") % {"file": path.name, "reason": error}) from error
    missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
    if missing:
        raise build_missing_columns_error(path, missing, COLUMNS)

    def batches() -> Iterator[Sequence[VectorRow]]:
        line = 0
        for batch in file.iter_batches(BATCH, columns=list(COLUMNS)):
            ids, vectors = batch["product_id"].to_pylist(), batch["vector"].to_pylist()
            yield [VectorRow(line + place, *pair) for place, pair in enumerate(zip(ids, vectors, strict=True), start=1)]
            line += len(ids)

    return file.metadata.num_rows, batches()


def read_json_lines(path: Path) -> tuple[int, Iterator[Sequence[VectorRow]]]:
    with path.open(encoding="utf-8", errors="strict") as stream:
        try:
            total = sum(1 for text in iterate_bounded_lines(stream) if text.strip())
        except UnicodeDecodeError as error:
            raise FeedError(_("%(file)s is not UTF-8: %(reason)s") % {"file": path.name, "reason": error}) from error

    def rows() -> Iterator[VectorRow]:
        with path.open(encoding="utf-8-sig") as stream:
            for line, text in enumerate(iterate_bounded_lines(stream), start=1):
                if text.strip():
                    yield parse_json_line(line, text)

    return total, batched(rows(), BATCH)


def parse_json_line(line: int, text: str) -> VectorRow:
    """What is no object has neither id nor vector, which is what its problems then say."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return VectorRow(line, None, text)
    return (
        VectorRow(line, found.get("product_id"), found.get("vector"))
        if isinstance(found, dict)
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
            _("%(file)s is no .npz file of plain arrays: %(reason)s") % {"file": path.name, "reason": error}
        ) from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or ids.shape != matrix.shape[:1]:
        raise FeedError(
            _("%(file)s: ids has the shape %(ids)s and matrix %(matrix)s; give one row of numbers for each id.")
            % {"file": path.name, "ids": ids.shape, "matrix": matrix.shape}
        )
    rows = (VectorRow(line, str(one), matrix[line - 1]) for line, one in enumerate(ids.tolist(), start=1))
    return len(ids), batched(rows, BATCH)


def build_missing_columns_error(path: Path, missing: Sequence[str], wanted: Sequence[str]) -> FeedError:
    return FeedError(
        _("%(file)s has no %(missing)s; it must have %(wanted)s.")
        % {"file": path.name, "missing": ", ".join(missing), "wanted": ", ".join(wanted)}
    )
