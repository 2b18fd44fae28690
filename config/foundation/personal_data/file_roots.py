"""All files of the platform by logical names, and their content in readable form: decompressed, decoded, in blocks."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

BLOCK_BYTES = 8 << 20
GZIP_MAGIC, ZIP_MAGIC, PARQUET_MAGIC, NPY_MAGIC = b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\x93NUMPY"
NUMBER_COLUMN = "customer_id"


def list_file_roots() -> dict[str, Path]:
    """Return the folders that hold files, by logical name; the warehouse and others may be outside the data folder."""
    warehouse = urlsplit(str(settings.WAREHOUSE_URL))
    folders = {
        "warehouse": Path(warehouse.path if warehouse.scheme else str(settings.WAREHOUSE_URL)),
        "models": Path(settings.MODELS_DIR),
        "merchandising": Path(settings.MERCHANDISING_DIR),
        "exports": Path(settings.EXPORTS_DIR),
        "var": Path(settings.VAR_DIR),
    }
    return {name: path.expanduser().resolve() for name, path in folders.items()}


def list_files() -> Iterator[tuple[str, Path]]:
    """Yield the logical name and the path of every file once, such as "exports/imports/errors.csv"."""
    roots = list_file_roots()
    for name, root in roots.items():
        for folder, folders, names in root.walk():
            # a root inside another one is listed under its own name, and so are the files that a backup has links to
            folders[:] = [
                inner
                for inner in folders
                if not _is_other_root(folder / inner, name, roots) and not _is_staging(folder / inner, roots)
            ]
            for file in names:
                path = folder / file
                if path.is_file() and not path.is_symlink():
                    yield f"{name}/{path.relative_to(root).as_posix()}", path


def _is_other_root(folder: Path, name: str, roots: dict[str, Path]) -> bool:
    return any(folder == path for other, path in roots.items() if other != name)


def _is_staging(folder: Path, roots: dict[str, Path]) -> bool:
    """Return whether a running backup has hard links there: what is written to them is written to the files themselves."""
    return folder.parent == roots["var"] / "tmp" and folder.name.startswith("backup-")


def read_blocks(path: Path, *, overlap: int) -> Iterator[bytes]:
    """Yield the content of a file in blocks that overlap; compressed and columnar files are decoded. A file that no longer exists has none."""
    with suppress(FileNotFoundError):
        with path.open("rb") as stream:
            magic = stream.read(8)
        yield from _read_decoded(path, magic, overlap)


def _read_decoded(path: Path, magic: bytes, overlap: int) -> Iterator[bytes]:
    if magic.startswith(PARQUET_MAGIC):
        yield from read_parquet_texts(path)
    elif magic.startswith(GZIP_MAGIC):
        with gzip.open(path) as stream:
            yield from _read_stream(stream, overlap)
    elif magic.startswith(ZIP_MAGIC):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as inner:
                    yield from _read_member(inner.read(), overlap)
    elif magic.startswith(NPY_MAGIC):
        yield from _read_member(path.read_bytes(), overlap)
    else:
        with path.open("rb") as stream:
            yield from _read_stream(stream, overlap)


def _read_member(content: bytes, overlap: int) -> Iterator[bytes]:
    yield from _read_stream(io.BytesIO(content), overlap)
    if content.startswith(NPY_MAGIC):
        with suppress(ValueError):
            array = np.load(io.BytesIO(content), allow_pickle=False)
            if array.dtype.kind == "U":
                yield "\n".join(array.ravel().tolist()).encode()


def _read_stream(stream: BinaryIO | gzip.GzipFile | io.BytesIO, overlap: int) -> Iterator[bytes]:
    tail = b""
    while block := stream.read(BLOCK_BYTES):
        yield tail + block
        tail = (tail + block)[-overlap:] if overlap else b""


def read_parquet_texts(path: Path) -> Iterator[bytes]:
    """Yield the texts of each row group of a Parquet file, one per line, and the customers as "customer_id=12"."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        for name, column in zip(table.schema.names, table.columns, strict=True):
            yield _join_column(name, column)


def _join_column(name: str, column: pa.ChunkedArray) -> bytes:
    if pa.types.is_list(column.type):
        column = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_dictionary(column.type):
        return "\n".join(text for text in column.unique().to_pylist() if text).encode()
    if name.endswith(NUMBER_COLUMN) and pa.types.is_integer(column.type):
        return "\n".join(
            f"{NUMBER_COLUMN}={number}" for number in column.unique().to_pylist() if number is not None
        ).encode()
    return b""
