"""Lines of a file that may be packed, in constant memory, with how much of it has been read."""

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

PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
FOREIGN = {
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"PAR1": "Parquet",
    b"SQLite": "SQLite",
    b"%PDF": "PDF",
    b"7z\xbc\xaf": "7z",
}
WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
BOM = b"\xef\xbb\xbf"
MOST_HEAD = 1 << 16
STANDARD_INPUT = Path("-")


class UnreadableFileError(Exception):
    """The file is missing, empty, broken, or of another kind."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, numbered from 1; ``oversize`` ones come without their text."""

    number: int
    text: bytes
    oversize: bool = False


class LineFile:
    """A file opened for one pass; ``position`` of ``size`` bytes are read (size is 0 when nobody can know it)."""

    def __init__(self, raw: BinaryIO, *, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._counted = CountedReader(raw)
        self._stream = io.BufferedReader(self._unpacked(), 1 << 18)
        self.head = self._peek()

    @property
    def position(self) -> int:
        return self._counted.position

    def _unpacked(self) -> Any:
        buffered = io.BufferedReader(self._counted, 1 << 18)
        start = buffered.peek(8)[:8]
        for magic, kind in FOREIGN.items():
            if start.startswith(magic):
                raise UnreadableFileError(
                    _("%(file)s is a %(kind)s file; give lines of text, packed with gzip, zstd or bzip2 at most.")
                    % {"file": self.name, "kind": kind}
                )
        for magic, codec in PACKED.items():
            if start.startswith(magic):
                return pa.CompressedInputStream(pa.PythonFile(buffered, mode="r"), codec)
        return buffered

    def _peek(self) -> bytes:
        """The beginning as it is after unpacking, without the mark by which UTF-8 is known."""
        with self._told():
            start = self._stream.peek(MOST_HEAD)[:MOST_HEAD]
            if start.startswith(BOM):
                self._stream.read(len(BOM))
                start = start[len(BOM) :]
        if not start.strip():
            if len(start) < MOST_HEAD:
                raise UnreadableFileError(_("%(file)s is empty.") % {"file": self.name})
            raise UnreadableFileError(_("%(file)s begins with nothing but blanks.") % {"file": self.name})
        if start[:2] in WIDE or b"\0" in start[:200]:
            raise UnreadableFileError(
                _("%(file)s is no UTF-8 text. UTF-16 is turned into it by: iconv -f UTF-16 -t UTF-8 FILE")
                % {"file": self.name}
            )
        return start

    def lines(self, most: int) -> Iterator[Line]:
        """All lines but blank ones. One of more than ``most`` bytes is read past, never held.

        Raises:
            UnreadableFileError: the packed data is broken, or the disk is.
        """
        number = 0
        with self._told():
            while text := self._stream.readline(most + 2):
                number += 1
                whole = text.endswith(b"\n")
                stripped = text.strip()
                oversize = len(stripped) > most or not (whole or len(text) < most + 2)
                while not whole and (rest := self._stream.readline(1 << 18)):
                    whole = rest.endswith(b"\n")
                if oversize:
                    yield Line(number, b"", oversize=True)
                elif stripped:
                    yield Line(number, stripped)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnreadableFileError(
                _(
                    "%(file)s cannot be read to its end: %(reason)s. Get it again; what was taken so far stays, and counts once."
                )
                % {"file": self.name, "reason": error}
            ) from error


class CountedReader(io.RawIOBase):
    """Passes bytes on and counts them: a pipe can't be asked where it is."""

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
    """Opens a file, or standard input for ``-``.

    Raises:
        UnreadableFileError: names the file, and what would be right.
    """
    if path == STANDARD_INPUT:
        yield LineFile(sys.stdin.buffer, name=_("standard input"), size=0)
        return
    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        raise UnreadableFileError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror}
        ) from error
    with raw:
        status = os.fstat(raw.fileno())
        yield LineFile(raw, name=str(path), size=status.st_size if stat.S_ISREG(status.st_mode) else 0)
