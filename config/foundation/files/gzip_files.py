"""Files that may be compressed with gzip."""

import gzip
import zlib
from pathlib import Path
from typing import IO, TextIO, cast

from django.utils.translation import gettext as _

GZIP_MAGIC = b"\x1f\x8b"
DAMAGED_GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)


def describe_damaged_gzip(name: str) -> str:
    return _("%(file)s is a damaged or incomplete gzip file. Compress it again.") % {"file": name}


def is_gzip(path: Path) -> bool:
    """Return whether a file is compressed with gzip, by its first bytes. Errors: OSError."""
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed. Errors: OSError; DAMAGED_GZIP_ERRORS while it is read."""
    # unlike GzipFile(fileobj=…), gzip.open closes the file below it
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzip(path) else path.open("rb")


def open_text(path: Path, encoding: str) -> TextIO:
    """Open a text file for reading, decompressed, with its line ends as they are. Errors: as `open_bytes`."""
    if is_gzip(path):
        return cast(TextIO, gzip.open(path, "rt", encoding=encoding, newline=""))
    return path.open(encoding=encoding, newline="")
