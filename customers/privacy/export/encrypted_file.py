"""A file with one person's data: encrypted with FIELD_KEYS in blocks, so that it can be streamed; only the system user can open it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from django.conf import settings

from config.foundation.files.private_files import make_private_folder
from customers.identity.personal_data.encrypted_field import get_cipher

FOLDER = "privacy"
BLOCK_BYTES = 256 * 1024


def get_folder() -> Path:
    return Path(settings.EXPORTS_DIR) / FOLDER


def get_path(file_name: str) -> Path:
    return get_folder() / file_name


def get_partial_path(path: Path) -> Path:
    """Return the path of a file until it is complete."""
    return path.with_name(f"{path.name}.partial")


class EncryptedWriter:
    """A stream that encrypts what is written; each block is one line of the file."""

    def __init__(self, path: Path) -> None:
        self._cipher = get_cipher(tuple(settings.FIELD_KEYS))
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._buffer = bytearray()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._buffer += data
        self.bytes += len(data)
        while len(self._buffer) >= BLOCK_BYTES:
            self._write_block(BLOCK_BYTES)
        return len(data)

    def flush(self) -> None:
        """Do nothing: blocks are written when they are full, and the last one at the end."""

    def close(self) -> None:
        if self._buffer:
            self._write_block(len(self._buffer))
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _write_block(self, size: int) -> None:
        self._file.write(self._cipher.encrypt(bytes(self._buffer[:size])) + b"\n")
        del self._buffer[:size]


@contextmanager
def write_encrypted(file_name: str) -> Iterator[EncryptedWriter]:
    """Write a file that gets its name only when it is complete; a failed write leaves no file."""
    make_private_folder(get_folder())
    path = get_path(file_name)
    partial = get_partial_path(path)
    try:
        with EncryptedWriter(partial) as writer:
            yield writer
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_decrypted(path: Path) -> Iterator[bytes]:
    """Yield the content of a file block by block."""
    cipher = get_cipher(tuple(settings.FIELD_KEYS))
    with path.open("rb") as lines:
        for line in lines:
            yield cipher.decrypt(line.rstrip(b"\n"))
