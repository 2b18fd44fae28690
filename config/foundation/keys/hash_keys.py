"""Keyed hashes under the current key, and under all keys while a rotation is under way."""

import hmac
from collections.abc import Sequence
from hashlib import blake2b

from django.conf import settings

from config.foundation.keys.key_ids import get_hash_tag

SHORT_BYTES = 8


def get_hash_keys() -> tuple[str, ...]:
    """Return the keys, newest first: the first one makes new hashes, all of them are looked up."""
    return tuple(settings.HASH_KEYS)


def get_hash_key() -> str:
    return get_hash_keys()[0]


def compute_hash(value: str, key: str) -> str:
    """Return the HMAC-SHA256 of a value as 64 hexadecimal digits, of which the last 8 name the key if it was made by a rotation."""
    digest = hmac.digest(key.encode(), value.encode(), "sha256").hex()
    tag = get_hash_tag(key)
    return digest[: -len(tag)] + tag if tag else digest


def compute_keyed_hash(value: str) -> str:
    """Return the hash under the current key."""
    return compute_hash(value, get_hash_key())


def list_keyed_hashes(value: str) -> list[str]:
    """Return the hash under each key, the current one first."""
    return [compute_hash(value, key) for key in get_hash_keys()]


def compute_short_hash(name: str, key: str) -> int:
    """Return 64 bits of the BLAKE2b hash of a text."""
    return int.from_bytes(blake2b(name.encode(), digest_size=SHORT_BYTES, key=key.encode()[:64]).digest())


def list_short_hashes(names: Sequence[str]) -> list[list[int]]:
    """Return for each key, the current one first, the short hashes of the texts."""
    return [[compute_short_hash(name, key) for name in names] for key in get_hash_keys()]


def derive_key(key: str, purpose: str) -> bytes:
    """Return a key for one purpose only (HMAC-SHA256 of the purpose)."""
    return hmac.digest(key.encode(), purpose.encode(), "sha256")
