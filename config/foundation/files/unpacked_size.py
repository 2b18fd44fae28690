"""The size of a compressed file without its compression: a few megabytes can hold more than any disk."""

from pathlib import Path

import pyarrow as pa

COMPRESSION_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
CHUNK_BYTES = 1 << 20


def find_codec(start: bytes) -> str | None:
    """Return the codec of the compression of a file that starts with these bytes; None if it is not compressed."""
    return next((codec for magic, codec in COMPRESSION_CODECS.items() if start.startswith(magic)), None)


def is_larger_unpacked(path: Path, max_bytes: int) -> bool:
    """Return whether a file has more bytes than this after decompression, of which nothing is stored. Errors: OSError.

    A damaged file has the bytes before the damage: its reader describes the damage better.
    """
    with path.open("rb") as file:
        codec = find_codec(file.read(8))
        if codec is None:
            return path.stat().st_size > max_bytes
        file.seek(0)
        size = 0
        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec) as stream:
            while chunk := read_chunk(stream):
                size += len(chunk)
                if size > max_bytes:
                    return True
    return False


def read_chunk(stream: pa.CompressedInputStream) -> bytes:
    try:
        return bytes(stream.read(CHUNK_BYTES))
    except OSError:
        return b""
