"""Only the user who runs Perennial reads its files: folders get mode 0700 and files 0600."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
OWNER_BITS = 0o700
DATABASE_FOLDER = "postgres"  # PostgreSQL keeps its own files private; they are too many to look at


def keep_new_files_private() -> None:
    """Create all further files and folders of this process, and of its children, without access for other users."""
    os.umask(PRIVATE_UMASK)


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents without access for other users, whatever the umask is."""
    for path in [*reversed(folder.parents), folder]:
        if not path.exists():
            path.mkdir(mode=OWNER_BITS, exist_ok=True)


def make_tree_private(root: Path) -> int:
    """Withdraw the access of other users to a folder and everything in it; return the number of changes.

    This repairs folders from before, and what other programs wrote. If PostgreSQL runs as its own user, which it does under root,
    that user may still traverse the folder, but not list it.
    """
    if not root.is_dir():
        return 0
    database = root / DATABASE_FOLDER
    is_shared = database.exists() and database.stat().st_uid != os.geteuid()
    changed = withdraw_access(root, keep=stat.S_IXOTH if is_shared else 0)
    return changed + sum(withdraw_access(path) for path in list_files(root, skip=database))


def list_files(folder: Path, *, skip: Path) -> Iterator[Path]:
    """Yield all files and folders below a folder, but no links and nothing in ``skip``; those that vanish meanwhile are left out."""
    with suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if path == skip or entry.is_symlink():
                continue
            yield path
            if entry.is_dir(follow_symlinks=False):
                yield from list_files(path, skip=skip)


def withdraw_access(path: Path, *, keep: int = 0) -> int:
    """Withdraw the access of group and others; return 1 if they had any. Files of other users stay as they are."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        private = mode & (OWNER_BITS | keep)
        if mode != private:
            path.chmod(private)
            return 1
    return 0
