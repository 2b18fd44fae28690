"""The files that belong to a backup: as they are at one moment, each stored once no matter how many backups contain it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from config.backup.repository import BackupError, BackupRepository
from config.foundation.progress import Progress
from customers.warehouse.parquet_files import STAGING, get_warehouse_root

PART_BYTES = 8 * 1024 * 1024
LOCK = "backup-lock"
EXCLUDED_FOLDERS = frozenset({STAGING, ".restoring", ".replaced"})


@dataclass(frozen=True)
class StagedFile:
    """A file as it was at one moment: where it belongs, and a hard link to it that no job removes."""

    root: str
    path: str  # within its root
    copy: Path
    size: int
    modified: int  # nanoseconds
    is_linked: bool = True  # False: no hard link could be made, and ``copy`` is the file itself


def list_roots() -> dict[str, Path]:
    """Return the folders whose files are backed up. Secrets are not among them."""
    return {
        "warehouse": get_warehouse_root(),
        "models": Path(settings.MODELS_DIR),
        "merchandising": Path(settings.MERCHANDISING_DIR),
        "exports": Path(settings.EXPORTS_DIR),
        "media": Path(settings.MEDIA_ROOT),
    }


@contextmanager
def stage_folder() -> Iterator[Path]:
    """Make a folder for hard links to files; folders of killed backups are removed.

    Raises:
        BackupError: another backup has such a folder, also one that writes to a different folder of backups.
    """
    parent = Path(settings.VAR_DIR) / "tmp"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (parent / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError("Another backup is being made on this machine. Wait until it has ended.") from error
        for left in parent.glob("backup-*"):
            if left.name != LOCK:  # another backup would lock a new file of this name
                shutil.rmtree(left, ignore_errors=True)
        folder = parent / f"backup-{uuid4().hex}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def stage_files(folder: Path) -> list[StagedFile]:
    """Create a hard link to every file, which takes only a moment; if that is impossible, the file itself is read later."""
    staged: list[StagedFile] = []
    for name, root in list_roots().items():
        for path in list_files(root):
            copy, is_linked = folder / f"{len(staged)}", True
            try:
                os.link(path, copy)
            except FileNotFoundError:
                continue  # removed in the meantime
            except OSError:
                copy, is_linked = path, False  # on another disk, or on one that does not support hard links
            details = copy.stat()
            staged.append(
                StagedFile(
                    name, path.relative_to(root).as_posix(), copy, details.st_size, details.st_mtime_ns, is_linked
                )
            )
    return staged


def list_files(root: Path) -> Iterator[Path]:
    """Yield the regular files below a folder. Links are not followed."""
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - EXCLUDED_FOLDERS)
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path


def store_files(
    files: list[StagedFile], repository: BackupRepository, *, earlier: dict[str, Any], progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """Store the files; a file whose size and time are those in the earlier backup is not read again.

    Raises:
        BackupError: a hard link is gone, which only this backup may remove.
    """
    known = {
        (root, file["path"], file["size"], file["modified"]): file["parts"]
        for root, stored in earlier.items()
        for file in stored
    }
    result: dict[str, list[dict[str, Any]]] = {name: [] for name in list_roots()}
    total, done = sum(file.size for file in files), 0
    for file in files:
        parts = known.get((file.root, file.path, file.size, file.modified))
        if parts is None or not repository.contains(parts):
            parts = store_file(file.copy, file.size, repository)
            if parts is None and file.is_linked:
                raise BackupError(
                    f"{file.copy} was removed while the backup was made. No backup was created; start it again."
                )
        if parts is not None:
            result[file.root].append({"path": file.path, "size": file.size, "modified": file.modified, "parts": parts})
        done += file.size
        progress(done, total)
    return result


def store_file(path: Path, size: int, repository: BackupRepository) -> list[str] | None:
    """Store the content that a file had when it was staged; return its parts, or None if it is gone."""
    try:
        with path.open("rb") as file:
            starts = range(0, size, PART_BYTES)
            return [repository.store(file.read(min(PART_BYTES, size - start))) for start in starts]
    except FileNotFoundError:
        return None
