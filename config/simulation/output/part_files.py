"""Files of a part: written under another name, and renamed when all of them are complete."""

import gzip
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from config.foundation.files.atomic_write import write_atomically

PARTIAL = ".partial"


class PartFiles:
    """The files of one part. They get their names when the block ends without an error, and a mark with their counts comes last."""

    def __init__(self, folder: Path, part: int) -> None:
        self.folder = folder
        self.name = f"{part:05d}"
        self.streams: dict[Path, BinaryIO] = {}
        self.tables: dict[Path, pq.ParquetWriter] = {}
        self.stack = ExitStack()
        self.counts: dict[str, int] = {}

    @property
    def mark(self) -> Path:
        return self.folder / "parts" / f"{self.name}.json"

    def is_complete(self) -> bool:
        return self.mark.exists()

    def read_counts(self) -> dict[str, int]:
        return dict(json.loads(self.mark.read_text(encoding="utf-8")))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()
        paths = [*self.streams, *self.tables]
        if kind:
            for path in paths:
                path.with_name(path.name + PARTIAL).unlink(missing_ok=True)
            return
        for path in paths:
            path.with_name(path.name + PARTIAL).replace(path)
        self.mark.parent.mkdir(exist_ok=True)
        write_atomically(self.mark, json.dumps(self.counts).encode())

    def count(self, name: str, number: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + int(number)

    def write_lines(
        self, kind: str, suffix: str, lines: pa.Array, *, header: str = "", compressed: bool = True
    ) -> None:
        """Append texts that end in line feeds to the file of the part."""
        path = self.folder / kind / f"{self.name}{suffix}{'.gz' if compressed else ''}"
        if path not in self.streams:
            path.parent.mkdir(exist_ok=True)
            raw: BinaryIO = self.stack.enter_context(path.with_name(path.name + PARTIAL).open("wb"))
            if compressed:
                # without name and time in it, equal content gives equal files
                stream = gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0)
                raw = cast(BinaryIO, self.stack.enter_context(stream))
            self.streams[path] = raw
            self.streams[path].write(header.encode())
        self.streams[path].write(join_texts(lines))
        self.count(kind, len(lines))

    def write_table(self, kind: str, table: pa.Table) -> None:
        path = self.folder / "truth" / kind / f"{self.name}.parquet"
        if path not in self.tables:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path.with_name(path.name + PARTIAL), table.schema, compression="zstd")
            self.tables[path] = self.stack.enter_context(writer)
        self.tables[path].write_table(table)


def join_texts(lines: pa.Array) -> bytes | memoryview:
    """Return the texts of an array one after the other, without a copy if the array has no gaps."""
    if isinstance(lines, pa.ChunkedArray):
        return b"".join(join_texts(chunk) for chunk in lines.chunks)
    if lines.offset or lines.null_count or not len(lines):
        return "".join(lines.to_pylist()).encode()
    _nulls, _offsets, content = lines.buffers()
    return memoryview(content)[: _count_bytes(lines)]


def _count_bytes(lines: pa.Array) -> int:
    width = np.int64 if pa.types.is_large_string(lines.type) else np.int32
    return int(np.frombuffer(lines.buffers()[1], width)[len(lines)])


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write one file; return the number of lines."""
    partial = path.with_name(path.name + PARTIAL)
    number = 0
    with partial.open("w", encoding="utf-8") as stream:
        for line in lines:
            stream.write(line)
            number += 1
    partial.replace(path)
    return number


def delete_simulation(folder: Path, names: Iterable[str]) -> None:
    """Delete what a simulation has written, and nothing else in the folder."""
    for name in names:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None
