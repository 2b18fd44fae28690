"""Adds new keys to the files of ``var/secrets``, and removes old ones that nothing uses any more."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from config.access.audit.seals import SEAL_PURPOSE, get_seal_keys_path
from config.encryption_keys.models import KeyRotation, KeyUse
from config.foundation.audit_log import record_action
from config.foundation.keys.hash_keys import derive_key
from config.foundation.keys.key_ids import compute_key_id, make_field_key, make_hash_key
from config.foundation.keys.key_stores import LocalStore, is_wrapped, unwrap_text, wrap_text
from config.foundation.keys.live_keys import LiveKeys, read_entries, write_entries


class KeyInUseError(Exception):
    """An old key is still needed. uses: for what."""

    def __init__(self, uses: Sequence[KeyUse]) -> None:
        super().__init__("An old key is still in use.")
        self.uses = list(uses)


def are_keys_in_files() -> bool:
    """Return whether both kinds of keys come from Perennial's own files instead of the environment."""
    return all(isinstance(keys, LiveKeys) and keys.is_file for keys in (settings.FIELD_KEYS, settings.HASH_KEYS))


def has_older_keys() -> bool:
    return len(settings.FIELD_KEYS) > 1 or len(settings.HASH_KEYS) > 1


def add_new_keys(*, fields: bool = True, hashes: bool = True) -> None:
    """Put new keys before those in the files; every process uses them within a second."""
    if fields:
        add_entry(settings.FIELD_KEYS, make_field_key())
    if hashes:
        add_entry(settings.HASH_KEYS, make_hash_key())
    record_action(
        "keys.added",
        model=KeyRotation,
        details={"encryption": compute_key_id(settings.FIELD_KEYS[0]), "hash": compute_key_id(settings.HASH_KEYS[0])},
    )


def add_entry(keys: LiveKeys, key: str) -> None:
    entries = read_entries(keys.path)
    stored = key if isinstance(keys.store, LocalStore) else wrap_text(keys.store, key)
    write_entries(keys.path, [stored, *entries])
    keys.refresh()


def find_older_uses(uses: Sequence[KeyUse]) -> list[KeyUse]:
    """Return the uses of keys that are not the first, and of keys that nobody has."""
    current = {
        KeyUse.Purpose.FIELD: compute_key_id(settings.FIELD_KEYS[0]),
        KeyUse.Purpose.HASH: compute_key_id(settings.HASH_KEYS[0]),
    }
    return [use for use in uses if use.key_id != current[KeyUse.Purpose(use.purpose)]]


def list_removable_keys(uses: Sequence[KeyUse]) -> dict[str, list[str]]:
    """Return by purpose the ids of the older keys that nothing uses."""
    used = {(use.purpose, use.key_id) for use in uses if use.values_count}
    return {
        purpose: [compute_key_id(key) for key in keys[1:] if (purpose, compute_key_id(key)) not in used]
        for purpose, keys in ((KeyUse.Purpose.FIELD, settings.FIELD_KEYS), (KeyUse.Purpose.HASH, settings.HASH_KEYS))
    }


def remove_older_keys(uses: Sequence[KeyUse]) -> dict[str, list[str]]:
    """Remove the older keys that nothing uses from the files, and return their ids by purpose.

    Raises:
        KeyInUseError: no older key can be removed.
    """
    removable = list_removable_keys(uses)
    if not any(removable.values()):
        raise KeyInUseError(find_older_uses(uses))
    seal_keys = [
        derive_key(key, SEAL_PURPOSE).hex()
        for key in settings.HASH_KEYS[1:]
        if compute_key_id(key) in removable[KeyUse.Purpose.HASH]
    ]
    if seal_keys:  # before the keys are removed, as old seals of the audit log could not be verified otherwise
        path = get_seal_keys_path()
        write_entries(path, list(dict.fromkeys([*seal_keys, *read_entries(path)])))
    for purpose, keys in ((KeyUse.Purpose.FIELD, settings.FIELD_KEYS), (KeyUse.Purpose.HASH, settings.HASH_KEYS)):
        remove_entries(keys, removable[purpose])
    record_action("keys.removed", model=KeyRotation, details=dict(removable))
    return removable


def remove_entries(keys: LiveKeys, ids: Sequence[str]) -> None:
    """Remove keys from a file by their ids."""
    entries = read_entries(keys.path)
    left = [entry for entry in entries if compute_key_id(unwrap_text(keys.store, entry)) not in ids]
    if left != entries:
        write_entries(keys.path, left)
        keys.refresh()


def wrap_files() -> list[Path]:
    """Wrap the keys of all files with the key store; return the files that changed. Raises KeyStoreError."""
    changed = []
    for name in ("field-keys", "hash-key", "secret-key"):
        path = Path(settings.VAR_DIR) / "secrets" / name
        entries = read_entries(path)
        wrapped = [entry if is_wrapped(entry) else wrap_text(settings.KEY_STORE, entry) for entry in entries]
        for before, after in zip(entries, wrapped, strict=True):
            if unwrap_text(settings.KEY_STORE, after) != unwrap_text(settings.KEY_STORE, before):
                raise ValueError(f"{settings.KEY_STORE.name} returned a different key from the one it was given.")
        if wrapped != entries:
            write_entries(path, wrapped)
            changed.append(path)
    return changed
