"""The keys of one purpose, newest first: from the environment, or from a file that may change while Perennial runs.

A rotation adds a key to the file, and every process uses it within a second, without a restart. This module needs no Django.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from config.foundation.keys.key_stores import KeyStore, KeyStoreError, unwrap_text

CHECK_SECONDS = 1.0


class KeyFileError(Exception):
    """Keys are missing or invalid; the text says how to fix it."""


def split_keys(text: str) -> list[str]:
    """Return the keys of a text: one per line, or separated by commas."""
    return [key.strip() for key in text.replace("\n", ",").split(",") if key.strip()]


class LiveKeys(Sequence[str]):
    """The keys, unwrapped once and cached in memory.

    Args:
        entries: the keys of the environment; empty to use the file.
        check: raises ValueError for a list of keys that is invalid.
    """

    def __init__(
        self, *, name: str, entries: Sequence[str], path: Path, store: KeyStore, check: Callable[[Sequence[str]], None]
    ) -> None:
        self.name, self.path, self.store = name, path, store
        self.is_file = not entries
        self._check = check
        self._unwrapped: dict[str, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._next_check = 0.0
        self._keys: tuple[str, ...] = ()
        if not self.is_file:
            self._keys = self._open(entries)

    def get(self) -> tuple[str, ...]:
        """Return the current keys; the first one writes."""
        if self.is_file and time.monotonic() >= self._next_check:
            self.refresh()
        return self._keys

    def refresh(self) -> bool:
        """Read the file if it has changed; return whether the keys have. Raises KeyFileError."""
        if not self.is_file:
            return False
        self._next_check = time.monotonic() + CHECK_SECONDS
        try:
            status = os.stat(self.path)
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return False
            keys = self._open(split_keys(self.path.read_text()))
        except (OSError, KeyFileError, KeyStoreError) as error:
            if self._keys:
                return False  # a running process keeps the keys it has
            raise KeyFileError(f"{self.name}: {error}") from error
        has_changed, self._keys, self._stamp = keys != self._keys, keys, stamp
        return has_changed

    def _open(self, entries: Sequence[str]) -> tuple[str, ...]:
        keys = []
        for entry in entries:
            if entry not in self._unwrapped:
                self._unwrapped[entry] = unwrap_text(self.store, entry)
            keys.append(self._unwrapped[entry])
        if not keys:
            raise KeyFileError(f"{self.name} has no key. Restore {self.path} from the backup of the keys.")
        try:
            self._check(keys)
        except ValueError as error:
            raise KeyFileError(str(error)) from error
        return tuple(keys)

    def __len__(self) -> int:
        return len(self.get())

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.get()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.get())

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self._keys)} keys>"  # never the keys, which would end up in logs


def write_private_file(path: Path, text: str) -> None:
    """Replace a file atomically and durably; only this user can read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read_entries(path: Path) -> list[str]:
    """Return the keys of a file as stored, which may be wrapped."""
    try:
        return split_keys(path.read_text())
    except FileNotFoundError:
        return []


def write_entries(path: Path, entries: Sequence[str]) -> None:
    write_private_file(path, "\n".join(entries) + "\n")
