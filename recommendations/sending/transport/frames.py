"""The messages between a worker and its delivery process: a JSON header and a body of bytes. Standard library only."""

import json
import struct
from typing import IO, Any

LENGTHS = struct.Struct(">II")
MAX_BYTES = 64 * 1024 * 1024


def write_frame(stream: IO[bytes], header: dict[str, Any], body: bytes = b"") -> None:
    encoded = json.dumps(header).encode()
    stream.write(LENGTHS.pack(len(encoded), len(body)) + encoded + body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Return the next frame; None at the end of the stream, even if it ends within a frame."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    header_bytes, body_bytes = LENGTHS.unpack(lengths)
    if header_bytes + body_bytes > MAX_BYTES:
        raise ValueError("A frame is larger than 64 MB.")
    content = stream.read(header_bytes + body_bytes)
    if len(content) < header_bytes + body_bytes:
        return None
    return json.loads(content[:header_bytes]), content[header_bytes:]
