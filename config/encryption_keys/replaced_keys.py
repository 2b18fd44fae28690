"""Finds out whether data needs keys that a restore of the keys would remove.

Every command of a new installation makes the keys that it does not have, also the one that restores them.
"""

from collections.abc import Mapping, Sequence

from django.db import Error, connection

from config.encryption_keys.counts import count_erased_tags, count_hash_tags, read_encrypted
from config.encryption_keys.reencryption import list_encrypted_tables
from config.encryption_keys.tokens import count_keys
from config.foundation.keys.fernet_batches import open_key
from config.foundation.keys.key_columns import list_hashed_columns
from config.foundation.keys.key_ids import get_hash_tag
from config.foundation.keys.key_stores import is_wrapped


def are_keys_needed(removed: Mapping[str, Sequence[str]], restored: Mapping[str, Sequence[str]]) -> bool:
    """Return whether data may be under one of the keys that are removed. Both arguments: keys by the name of their variable.

    A secret key, and a hash key that the hashes do not name, cannot be recognized in the data. They were made together with an encryption
    key, and are as unused as that one.
    """
    try:
        if not connection.introspection.table_names():
            return False
        fields = removed["FIELD_KEYS"]
        if not fields or removed["SEAL_KEYS"] or any(is_wrapped(key) for keys in removed.values() for key in keys):
            return True
        return is_anything_encrypted(fields) or is_anything_hashed(removed["HASH_KEYS"], restored["HASH_KEYS"])
    except Error:
        return True


def is_anything_encrypted(keys: Sequence[str]) -> bool:
    """Return whether a stored value is under one of the keys."""
    opened = [open_key(key) for key in keys]
    return any(
        number is not None
        for table in list_encrypted_tables()
        for rows in read_encrypted(table)
        for row in rows
        for number in count_keys(row, opened)
    )


def is_anything_hashed(keys: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether a stored hash names one of the keys, or names none while only these keys make such hashes."""
    owners = {get_hash_tag(key): key for key in [*keys, *others]}
    found = [*map(count_hash_tags, list_hashed_columns()), *(rows for _model, rows in count_erased_tags())]
    return any(owners.get(tag, owners.get("")) in keys for rows in found for tag, _count in rows)
