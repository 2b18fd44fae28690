"""A small file that one machine writes and all machines read: each has a copy, which it compares with the one in FILE_STORE."""

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from config.foundation.files.private_files import make_private_folder
from config.foundation.files.shared_store import SharedStoreError, get_shared_store

CHECK_SECONDS = 10.0
logger = logging.getLogger(__name__)


@dataclass
class MirroredFile:
    """The copy of a file of the store. Without a store, the local file is the only one.

    name: in the store. path: on this machine.
    """

    name: str
    path: Path
    fingerprint: str = ""
    checked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self, *, at_once: bool = False) -> None:
        """Copy the file if the store has a different version; checked at most every ten seconds. Errors of the store are logged."""
        store = get_shared_store()
        if store is None or (not at_once and time.monotonic() - self.checked_at < CHECK_SECONDS):
            return
        if not self.lock.acquire(blocking=False):
            return  # another thread is copying it
        try:
            self.checked_at = time.monotonic()
            fingerprint = store.read_fingerprint(self.name)
            if fingerprint == self.fingerprint:
                return
            if fingerprint:
                make_private_folder(self.path.parent)
                draft = self.path.with_name(f".{self.path.name}.{uuid4().hex}")
                try:
                    store.get(self.name, draft)
                    os.replace(draft, self.path)
                finally:
                    draft.unlink(missing_ok=True)
            else:
                self.path.unlink(missing_ok=True)
            self.fingerprint = fingerprint
        except (SharedStoreError, OSError) as error:
            logger.warning("%s is not up to date on this machine: %s", self.path, error)
        finally:
            self.lock.release()

    def publish(self) -> None:
        """Copy the local file to the store, for the other machines. Raises SharedStoreError."""
        store = get_shared_store()
        if store is not None:
            store.put(self.name, self.path)
            self.fingerprint = store.read_fingerprint(self.name)

    def withdraw(self) -> None:
        """Delete the file here and in the store. Raises SharedStoreError."""
        self.path.unlink(missing_ok=True)
        store = get_shared_store()
        if store is not None:
            store.remove(self.name)
