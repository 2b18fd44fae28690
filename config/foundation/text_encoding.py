"""Detection of the encoding of text files: byte order marks, UTF-8, UTF-16, GB18030 and Windows-1252."""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

CHUNK_BYTES = 4 * 1024 * 1024
SAMPLE_BYTES = 65_536
# UTF-32 precedes UTF-16: the little-endian mark of UTF-32 begins with that of UTF-16
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# subsets of GB18030
OLDER_CHINESE_ENCODINGS = frozenset({"gbk", "gb2312"})

OpenFile = Callable[[], IO[bytes]]


def make_encodable(text: Any) -> str:
    """Return a text that can be encoded as UTF-8; JSON may contain halves of characters, which cannot."""
    return str(text).encode(errors="backslashreplace").decode()


class UnknownEncodingError(Exception):
    """A name does not refer to a text encoding."""


@dataclass(frozen=True)
class DecodingFailure:
    """The first bytes of a file that an encoding cannot decode."""

    line: int
    invalid_bytes: bytes  # empty when the file ends inside a character
    following: bytes  # the invalid bytes and what follows them
    had_multibyte: bool  # whether a character beyond ASCII was decoded before


def find_encoding(name: str) -> str:
    """Return the standard name of a text encoding; GBK and GB2312 become GB18030. Raises UnknownEncodingError."""
    try:
        encoding = codecs.lookup(name).name
        "".encode(encoding)
    except (
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # ValueError: a name with NUL, or a codec that encodes nothing
        raise UnknownEncodingError(name) from error
    return "gb18030" if encoding in OLDER_CHINESE_ENCODINGS else encoding


def detect_byte_order_mark(head: bytes) -> str | None:
    """Return the encoding that the file's first bytes declare."""
    return next((encoding for mark, encoding in BYTE_ORDER_MARKS if head.startswith(mark)), None)


def detect_utf16(head: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: every second byte of Western text is zero."""
    start = head[:200]
    if len(start) >= 4 and start[1::2].count(0) > len(start) * 0.4:
        return "utf-16-le"
    if len(start) >= 4 and start[::2].count(0) > len(start) * 0.4:
        return "utf-16-be"
    return None


def detect_8bit_encoding(open_file: OpenFile) -> tuple[str | None, DecodingFailure | None]:
    """Return the first of UTF-8, GB18030 and Windows-1252 that decodes the whole file; else None and the failure of UTF-8."""
    failure = find_decoding_failure(open_file, "utf-8")
    if failure is None:
        return "utf-8", None
    # valid multibyte characters before the failure are hardly a coincidence: the file is UTF-8 with a broken byte
    if not failure.had_multibyte:
        candidate = "gb18030" if is_likely_gb18030(failure.following) else "cp1252"
        if find_decoding_failure(open_file, candidate) is None:
            return candidate, None
    return None, failure


def find_decoding_failure(open_file: OpenFile, encoding: str) -> DecodingFailure | None:
    """Decode a whole file, chunk by chunk; return the first failure, or None."""
    line, had_multibyte = 1, False
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_file() as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                # UTF-16 raises the base class when the byte order mark is missing: there the first byte is wrong
                data, start = (error.object, error.start) if isinstance(error, UnicodeDecodeError) else (chunk, 0)
                before = data[:start]
                return DecodingFailure(
                    line=line + before.count(b"\n"),
                    invalid_bytes=data[start : start + 4],
                    following=data[start : start + SAMPLE_BYTES],
                    had_multibyte=had_multibyte or not before.isascii(),
                )
            line += text.count("\n")
            had_multibyte = had_multibyte or not text.isascii()
            if not chunk:
                return None


def is_likely_gb18030(sample: bytes) -> bool:
    """Return whether most high bytes come in even runs, as in Chinese; accented Western letters mostly occur alone."""
    high = np.frombuffer(sample, dtype=np.uint8) >= 0x80
    edges = np.flatnonzero(np.diff(np.concatenate(([0], high.view(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    return bool(lengths[lengths % 2 == 0].sum() > 0.6 * lengths.sum()) if len(lengths) else False
