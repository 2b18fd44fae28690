"""Artifacts on several machines: published to FILE_STORE by the machine that made them, and copied by those that need them.

The database has the checksum of the manifest, and the manifest that of each array, so a copy is used only if it is complete and correct.
A copy in MODELS_DIR can be deleted at any time, because the store has every artifact that the database refers to.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from config.foundation.files.private_files import make_private_folder
from config.foundation.files.shared_store import SharedStore, SharedStoreError, get_shared_store
from recommendations.training.registry.artifacts import (
    MANIFEST,
    Artifact,
    DamagedArtifactError,
    compute_file_checksum,
    open_artifact,
    save_artifact,
)

STORE_FOLDER = "models"
COPY_SUFFIXES = (".copy", ".old")  # of folders that another process on this machine is working on
logger = logging.getLogger(__name__)


def publish_artifact(*, name: str, artifact: Artifact) -> str:
    """Save an artifact in MODELS_DIR and in the store, if there is one; return its checksum. Raises SharedStoreError."""
    folder = Path(settings.MODELS_DIR) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    checksum = save_artifact(folder=folder, artifact=artifact)
    store = get_shared_store()
    if store is not None:
        upload_folder(folder, store)
    return checksum


def upload_folder(folder: Path, store: SharedStore) -> None:
    """Copy the files of an artifact to the store, the manifest last: without it, nobody reads the others."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != MANIFEST:
            store.put(f"{STORE_FOLDER}/{folder.name}/{path.name}", path)
    store.put(f"{STORE_FOLDER}/{folder.name}/{MANIFEST}", folder / MANIFEST)


def publish_copies() -> None:
    """Copy all artifacts of MODELS_DIR to the store, after a backup was restored there. Raises SharedStoreError."""
    store, root = get_shared_store(), Path(settings.MODELS_DIR)
    if store is not None and root.is_dir():
        for folder in sorted(root.iterdir()):
            if (folder / MANIFEST).is_file() and not folder.name.startswith("."):
                upload_folder(folder, store)


def open_published_artifact(*, name: str, checksum: str, verify_arrays: bool = False) -> Artifact:
    """Return an artifact of MODELS_DIR, copied from the store first if this machine does not have it.

    Raises:
        DamagedArtifactError: a file is missing or differs, or the store cannot be reached.
    """
    folder = Path(settings.MODELS_DIR) / name
    if get_shared_store() is None:
        return open_artifact(folder=folder, checksum=checksum, verify_arrays=verify_arrays)
    if not has_copy(name=name, checksum=checksum):
        fetch_artifact(name=name, checksum=checksum)
    try:
        return open_artifact(folder=folder, checksum=checksum, verify_arrays=verify_arrays)
    except DamagedArtifactError:
        # another process may have replaced or removed the copy, or it may be damaged on disk
        fetch_artifact(name=name, checksum=checksum, is_forced=True)
        return open_artifact(folder=folder, checksum=checksum, verify_arrays=verify_arrays)


def has_copy(*, name: str, checksum: str) -> bool:
    """Return whether MODELS_DIR has the manifest with this checksum, which is put there last."""
    return read_checksum(Path(settings.MODELS_DIR) / name) == checksum


def read_checksum(folder: Path) -> str:
    """Return the checksum of the manifest in a folder; empty without one."""
    try:
        return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return ""


def fetch_artifact(*, name: str, checksum: str, is_forced: bool = False) -> None:
    """Copy an artifact of the store to MODELS_DIR; correct files that are already there are not copied again.

    Raises:
        DamagedArtifactError: the store does not have it, or has different content than the checksum requires.
    """
    store = get_shared_store()
    if store is None:
        raise DamagedArtifactError(f"{name} is not in MODELS_DIR, and there is no FILE_STORE to copy it from.")
    root = Path(settings.MODELS_DIR)
    make_private_folder(root)
    with lock_folder(root):
        if not is_forced and has_copy(name=name, checksum=checksum):
            return  # another process of this machine has copied it meanwhile
        draft = root / f".{name}.copy"
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        try:
            copy_from_store(store, name=name, checksum=checksum, draft=draft, present=root / name)
            replace_folder(draft, root / name)
        except SharedStoreError as error:
            raise DamagedArtifactError(f"{name} cannot be copied from FILE_STORE: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def copy_from_store(store: SharedStore, *, name: str, checksum: str, draft: Path, present: Path) -> None:
    """Fill the draft of a folder, and compare every file with the manifest."""
    manifest = store.read(f"{STORE_FOLDER}/{name}/{MANIFEST}")
    if hashlib.sha256(manifest).hexdigest() != checksum:
        raise DamagedArtifactError(f"{name} in FILE_STORE does not have the checksum that the database expects.")
    make_private_folder(draft)
    for entry in json.loads(manifest)["arrays"].values():
        target = draft / entry["file"]
        if not link_equal_file(present / entry["file"], target, checksum=entry["sha256"]):
            store.get(f"{STORE_FOLDER}/{name}/{entry['file']}", target)
            if compute_file_checksum(target) != entry["sha256"]:
                raise DamagedArtifactError(f"{name}/{entry['file']} in FILE_STORE differs from what was saved.")
    (draft / MANIFEST).write_bytes(manifest)


def link_equal_file(source: Path, target: Path, *, checksum: str) -> bool:
    """Create a hard link to a file if it has the right content; return whether it has."""
    with suppress(OSError, DamagedArtifactError):
        if source.is_file() and compute_file_checksum(source) == checksum:
            os.link(source, target)
            return True
    return False


def replace_folder(draft: Path, folder: Path) -> None:
    """Replace a folder with the draft. Processes that have mapped the old files keep their pages."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(draft, folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def lock_folder(root: Path) -> Iterator[None]:
    """Let one process of this machine copy at a time; a killed one releases the lock."""
    with (root / ".copying").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_unused_copies(kept: Mapping[str, str]) -> list[str]:
    """Delete the copies in MODELS_DIR that the store has too, except those in ``kept`` (name → checksum); return their names.

    Without a store, nothing is deleted, because MODELS_DIR is then the only place.
    """
    root, removed = Path(settings.MODELS_DIR), []
    if get_shared_store() is None or not root.is_dir():
        return []
    for folder in root.iterdir():
        if not (folder / MANIFEST).is_file() or folder.name.startswith("."):
            continue
        if kept.get(folder.name) == read_checksum(folder):
            continue
        if folder.name not in kept and is_unpublished(folder):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder.name)
    return removed


def is_unpublished(folder: Path) -> bool:
    """Return whether the store does not have the artifact yet: a training is about to publish it."""
    store = get_shared_store()
    try:
        return store is not None and not store.read_fingerprint(f"{STORE_FOLDER}/{folder.name}/{MANIFEST}")
    except SharedStoreError:
        return True


class ArtifactFetcher:
    """Copies artifacts in a thread, so that the current serving state is used meanwhile."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self.error = ""

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, *wanted: tuple[str, str]) -> None:
        """Copy artifacts (name, checksum), unless a copy is being made."""
        if not self.is_running:
            self.error = ""
            self._thread = threading.Thread(target=self._run, args=wanted, name="artifact-fetcher", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self, *wanted: tuple[str, str]) -> None:
        try:
            for name, checksum in wanted:
                fetch_artifact(name=name, checksum=checksum)
        except (DamagedArtifactError, OSError) as error:
            self.error = str(error)
            logger.error("The new model has not arrived on this machine yet; the current one stays active: %s", error)
        except Exception as error:
            self.error = str(error)
            logger.exception("The new model could not be copied; the current one stays active")
