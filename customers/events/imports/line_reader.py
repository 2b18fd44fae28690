"""Reads lines of a file that may be compressed, in constant memory, and reports the position."""

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from django.utils.translation import gettext as _

from config.foundation.files.unpacked_size import find_codec

UNSUPPORTED_FORMATS = {
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"PAR1": "Parquet",
    b"SQLite": "SQLite",
    b"%PDF": "PDF",
    b"7z\xbc\xaf": "7z",
}
UTF16_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
BOM = b"\xef\xbb\xbf"
MAX_HEAD = 1 << 16
STANDARD_INPUT = Path("-")


class UnreadableEventFileError(Exception):
    """The file is missing, empty, damaged, or in an unsupported format."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line without its line break, numbered from 1; an ``oversize`` line has no text."""

    number: int
    text: bytes
    oversize: bool = False


class LineFile:
    """A file opened for one pass; ``position`` of ``size`` bytes are read (size is 0 if it is unknown)."""

    def __init__(self, raw: BinaryIO, *, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._counter = CountingReader(raw)
        self._stream = io.BufferedReader(self._open_decompressed(), 1 << 18)
        self.head = self._read_head()

    @property
    def position(self) -> int:
        return self._counter.position

    def _open_decompressed(self) -> Any:
        buffered = io.BufferedReader(self._counter, 1 << 18)
        start = buffered.peek(8)[:8]
        for magic, kind in UNSUPPORTED_FORMATS.items():
            if start.startswith(magic):
                raise UnreadableEventFileError(
                    _("%(file)s is a %(kind)s file; use plain text, optionally compressed with gzip, zstd or bzip2.")
                    % {"file": self.name, "kind": kind}
                )
        codec = find_codec(start)
        return buffered if codec is None else pa.CompressedInputStream(pa.PythonFile(buffered, mode="r"), codec)

    def _read_head(self) -> bytes:
        """Return the beginning after decompression, without a byte order mark."""
        with self._convert_errors():
            start = self._stream.peek(MAX_HEAD)[:MAX_HEAD]
            if start.startswith(BOM):
                self._stream.read(len(BOM))
                start = start[len(BOM) :]
        if not start.strip():
            if len(start) < MAX_HEAD:
                raise UnreadableEventFileError(_("%(file)s is empty.") % {"file": self.name})
            raise UnreadableEventFileError(_("%(file)s starts with blank characters only.") % {"file": self.name})
        if start[:2] in UTF16_MARKS or b"\0" in start[:200]:
            raise UnreadableEventFileError(
                _("%(file)s is not UTF-8 text. Convert UTF-16 with: iconv -f UTF-16 -t UTF-8 FILE")
                % {"file": self.name}
            )
        return start

    def iterate_lines(self, max_bytes: int) -> Iterator[FileLine]:
        """Yield all lines except blank ones; a line of more than ``max_bytes`` bytes is skipped without buffering it.

        Raises:
            UnreadableFileError: the compressed data or the disk is damaged.
        """
        number = 0
        with self._convert_errors():
            while text := self._stream.readline(max_bytes + 2):
                number += 1
                is_complete = text.endswith(b"\n")
                stripped = text.strip()
                oversize = len(stripped) > max_bytes or not (is_complete or len(text) < max_bytes + 2)
                while not is_complete and (rest := self._stream.readline(1 << 18)):
                    is_complete = rest.endswith(b"\n")
                if oversize:
                    yield FileLine(number, b"", oversize=True)
                elif stripped:
                    yield FileLine(number, stripped)

    @contextmanager
    def _convert_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnreadableEventFileError(
                _(
                    "%(file)s is truncated or damaged: %(reason)s. Get the file again and repeat the import. Events "
                    "stored so far are kept and will not be duplicated."
                )
                % {"file": self.name, "reason": error}
            ) from error


class CountingReader(io.RawIOBase):
    """Passes bytes through and counts them, because a pipe has no position."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.raw.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


@contextmanager
def open_lines(path: Path) -> Iterator[LineFile]:
    """Open a file, or standard input for ``-``.

    Raises:
        UnreadableFileError: names the file and the problem.
    """
    if path == STANDARD_INPUT:
        yield LineFile(sys.stdin.buffer, name=_("standard input"), size=0)
        return
    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        raise UnreadableEventFileError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror}
        ) from error
    with raw:
        status = os.fstat(raw.fileno())
        yield LineFile(raw, name=str(path), size=status.st_size if stat.S_ISREG(status.st_mode) else 0)
