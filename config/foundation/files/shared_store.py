"""Files that several machines share: objects of any fsspec file system, by names such as "models/blend-1/manifest.json".

Without FILE_STORE there is no store: the machines share one folder, or there is only one machine.
"""

import posixpath
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
from django.conf import settings

from config.foundation.setting_values.parsing import ADDRESS_PASSWORD

# File systems on which a file that is being written can be seen; object stores show an object when it is complete.
SHOWS_PARTIAL_FILES = frozenset({"file", "local", "sftp", "ssh", "ftp", "smb"})
DRAFT_PREFIX = ".draft-"


class SharedStoreError(Exception):
    """The store cannot be reached, or does not have a file."""


class SharedStore:
    """The files of one FILE_STORE. All methods raise SharedStoreError."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            # other machines can change the listings
            self.files, self.root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise SharedStoreError(f"FILE_STORE cannot be used: {self.describe(error)}") from error
        protocols = {self.files.protocol} if isinstance(self.files.protocol, str) else set(self.files.protocol)
        self.shows_partial_files = bool(protocols & SHOWS_PARTIAL_FILES)

    def put(self, name: str, path: Path) -> None:
        """Copy a local file to the store; others see the old file or the complete new one."""
        target = self._build_path(name)
        folder, _slash, base = target.rpartition("/")
        draft = f"{folder}/{DRAFT_PREFIX}{uuid4().hex}-{base}" if self.shows_partial_files else target
        with translate_errors(self, name):
            if self.shows_partial_files:
                self.files.makedirs(folder, exist_ok=True)
            self.files.put_file(str(path), draft)
            if draft != target:
                self.files.mv(draft, target)

    def get(self, name: str, path: Path) -> None:
        """Copy a file of the store to a local path, which must not be read before the call returns."""
        with translate_errors(self, name):
            self.files.get_file(self._build_path(name), str(path))

    def read(self, name: str) -> bytes:
        """Return the content of a small file."""
        with translate_errors(self, name):
            content: bytes = self.files.cat_file(self._build_path(name))
        return content

    def read_fingerprint(self, name: str) -> str:
        """Return a value that changes with the content of a file; empty if the file does not exist."""
        with translate_errors(self, name):
            try:
                details = self.files.info(self._build_path(name))
            except FileNotFoundError:
                return ""
        moment = details.get("ETag") or details.get("etag") or details.get("mtime") or details.get("LastModified")
        return f"{details.get('size')} {moment} {details.get('ino', '')}"

    def list_names(self, folder: str) -> list[str]:
        """Return the names of all files below a folder, without those that are being written."""
        with translate_errors(self, folder):
            try:
                self.files.invalidate_cache()
                paths = self.files.find(self._build_path(folder))
            except FileNotFoundError:
                return []
        names = [path[len(self.root) :].lstrip("/") for path in paths]
        return [name for name in names if not posixpath.basename(name).startswith(DRAFT_PREFIX)]

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly below a folder."""
        start = f"{folder}/"
        names = (name.removeprefix(start) for name in self.list_names(folder))
        return sorted({name.partition("/")[0] for name in names if "/" in name})

    def remove(self, name: str) -> None:
        """Delete a file or a folder with everything in it, if it exists."""
        with translate_errors(self, name):
            try:
                self.files.rm(self._build_path(name), recursive=True)
            except FileNotFoundError:
                return

    def describe(self, error: Exception) -> str:
        """Return the text of a file system's error without the password of the address, which it may quote."""
        text = str(error) or type(error).__name__
        for _start, password in ADDRESS_PASSWORD.findall(self.url):
            text = text.replace(password, "***")
        return text

    def _build_path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"


class translate_errors:  # noqa: N801 — used like a function
    """Turn whatever a file system raises into SharedStoreError: each has errors of its own."""

    def __init__(self, store: SharedStore, name: str) -> None:
        self.store, self.name = store, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, SharedStoreError):
            raise SharedStoreError(f"{self.name} in FILE_STORE: {self.store.describe(error)}") from error


@lru_cache(maxsize=4)
def open_store(url: str) -> SharedStore:
    return SharedStore(url)


def get_shared_store() -> SharedStore | None:
    """Return the store of FILE_STORE; None without one. Raises SharedStoreError if its file system cannot be used."""
    return open_store(settings.FILE_STORE) if settings.FILE_STORE else None
