"""The file of a feed: which encoding it has, which format, and its lines."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from django.utils.translation import gettext as _

from catalog.models import FeedImport

CHUNK = 1 << 20
MAX_LINE = 1 << 20
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_TEXT = (
    (b"PK\x03\x04", "a ZIP or Excel file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"%PDF", "a PDF file"),
)
DELIMITERS = (",", ";", "\t", "|")


class FeedError(Exception):
    """A file that cannot be read as a feed, or an import that was refused; the message says why and what would help."""


def detect_encoding(path: Path, declared: str | None = None) -> str:
    """The encoding in which the whole file decodes.

    Taken in this order: ``declared``, a byte order mark, the pattern of zero bytes of UTF-16, an XML declaration,
    UTF-8, and then GB18030 or Windows-1252, whichever its bytes look like.

    Raises:
        FeedError: the file is missing, empty, not a text, or decodes in none of these.
    """
    head = read_head(path)
    if declared:
        return check_encoding(path, look_up(declared))
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return check_encoding(path, encoding)
    if b"\x00" in head:
        return check_encoding(path, guess_utf16(head))
    if head.lstrip().startswith(b"<?xml") and (found := re.search(rb"""encoding=["']([\w.:-]+)["']""", head[:300])):
        return check_encoding(path, look_up(found[1].decode("ascii")))
    bad = first_bad_byte(path, "utf-8")
    if bad is None:
        return "utf-8"
    guess = "gb18030" if looks_like_gb18030(path, bad) else "cp1252"
    if first_bad_byte(path, guess) is None:
        return guess
    raise FeedError(
        _("%(where)s: not UTF-8, and not GB18030 or Windows-1252 either. Save the file as UTF-8, or name its encoding.")
        % {"where": describe_place(path, bad)}
    )


def read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise FeedError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror or error}
        ) from error
    if not head.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        raise FeedError(_("%(file)s is empty.") % {"file": path.name})
    for magic, kind in NOT_TEXT:
        if head.startswith(magic):
            raise FeedError(
                _("%(file)s is %(kind)s. Unpack it, or save it as CSV in UTF-8.") % {"file": path.name, "kind": kind}
            )
    return head


def look_up(name: str) -> str:
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, TypeError) as error:
        raise FeedError(
            _("%(name)s is not an encoding. Known are utf-8, utf-16, gb18030, windows-1252 and the like.")
            % {"name": repr(name)}
        ) from error
    # the older Chinese names are subsets of the newest
    return "gb18030" if found in ("gbk", "gb2312") else found


def guess_utf16(head: bytes) -> str:
    """Western letters and separators have their zero byte second in little-endian UTF-16, first in big-endian."""
    first, second = head[0::2].count(0), head[1::2].count(0)
    if first and second and min(first, second) * 4 > max(first, second):
        raise FeedError(_("This is not a text file. Give CSV, TSV, JSON Lines or XML."))
    return "utf-16-le" if second > first else "utf-16-be"


def check_encoding(path: Path, encoding: str) -> str:
    bad = first_bad_byte(path, encoding)
    if bad is not None:
        raise FeedError(
            _("%(where)s: cannot be read as %(encoding)s. Save the file as UTF-8, or name its encoding.")
            % {"where": describe_place(path, bad), "encoding": encoding}
        )
    return encoding


def first_bad_byte(path: Path, encoding: str) -> int | None:
    """Where the file stops decoding, as an offset in bytes; None when all of it decodes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                start = error.start if isinstance(error, UnicodeDecodeError) else 0
                return max(0, offset - pending + start)
            if not chunk:
                return None
            offset += len(chunk)


def looks_like_gb18030(path: Path, offset: int) -> bool:
    """Chinese bytes above 127 come in pairs; accents of a western text stand alone among ASCII letters."""
    with path.open("rb") as file:
        file.seek(offset)
        sample = file.read(CHUNK)
    high = len(re.findall(rb"[\x80-\xff]", sample))
    paired = sum(len(run) for run in re.findall(rb"[\x81-\xfe]{2,}", sample))
    return paired * 2 > high


def describe_place(path: Path, offset: int) -> str:
    line = 1
    with path.open("rb") as file:
        left = offset
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            line += chunk.count(b"\n")
            left -= len(chunk)
        file.seek(offset)
        byte = file.read(1)
    shown = f"0x{byte[0]:02X}" if byte else _("the end of the file")
    return _("%(file)s, line %(line)d, %(byte)s") % {"file": path.name, "line": line, "byte": shown}


def open_text(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, newline="")


def guess_format(path: Path, encoding: str) -> FeedImport.Format:
    """By the first character, then by the separator of the first line."""
    with open_text(path, encoding) as stream:
        head = stream.read(65536).lstrip("\ufeff \t\r\n")
    if head.startswith("<"):
        return FeedImport.Format.GOOGLE_XML
    if head.startswith("{"):
        return FeedImport.Format.JSONL
    if head.startswith("["):
        raise FeedError(_("%(file)s is a JSON list. Give JSON Lines: one object on each line.") % {"file": path.name})
    if guess_delimiter(head.splitlines()[0]) == "\t":
        return FeedImport.Format.GOOGLE_TSV
    return FeedImport.Format.CSV


def guess_delimiter(header: str) -> str:
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=outside_quotes.count)


def bounded_lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream; one without end is refused before it fills the memory."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            raise FeedError(
                _("Line %(line)d has more than %(most)d characters. Is this really a file of lines?")
                % {"line": number, "most": MAX_LINE}
            )
        yield line
