"""Encoding and identification of items that a protocol other than Segment's has been translated into."""

import json
from hashlib import blake2b
from typing import Any

import msgspec


def digest_item(item: Any) -> bytes:
    """Return what identifies the content of an item, whatever the order of its keys."""
    try:
        content = msgspec.json.encode(item, order="sorted")
    except (UnicodeEncodeError, msgspec.MsgspecError):
        content = json.dumps(item, sort_keys=True).encode()
    return blake2b(content, digest_size=20).digest()


def encode_item(item: Any) -> bytes:
    """Encode an item; what only Python's reader accepts stays: the decoder replaces lone surrogates and rejects NaN."""
    try:
        return msgspec.json.encode(item)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return json.dumps(item).encode()
