"""Decodes text files of any encoding, also gzipped, to UTF-8 in bounded memory."""

import codecs
import gzip
import io
from pathlib import Path
from typing import IO, cast

from django.utils.translation import gettext as _

from config.foundation.files.gzip_files import DAMAGED_GZIP_ERRORS, GZIP_MAGIC, describe_damaged_gzip, open_bytes
from config.foundation.text_encoding import detect_8bit_encoding, detect_byte_order_mark, detect_utf16
from customers.orders.imports.files.row_batches import UnreadableOrderFileError

HEAD_BYTES = 200


class UndecodableError(Exception):
    """Bytes that are invalid in the encoding."""

    def __init__(self, *, line: int, encoding: str, invalid: bytes) -> None:
        super().__init__(line, encoding, invalid)
        self.line = line
        self.encoding = encoding
        self.invalid = invalid

    def explain(self, name: str) -> str:
        """Return the error text for the file of this name."""
        if self.invalid == b"\0":
            return _(
                "%(name)s, line %(line)d: NUL character. The file is damaged, or its encoding is another one, such as utf-16. "
                "Export it again as CSV, or set its encoding."
            ) % {"name": name, "line": self.line}
        return _(
            "%(name)s, line %(line)d: the bytes %(invalid)s are not valid %(encoding)s. Save the file as UTF-8, or set its "
            "encoding, such as utf-8, utf-16, gb18030 or windows-1252."
        ) % {"name": name, "line": self.line, "invalid": self.invalid.hex(" "), "encoding": self.encoding}


class DecodedStream(io.RawIOBase):
    """The text of a file as UTF-8 bytes, whatever its encoding and whether or not it is gzipped."""

    def __init__(self, path: Path, encoding: str, *, chunk_bytes: int) -> None:
        super().__init__()
        self.raw: IO[bytes] = path.open("rb")
        self.source = open_gzip(self.raw)
        self.encoding = encoding
        self.chunk_bytes = chunk_bytes
        self.decoder = make_decoder(encoding)
        self.buffer = b""
        self.lines = 0
        self.failure: UndecodableError | None = None
        self.has_started = False
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def bytes_read(self) -> int:
        """Return how many bytes of the file on disk have been read."""
        return self.raw.tell()

    def read(self, size: int = -1) -> bytes:
        pieces = [self.buffer]
        length = len(self.buffer)
        while (size < 0 or length < size) and not self.has_ended:
            piece = self._read_chunk()
            pieces.append(piece)
            length += len(piece)
        data = b"".join(pieces)
        end = len(data) if size < 0 else size
        self.buffer = data[end:]
        return data[:end]

    def close(self) -> None:
        self.source.close()
        self.raw.close()
        super().close()

    def _read_chunk(self) -> bytes:
        chunk = self.source.read(self.chunk_bytes)
        self.has_ended = not chunk
        try:
            text = self.decoder.decode(chunk, final=self.has_ended)
        except UnicodeDecodeError as error:
            line = self.lines + 1 + error.object[: error.start].count(b"\n")
            invalid = error.object[error.start : error.start + 4]
            self.failure = UndecodableError(line=line, encoding=self.encoding, invalid=invalid)
            raise self.failure from error
        self.lines += text.count("\n")
        if not self.has_started and text:
            self.has_started = True
            text = text.removeprefix("\ufeff")
        if "\0" in text:
            # NUL is valid in every encoding but marks binary data, and PostgreSQL cannot store it
            line = self.lines - text.count("\n") + 1 + text[: text.index("\0")].count("\n")
            self.failure = UndecodableError(line=line, encoding=self.encoding, invalid=b"\0")
            raise self.failure
        return text.encode()


def open_gzip(raw: IO[bytes]) -> IO[bytes]:
    """Return the unpacked stream if the file is gzipped, else the file itself."""
    magic = raw.read(2)
    raw.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if magic == GZIP_MAGIC else raw


def make_decoder(encoding: str) -> codecs.IncrementalDecoder:
    """Return a decoder; raise UnreadableOrderFileError if the encoding is unknown."""
    try:
        return codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise UnreadableOrderFileError(
            _("Unknown encoding %(encoding)s; use utf-8, utf-16, gb18030 or windows-1252, for example.")
            % {"encoding": repr(encoding)}
        ) from error


def detect_encoding(path: Path) -> str:
    """Return the encoding of a file.

    It is UTF-8 if the whole file is valid UTF-8, else UTF-16, GB18030 or Windows-1252.

    Raises:
        UnreadableOrderFileError: the file is in none of these encodings, or is UTF-8 with invalid bytes.
    """

    try:
        with open_bytes(path) as file:
            head = file.read(HEAD_BYTES)
        if encoding := detect_byte_order_mark(head) or detect_utf16(head):
            return encoding
        encoding, failure = detect_8bit_encoding(lambda: open_bytes(path))
    except DAMAGED_GZIP_ERRORS as error:
        raise UnreadableOrderFileError(describe_damaged_gzip(path.name)) from error
    except OSError as error:
        raise UnreadableOrderFileError(
            _("%(name)s cannot be read: %(reason)s") % {"name": path.name, "reason": str(error)}
        ) from error
    if failure is not None:
        undecodable = UndecodableError(line=failure.line, encoding="utf-8", invalid=failure.invalid_bytes)
        raise UnreadableOrderFileError(undecodable.explain(path.name))
    assert encoding is not None
    return encoding
