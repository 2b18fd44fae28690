"""Names of keys that reveal nothing about them, and the form of new keys. This module needs no Django."""

import secrets
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from cryptography.fernet import Fernet

ID_LENGTH = 8
TAGGED_PREFIX = "hk_"


@lru_cache(maxsize=64)
def compute_key_id(key: str) -> str:
    """Return 8 hexadecimal digits that name a key."""
    return sha256(b"key id:" + key.encode()).hexdigest()[:ID_LENGTH]


def get_hash_tag(key: str) -> str:
    """Return the end of every hash under this key; "" for a first key from before rotations, whose hashes have none."""
    return compute_key_id(key) if key.startswith(TAGGED_PREFIX) else ""


def make_field_key() -> str:
    return Fernet.generate_key().decode()


def make_hash_key() -> str:
    """Return a key whose hashes end in its id, so that hashes of several keys can be distinguished."""
    return TAGGED_PREFIX + secrets.token_urlsafe(32)


def check_field_keys(keys: Sequence[str]) -> None:
    """Check Fernet keys. Errors: ValueError, with the fix."""
    for key in keys:
        try:
            Fernet(key.encode())
        except ValueError as error:
            raise ValueError(
                "FIELD_KEYS is invalid. Set it to URL-safe base64 keys of 32 bytes, separated by commas, newest first "
                "(python manage.py rotate_keys --new prints one)."
            ) from error


def check_hash_keys(keys: Sequence[str]) -> None:
    """Check that the hashes of several keys can be distinguished. Errors: ValueError, with the fix."""
    if sum(not get_hash_tag(key) for key in keys) > 1:
        raise ValueError(
            "HASH_KEYS is invalid: only the oldest key may be one that you made up. Create further keys with "
            "python manage.py rotate_keys --new, and put the newest first."
        )
