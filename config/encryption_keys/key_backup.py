"""Backs up the keys separately from the data: one file, encrypted with a passphrase (scrypt, RFC 7914, and AES-256-GCM)."""

import base64
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.conf import settings

from config.access.audit.seals import read_seal_keys
from config.encryption_keys.replaced_keys import are_keys_needed
from config.foundation.keys.key_ids import compute_key_id
from config.foundation.keys.live_keys import read_entries, write_entries, write_private_file

FORMAT = "perennial keys 1"
MIN_PASSPHRASE = 12
COST, BLOCK_SIZE, PARALLEL = 2**17, 8, 1  # 128 MiB and about half a second, the recommendation of OWASP
FILES = {"FIELD_KEYS": "field-keys", "HASH_KEYS": "hash-key", "SECRET_KEY": "secret-key", "SEAL_KEYS": "seal-keys"}


class KeyBackupError(Exception):
    """A backup of keys cannot be written or read; the text says why."""


def read_all_keys() -> dict[str, list[str]]:
    """Return the keys in plain text by the name of their variable."""
    return {
        "FIELD_KEYS": list(settings.FIELD_KEYS),
        "HASH_KEYS": list(settings.HASH_KEYS),
        "SECRET_KEY": [settings.SECRET_KEY],
        "SEAL_KEYS": list(dict.fromkeys(read_seal_keys())),
    }


def write_backup(path: Path, passphrase: str, *, at: datetime) -> None:
    """Write all keys to a file that only the passphrase can decrypt. Raises KeyBackupError."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyBackupError(f"The passphrase is too short. Use at least {MIN_PASSPHRASE} characters.")
    if path.exists():
        raise KeyBackupError(f"{path} exists. Choose another name; backups are never overwritten.")
    salt, nonce = os.urandom(16), os.urandom(12)
    head = {"format": FORMAT, "created_at": at.isoformat(), "n": COST, "r": BLOCK_SIZE, "p": PARALLEL}
    plain = json.dumps(read_all_keys()).encode()
    sealed = AESGCM(derive_secret(passphrase, salt, head)).encrypt(nonce, plain, json.dumps(head).encode())
    content = {
        **head,
        **{
            name: base64.b64encode(data).decode() for name, data in (("salt", salt), ("nonce", nonce), ("keys", sealed))
        },
    }
    write_private_file(path, json.dumps(content, indent=1) + "\n")


def read_backup(path: Path, passphrase: str) -> dict[str, list[str]]:
    """Return the keys of a backup by the name of their variable. Raises KeyBackupError."""
    try:
        content = json.loads(path.read_text())
        salt, nonce, sealed = (base64.b64decode(content.pop(name)) for name in ("salt", "nonce", "keys"))
    except FileNotFoundError as error:
        raise KeyBackupError(f"{path} does not exist.") from error
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise KeyBackupError(f"{path} is not a backup of keys: {error}") from error
    if content.get("format") != FORMAT:
        raise KeyBackupError(f"{path} has the format {content.get('format')!r}; this version reads {FORMAT!r}.")
    if (content["n"], content["r"], content["p"]) != (COST, BLOCK_SIZE, PARALLEL):
        raise KeyBackupError(f"{path} was written with different scrypt parameters.")
    try:
        plain = AESGCM(derive_secret(passphrase, salt, content)).decrypt(nonce, sealed, json.dumps(content).encode())
    except InvalidTag as error:
        raise KeyBackupError("The passphrase is wrong, or the file was changed.") from error
    keys: dict[str, list[str]] = json.loads(plain)
    return keys


def derive_secret(passphrase: str, salt: bytes, head: dict[str, Any]) -> bytes:
    """Return the key of a backup for a passphrase (scrypt)."""
    return Scrypt(salt=salt, length=32, n=head["n"], r=head["r"], p=head["p"]).derive(passphrase.encode())


def restore_files(keys: dict[str, list[str]], *, folder: Path, force: bool = False) -> list[str]:
    """Write the keys of a backup to ``var/secrets``; return the names of the files that changed.

    Raises:
        KeyBackupError: a file holds keys that the backup does not have, and that data may need.
    """
    lost = {
        variable: [entry for entry in read_entries(folder / name) if entry not in keys.get(variable, [])]
        for variable, name in FILES.items()
    }
    if any(lost.values()) and not force and are_keys_needed(lost, keys):
        variable = next(variable for variable, entries in lost.items() if entries)
        ids = ", ".join(compute_key_id(key) for key in lost[variable])
        raise KeyBackupError(
            f"{folder / FILES[variable]} holds keys that are not in the backup ({ids}). Data encrypted with them could no longer be read. "
            "Move the file away, or use --force if nothing was encrypted with them."
        )
    changed = []
    for variable, name in FILES.items():
        stored = keys.get(variable, [])
        if stored and read_entries(folder / name) != stored:
            write_entries(folder / name, stored)
            changed.append(name)
    return changed
