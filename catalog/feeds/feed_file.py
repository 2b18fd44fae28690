"""The file of a feed: its encoding, its format and its lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from django.utils.translation import gettext as _

from catalog.models import FeedImport
from config.foundation.files.gzip_files import DAMAGED_GZIP_ERRORS, describe_damaged_gzip, open_bytes, open_text
from config.foundation.text_encoding import (
    DecodingFailure,
    UnknownEncodingError,
    detect_8bit_encoding,
    detect_byte_order_mark,
    find_decoding_failure,
    find_encoding,
)

MAX_LINE_CHARACTERS = 1 << 20
BINARY_FORMATS = (
    (b"PK\x03\x04", "a ZIP or Excel file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"%PDF", "a PDF file"),
)
DELIMITERS = (",", ";", "\t", "|")


class FeedError(Exception):
    """A feed that cannot be read, or an import that was refused.

    The message gives the reason and the fix.
    """


def detect_encoding(path: Path, declared: str | None = None) -> str:
    """Return the encoding that decodes the whole file, which may be compressed with gzip.

    Checked in this order: ``declared``, a byte order mark, the zero bytes of UTF-16, an XML declaration, UTF-8, and
    then GB18030 or Windows-1252, whichever the bytes look like.

    Raises:
        FeedError: the file is missing, empty, damaged or not text, or none of these encodings decodes it.
    """
    try:
        return _detect_encoding(path, declared)
    except DAMAGED_GZIP_ERRORS as error:
        raise FeedError(describe_damaged_gzip(path.name)) from error


def _detect_encoding(path: Path, declared: str | None) -> str:
    head = read_head(path)
    if declared:
        return check_encoding(path, resolve_encoding(declared))
    if encoding := detect_byte_order_mark(head):
        return check_encoding(path, encoding)
    if b"\x00" in head:
        return check_encoding(path, detect_byte_order(head))
    if head.lstrip().startswith(b"<?xml") and (match := re.search(rb"""encoding=["']([\w.:-]+)["']""", head[:300])):
        return check_encoding(path, resolve_encoding(match[1].decode("ascii")))
    detected, failure = detect_8bit_encoding(lambda: open_bytes(path))
    if detected is not None:
        return detected
    assert failure is not None
    raise FeedError(
        _("%(where)s: the file is not UTF-8, GB18030 or Windows-1252. Save it as UTF-8, or specify its encoding.")
        % {"where": describe_failure(path, failure)}
    )


def read_head(path: Path) -> bytes:
    """Return the first bytes of a text file.

    Errors: FeedError when it is missing, empty or binary.
    """
    try:
        with open_bytes(path) as file:
            head = file.read(4096)
    except OSError as error:
        raise FeedError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror or error}
        ) from error
    if not head.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        raise FeedError(_("%(file)s is empty.") % {"file": path.name})
    for magic, format_name in BINARY_FORMATS:
        if head.startswith(magic):
            raise FeedError(
                _("%(file)s is %(kind)s. Extract it, or save it as CSV in UTF-8.")
                % {"file": path.name, "kind": format_name}
            )
    return head


def resolve_encoding(name: str) -> str:
    try:
        return find_encoding(name)
    except UnknownEncodingError as error:
        raise FeedError(
            _("Unknown encoding %(name)s; use utf-8, utf-16, gb18030 or windows-1252, for example.")
            % {"name": repr(name)}
        ) from error


def detect_byte_order(head: bytes) -> str:
    """Return the byte order of UTF-16.

    Little-endian puts the zero byte of Western letters second, big-endian first.
    """
    first, second = head[0::2].count(0), head[1::2].count(0)
    if first and second and min(first, second) * 4 > max(first, second):
        raise FeedError(_("This is not a text file. Upload CSV, TSV, JSON Lines or XML."))
    return "utf-16-le" if second > first else "utf-16-be"


def check_encoding(path: Path, encoding: str) -> str:
    failure = find_decoding_failure(lambda: open_bytes(path), encoding)
    if failure is not None:
        raise FeedError(
            _("%(where)s: not valid %(encoding)s. Save the file as UTF-8, or specify its encoding.")
            % {"where": describe_failure(path, failure), "encoding": encoding}
        )
    return encoding


def describe_failure(path: Path, failure: DecodingFailure) -> str:
    byte = f"0x{failure.invalid_bytes[0]:02X}" if failure.invalid_bytes else _("the end of the file")
    return _("%(file)s, line %(line)d, %(byte)s") % {"file": path.name, "line": failure.line, "byte": byte}


def detect_format(path: Path, encoding: str) -> FeedImport.Format:
    """Return the format by the first character, then by the delimiter of the first line."""
    with open_text(path, encoding) as stream:
        head = stream.read(65536).lstrip("\ufeff \t\r\n")
    if head.startswith("<"):
        return FeedImport.Format.GOOGLE_XML
    if head.startswith("{"):
        return FeedImport.Format.JSONL
    if head.startswith("["):
        raise FeedError(_("%(file)s is a JSON array. Use JSON Lines: one object per line.") % {"file": path.name})
    if detect_delimiter(head.splitlines()[0]) == "\t":
        return FeedImport.Format.GOOGLE_TSV
    return FeedImport.Format.CSV


def detect_delimiter(header: str) -> str:
    # a delimiter inside a quoted column name does not separate columns
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=outside_quotes.count)


def iterate_bounded_lines(stream: TextIO) -> Iterator[str]:
    """Yield the lines of a stream.

    A line without an end is rejected before it fills the memory. Errors: FeedError.
    """
    number = 0
    while line := stream.readline(MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == MAX_LINE_CHARACTERS and not line.endswith(("\n", "\r")):
            raise FeedError(
                _(
                    "Line %(line)d has more than %(most)d characters. Check that the file is plain text with line "
                    "breaks."
                )
                % {"line": number, "most": MAX_LINE_CHARACTERS}
            )
        yield line
