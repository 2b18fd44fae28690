"""Files with any compression are read; errors name the file and the fix."""

import bz2
import gzip
import io
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from customers.events.imports.line_reader import FileLine, UnreadableEventFileError, open_lines

TEXT = b'{"a":1}\n\n  {"b":2}\r\n{"c":3}'
LINES = [FileLine(1, b'{"a":1}'), FileLine(3, b'{"b":2}'), FileLine(4, b'{"c":3}')]


def read_lines(path: Path, max_bytes: int = 1000) -> list[FileLine]:
    with open_lines(path) as file:
        return list(file.iterate_lines(max_bytes))


def write_file(folder: Path, data: bytes, name: str = "events.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
        pa.compress(TEXT, "zstd", asbytes=True),
        bz2.compress(TEXT),
    ],
    ids=["plain", "with a mark", "gzip", "gzip of two members", "zstd", "bzip2"],
)
def test_lines_keep_their_numbers_and_blank_lines_are_skipped(tmp_path: Path, data: bytes) -> None:
    assert read_lines(write_file(tmp_path, data)) == LINES


def test_compression_is_detected_from_the_content_and_not_from_the_name(tmp_path: Path) -> None:
    assert read_lines(write_file(tmp_path, TEXT, "events.jsonl.gz")) == LINES


def test_line_that_is_too_long_is_skipped_without_loading_it(tmp_path: Path) -> None:
    long, longest = b"x" * 5_000_000, b"y" * 100
    path = write_file(tmp_path, b"a\n" + long + b"\n" + longest + b"\r\n" + longest + b"z\n" + long)
    assert read_lines(path, max_bytes=100) == [
        FileLine(1, b"a"),
        FileLine(2, b"", oversize=True),
        FileLine(3, longest),
        FileLine(4, b"", oversize=True),
        FileLine(5, b"", oversize=True),
    ]


def test_position_counts_compressed_bytes(tmp_path: Path) -> None:
    path = write_file(tmp_path, gzip.compress((TEXT + b"\n") * 1000))
    with open_lines(path) as file:
        assert sum(1 for _line in file.iterate_lines(100)) == 3000
        assert file.position == file.size == path.stat().st_size


def test_standard_input_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TEXT))))
    with open_lines(Path("-")) as file:
        assert file.size == 0
        assert list(file.iterate_lines(100)) == LINES


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "events.jsonl is empty"),
        (b"\xef\xbb\xbf \r\n\n", "events.jsonl is empty"),
        (gzip.compress(b""), "events.jsonl is empty"),
        ('{"a":1}\n'.encode("utf-16"), "is not UTF-8 text.*iconv"),
        ('{"a":1}\n'.encode("utf-16-le"), "is not UTF-8 text.*iconv"),
        (b"PK\x03\x04rest", "is a zip file"),
        (b"PAR1rest", "is a Parquet file"),
        (b"\xfd7zXZ\x00rest", "is a xz file"),
        (gzip.compress(TEXT)[:-9], "is truncated or damaged: .*Get the file again"),
        (b"\x1f\x8b\x08\x00rubbish in place of data", "is truncated or damaged"),
    ],
    # with ids, because gzip writes the time of compression into the bytes and xdist's workers must agree on the test ids
    ids=[
        "nothing",
        "blank lines",
        "nothing, packed",
        "UTF-16 with a mark",
        "UTF-16",
        "zip",
        "Parquet",
        "xz",
        "gzip cut off",
        "gzip's first bytes only",
    ],
)
def test_file_without_lines_is_named_in_the_error(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UnreadableEventFileError, match=message):
        read_lines(write_file(tmp_path, data))


def test_missing_files_and_folders_are_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableEventFileError, match=r"nowhere\.log cannot be opened: No such file"):
        read_lines(tmp_path / "nowhere.log")
    with pytest.raises(UnreadableEventFileError, match="cannot be opened: Is a directory"):
        read_lines(tmp_path)
